"""Conditions say what is judged, and a transition time says when that last changed."""

from datetime import UTC, datetime, timedelta

import pytest

from tierfleet.api.conditions import (
    READY,
    RECONCILING,
    STALLED,
    Condition,
    Judgement,
    Status,
    judged,
    reconciling,
    stalled,
    summary,
)

T0 = datetime(2026, 11, 22, 10, 0, 0, 999_999, tzinfo=UTC)
T1 = T0 + timedelta(minutes=1)

FITS = Judgement(Status.TRUE, "Fits", "It fits.")
FULL = Judgement(Status.FALSE, "InsufficientCapacity", "Short by 10.")
UNCLEAR = Judgement(Status.UNKNOWN, "Pending", "The pool has no capacity yet.")


def test_a_transition_time_moves_only_when_the_status_flips() -> None:
    first = judged((), {"Accepted": FITS}, generation=1, now=T0)
    other_words = Judgement(Status.TRUE, "Fits", "It fits well.")
    second = judged(first, {"Accepted": other_words}, generation=2, now=T1)
    third = judged(second, {"Accepted": FULL}, generation=2, now=T1)
    whole_second = T0.replace(microsecond=0)
    assert first[0].last_transition_time == whole_second
    assert (second[0].last_transition_time, second[0].message) == (whole_second, "It fits well.")
    assert second[0].observed_generation == 2
    assert third[0].last_transition_time == T1.replace(microsecond=0)


def test_the_same_judgements_give_equal_conditions_at_any_time() -> None:
    first = judged((), {"Accepted": FITS, "Active": FULL}, generation=1, now=T0)
    assert judged(first, {"Accepted": FITS, "Active": FULL}, generation=1, now=T1) == first


def test_conditions_survive_the_way_through_the_api_server() -> None:
    conditions = judged((), {"Accepted": FITS}, generation=1, now=T0)
    raw = [condition.to_raw() for condition in conditions]
    assert raw == [
        {
            "type": "Accepted",
            "status": "True",
            "reason": "Fits",
            "message": "It fits.",
            "lastTransitionTime": "2026-11-22T10:00:00Z",
            "observedGeneration": 1,
        }
    ]
    assert tuple(Condition.model_validate(entry) for entry in raw) == conditions


def test_reconciling_and_stalled_are_there_only_while_they_are_true() -> None:
    moving = judged(
        (), {"Placed": FITS, **reconciling("Starting", "1 of 2.")}, generation=1, now=T0
    )
    stuck = judged(moving, {"Placed": FULL, **stalled("NoDevices", "Add.")}, generation=1, now=T1)
    done = judged(stuck, {"Placed": FITS}, generation=1, now=T1)
    assert [c.type for c in moving] == ["Placed", RECONCILING]
    assert [c.type for c in stuck] == ["Placed", STALLED]
    assert [c.type for c in done] == ["Placed"]


@pytest.mark.parametrize(
    ("accepted", "placed", "expected"),
    [
        (FITS, FITS, Judgement(Status.TRUE, "Ready", "All is well.")),
        (FULL, FITS, FULL),
        (FITS, FULL, FULL),
        (UNCLEAR, FITS, UNCLEAR),
        (UNCLEAR, FULL, FULL),
    ],
)
def test_ready_sums_up_with_the_reason_of_what_is_in_the_way(
    accepted: Judgement, placed: Judgement, expected: Judgement
) -> None:
    well = Judgement(Status.TRUE, "Ready", "All is well.")
    judgements = {"Accepted": accepted, "Placed": placed, "Enforced": FULL}
    assert summary(judgements, ("Accepted", "Placed"), well) == expected


def test_ready_cannot_be_summed_up_from_what_was_not_judged() -> None:
    with pytest.raises(KeyError):
        summary({"Accepted": FITS}, ("Accepted", "Placed"), FITS)


def test_a_message_too_long_for_the_api_server_is_cut() -> None:
    long = Judgement(Status.FALSE, "Conflict", "x" * 40_000)
    (condition,) = judged((), {READY: long}, generation=1, now=T0)
    assert len(condition.message) == 32_768
