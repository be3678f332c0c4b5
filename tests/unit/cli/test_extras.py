"""What works without the packages of an extra, and what is said where they are missing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"kopf", "kubernetes", "prometheus_api_client"}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
from tierfleet.cli import kubectl, main
{"tierfleet": main, "kubectl-tierfleet": kubectl}[sys.argv[1]].app(sys.argv[2:])
"""
"""A program in which the operator's extra is not installed."""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("tierfleet", "--help"),
        ("tierfleet", "plan", "render", "--help"),
        ("tierfleet", "plan", "render", "-f", "examples"),
        ("kubectl-tierfleet", "--help"),
        ("kubectl-tierfleet", "plan", "--help"),
        ("kubectl-tierfleet", "plan", "diff", "--help"),
        ("kubectl-tierfleet", "capacity", "--help"),
    ],
)
def test_help_and_the_plan_of_files_take_no_client(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("capacity",), 1),
        (("plan", "llama"), 1),
        (("plan", "--output", "json", "llama"), 1),
        # 1 would say that there is a difference.
        (("plan", "diff", "-f", "examples"), 2),
    ],
)
def test_a_question_to_a_cluster_names_the_extra_that_it_takes(
    words: tuple[str, ...], status: int
) -> None:
    done = run("kubectl-tierfleet", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert "pip install 'tierfleet[operator]'" in done.stderr
