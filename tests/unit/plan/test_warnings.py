"""What a plan's writer can hardly have meant."""

from typing import Any

from tests.unit.sidecar.plans import plan
from tierfleet.plan import warnings


def reservation(name: str, granted: int, **changes: Any) -> dict[str, Any]:
    return {
        "uid": name,
        "name": name,
        "tenants": ["acme"],
        "declared": {"percent": 30},
        "granted": granted,
    } | changes


def test_a_plan_that_fits_has_none() -> None:
    assert warnings(plan()) == []
    assert warnings(plan(reservations=[reservation("all", 14_000)])) == []


def test_a_reservation_for_a_tenant_that_is_not_there() -> None:
    (warning,) = warnings(plan(reservations=[reservation("a", 1, tenants=["acmee", "acme"])]))
    assert "'acmee'" in warning
    assert "'a'" in warning


def test_more_is_granted_than_the_engines_do() -> None:
    both = [reservation("a", 10_000), reservation("b", 4_001)]
    (warning,) = warnings(plan(reservations=both))
    assert "14001" in warning
    assert "14000" in warning


def test_only_what_is_granted_at_one_time_counts_together() -> None:
    half = "2026-07-01T00:00:00Z"
    first = reservation("a", 10_000, term={"end": half})
    second = reservation("b", 10_000, term={"start": half})
    assert warnings(plan(reservations=[first, second])) == []
    overlapping = reservation("b", 10_000, term={"start": "2026-06-30T00:00:00Z"})
    assert len(warnings(plan(reservations=[first, overlapping]))) == 1


def test_what_is_not_known_is_not_too_little() -> None:
    groups = [{"name": "h100", "accelerator": "h100", "desired": 1, "maxSequences": 2}]
    assert warnings(plan(groups=groups, reservations=[reservation("a", 99_999)])) == []
