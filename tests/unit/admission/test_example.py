import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_worked_example_of_the_essay_prints_what_the_essay_says() -> None:
    command = [sys.executable, str(ROOT / "examples" / "admission.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed
    assert printed in (ROOT / "docs" / "admission.md").read_text()
