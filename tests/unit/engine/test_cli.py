"""Mistakes on the command line of `tierfleet engine`. The serving process: tests/integration."""

import pytest
import typer
from typer.testing import CliRunner

from tierfleet.cli.engine import engine

app = typer.Typer()
app.command()(engine)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--preset", "h200"], "There is no preset 'h200'. Give one of h100, b200, tpu-v5p"),
        (["--speed", "0"], "0 is not a pace"),
        (["--speed", "nan"], "nan is not a pace"),
        (["--max-num-seqs", "0"], "--max-num-seqs must be at least 1, not 0"),
        (["--max-num-seqs", "9999"], "--max-num-batched-tokens (8192) must be at least"),
        (["--num-gpu-blocks-override", "10"], "does not fit into the KV cache of 10 blocks"),
        (["--scheduling-policy", "lifo"], "'fcfs', 'priority'"),
        (["--port", "65536"], "65535"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(options: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, options, env={"COLUMNS": "300"})
    assert result.exit_code == 2
    shown = " ".join(result.output.replace("│", " ").split())
    assert sentence in shown
    assert "Traceback" not in shown
