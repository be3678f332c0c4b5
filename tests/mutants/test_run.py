from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.run import (
    ROOT,
    BrokenError,
    copy_to,
    main,
    mutated,
    passes,
    survives,
)
from tests.mutants.tables import MUTANTS

KILLER = "test_order.py::test_ties_go_by_arrival_and_not_by_id"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("pristine") / "copy"
    copy_to(copy)
    return copy


def test_every_mutant_changes_what_is_there_and_names_a_test_that_is_there() -> None:
    for mutant in MUTANTS:
        mutated((ROOT / mutant.source).read_text(), mutant)
        file, _, test = mutant.test.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text(), mutant.name
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25


def test_a_word_that_no_mutant_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["clock", "nosuchword"])
    assert refused.value.code == 2
    assert "no mutant has 'nosuchword' in its name" in capsys.readouterr().err


def test_a_change_that_breaks_no_rule_survives(pristine: Path) -> None:
    harmless = Mutant(
        "a wrong sentence", "order.py", (("2. Floors of tiers.", "2. None."),), KILLER
    )
    assert survives(harmless, pristine)


def test_a_mistake_is_noticed_by_its_test_and_the_copy_stays_as_it_was(pristine: Path) -> None:
    (mistake,) = [mutant for mutant in MUTANTS if mutant.killer == KILLER]
    assert not survives(mistake, pristine)
    assert passes(pristine, [f"tests/unit/admission/{KILLER}"])[0]


@pytest.mark.parametrize(
    "edits",
    [
        (("this text is nowhere", ""),),
        (("self", "this"),),
        (("class Order:", "class Order"),),
        (("OVERTAKINGS: Final = 8", "OVERTAKINGS: Final = 8 // 0"),),
    ],
    ids=["not there", "there more than once", "no Python", "cannot be imported"],
)
def test_a_mutant_that_cannot_be_made_or_run_is_not_taken_for_noticed(
    pristine: Path, edits: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(BrokenError):
        survives(Mutant("broken", "order.py", edits, KILLER), pristine)
