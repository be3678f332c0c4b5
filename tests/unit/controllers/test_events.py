from datetime import UTC, datetime

from tierfleet.api.conditions import Condition, Status
from tierfleet.controllers.events import flipped

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def condition(type_: str, status: str, reason: str = "Reason", message: str = "") -> Condition:
    return Condition(
        type=type_,
        status=Status(status),
        reason=reason,
        message=message or type_,
        last_transition_time=NOW,
    )


def told(before: tuple[Condition, ...], *after: Condition) -> list[str]:
    return [found.type for found in flipped(before, after)]


def test_only_what_flips_is_told() -> None:
    before = (condition("Placed", "True"), condition("Accepted", "True"))
    after = condition("Placed", "False"), condition("Accepted", "True", "Other")
    assert told(before, *after) == ["Placed"]


def test_at_first_only_bad_news_and_readiness_are_told() -> None:
    first = (
        condition("Accepted", "True"),
        condition("Placed", "False"),
        condition("Degraded", "False"),
        condition("Ready", "True"),
    )
    assert told((), *first) == ["Placed", "Ready"]
    unknown = tuple(condition(c.type, "Unknown") for c in first)
    assert told(unknown, *first) == ["Placed", "Ready"]


def test_what_is_not_known_is_not_told() -> None:
    assert told((condition("Enforced", "True"),), condition("Enforced", "Unknown")) == []


def test_degraded_is_bad_when_true() -> None:
    assert told((), condition("Degraded", "True")) == ["Degraded"]
    before = (condition("Degraded", "True"),)
    assert told(before, condition("Degraded", "False")) == ["Degraded"]


def test_the_summary_does_not_repeat_what_another_condition_says() -> None:
    before = (condition("Placed", "True"), condition("Ready", "True"))
    why = ("InsufficientDevices", "4 of 6")
    after = (
        condition("Placed", "False", *why),
        condition("Ready", "False", *why),
        condition("Stalled", "True", *why),
        condition("Reconciling", "True", *why),
    )
    assert told(before, *after) == ["Placed"]
