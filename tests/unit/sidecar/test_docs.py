"""`docs/sidecar.md` names what there is."""

from pathlib import Path

import msgspec
import pytest
import typer

from tierfleet.admission.types import ShedReason
from tierfleet.cli.sidecar import sidecar
from tierfleet.plan import EngineType
from tierfleet.sidecar.engines import ADAPTERS
from tierfleet.sidecar.metrics import Metrics
from tierfleet.sidecar.record import Record, RequestOutcome

TEXT = (Path(__file__).parents[3] / "docs" / "sidecar.md").read_text()


def _options() -> list[str]:
    app = typer.Typer(add_completion=False)
    app.command()(sidecar)
    return [
        word
        for option in typer.main.get_command(app).params
        if option.name != "help"
        for word in (*option.opts, str(option.envvar))
    ]


def _metrics() -> list[str]:
    families = Metrics().collect()
    return [
        family.name.removeprefix("tierfleet_sidecar_")
        + ("_total" if family.type == "counter" else "")
        for family in families
    ]


@pytest.mark.parametrize(
    "word",
    [
        *_options(),
        *_metrics(),
        *(field.name for field in msgspec.structs.fields(Record)),
        *(outcome.value for outcome in RequestOutcome),
        *(reason.value for reason in ShedReason),
    ],
)
def test_the_document_names(word: str) -> None:
    assert f"`{word}`" in TEXT


@pytest.mark.parametrize("engine", EngineType)
def test_the_document_says_what_each_engine_is_like(engine: EngineType) -> None:
    adapter = ADAPTERS[engine]
    rows = [line for line in TEXT.splitlines() if line.startswith(f"| `{engine}` |")]
    assert len(rows) == 2
    words = [adapter.metrics_path, *adapter.priority_flags]
    if len(adapter.dialects) == 1:
        (dialect,) = adapter.dialects
        names = (dialect.waiting, *dialect.tokens, *(amount.metric for amount in dialect.kv_size))
        words += [name.decode() for name in names]
    assert [word for word in words if f"`{word}`" not in "".join(rows)] == []
    assert f"GET {adapter.health_path}" in rows[1]
    if adapter.aborts_within:
        assert f"within {adapter.aborts_within:.0f} s" in rows[1]
