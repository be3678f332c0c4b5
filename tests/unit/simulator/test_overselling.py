from datetime import UTC, datetime
from typing import Any

from tests.unit.simulator.worlds import document, plan
from tierfleet.simulator.overselling import Oversold, oversold

START = datetime(2026, 6, 1, tzinfo=UTC)


def contracts(*granted: int, **more: Any) -> list[dict[str, Any]]:
    (one,) = document()["reservations"]
    return [
        {**one, "uid": str(n), "name": str(n), "granted": rate, **more}
        for n, rate in enumerate(granted)
    ]


def test_all_that_there_is_can_be_sold_and_no_more() -> None:
    assert oversold(plan(reservations=contracts(600, 400)), START) is None
    assert oversold(plan(reservations=contracts(600, 700)), START) == Oversold(1300, 1000, 0)


def test_floors_are_sold_too_and_alone_do_not_count() -> None:
    tiers = [{**document()["tiers"][0], "minimumPercent": 50}, document()["tiers"][1]]
    assert oversold(plan(tiers=tiers, reservations=contracts(500)), START) is None
    assert oversold(plan(tiers=tiers, reservations=contracts(501)), START) == (1001, 1000, 500)


def test_terms_that_follow_each_other_are_not_added_and_those_that_are_over_not_counted() -> None:
    first, then = contracts(600, 700)
    first["term"] = {"end": "2027-01-01T00:00:00Z"}
    then["term"] = {"start": "2027-01-01T00:00:00Z"}
    assert oversold(plan(reservations=[first, then]), START) is None
    over = contracts(2000, term={"end": "2026-01-01T00:00:00Z"})
    assert oversold(plan(reservations=over), START) is None


def test_of_an_unknown_rate_nothing_can_be_said() -> None:
    groups = [{"name": "h100", "accelerator": "h100", "desired": 1}]
    assert oversold(plan(groups=groups, reservations=contracts(9999)), START) is None
