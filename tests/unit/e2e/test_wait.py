import pytest

from e2e.wait import wait_until


def test_the_first_truthy_value_is_returned() -> None:
    answers = iter([[], [], ["here"]])

    assert wait_until(lambda: next(answers), timeout=10, why="something to be here") == ["here"]


def test_a_condition_that_never_holds_fails_with_what_was_waited_for_and_the_last_value() -> None:
    with pytest.raises(AssertionError, match=r"in vain for the pods to go; last value: \{\}"):
        wait_until(dict, timeout=0, why="the pods to go")


def test_an_error_of_the_question_is_not_swallowed() -> None:
    def ask() -> bool:
        raise OSError("no answer")

    with pytest.raises(OSError, match="no answer"):
        wait_until(ask, timeout=10, why="an answer")
