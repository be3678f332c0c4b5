"""`docs/conditions.md` knows every condition and reason that there is, and no other."""

import re
from enum import StrEnum

import pytest

from e2e.paths import REPOSITORY
from tierfleet.api.capacityreservation import ReservationCondition, ReservationReason
from tierfleet.api.conditions import PENDING
from tierfleet.api.inferencepool import InferencePool
from tierfleet.api.poolstatus import PoolCondition, PoolReason
from tierfleet.api.tierpolicy import PolicyCondition, PolicyReason

PAGE = REPOSITORY / "docs" / "conditions.md"
KINDS: dict[str, tuple[type[StrEnum], type[StrEnum]]] = {
    InferencePool.__name__: (PoolCondition, PoolReason),
    "TierPolicy": (PolicyCondition, PolicyReason),
    "CapacityReservation": (ReservationCondition, ReservationReason),
}


def rows(kind: str) -> list[list[str]]:
    """The cells of the table of a kind."""
    section = PAGE.read_text().split(f"\n## {kind}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_all_conditions_and_reasons_of_the_kind(kind: str) -> None:
    conditions, reasons = KINDS[kind]
    told = rows(kind)
    assert [row[0].strip("`") for row in told if row[0]] == [one.value for one in conditions]
    named = {name for row in told for name in re.findall(r"`(\w+)`", row[2])}
    assert named == {one.value for one in reasons} - {PENDING}
    assert all(row[1] in {"True", "False", "Unknown"} and row[3] for row in told)
