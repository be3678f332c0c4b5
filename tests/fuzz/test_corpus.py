"""What fuzzing has found worth keeping, and every conformance case, in the default suite."""

from pathlib import Path

import pytest

from tests.conformance import framing, heads
from tests.fuzz.target import one

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 20


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_an_input_of_the_corpus(path: Path) -> None:
    one(path.read_bytes())


@pytest.mark.parametrize("size", [1, 7, 63])
def test_the_conformance_cases(size: int) -> None:
    for case in (*framing.CASES, *heads.CASES):
        one(bytes([0, size]) + b"".join(case.sent))
