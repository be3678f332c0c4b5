"""Which samples say what a replica can do, and what becomes of them."""

import math
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    NAMESPACE,
    NOTHING_KNOWN,
    NOW,
    accelerator,
    bound,
    changed,
    nodes,
    placements,
    plan_of,
    pool,
    reservation,
    world,
    written,
)
from tierfleet import plan
from tierfleet.planning.measured import (
    FEWEST_SAMPLES,
    FEWEST_SUB_WINDOWS,
    Measurement,
    Rate,
    Sample,
    Sight,
    counts,
    estimate,
    settled,
)
from tierfleet.planning.published import Recorded
from tierfleet.planning.record import read
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import summarise_pool, summarise_reservation

POOL = (NAMESPACE, "pool")
ENTERPRISE = plan.Tier(
    name="enterprise", priority=100, objectives=plan.Objectives(queue_p99_milliseconds=100)
)
PRO = plan.Tier(name="pro", priority=50, objectives=plan.Objectives(ttft_p99_milliseconds=2000))
RETAIL = plan.Tier(name="retail", priority=0)
TIERS = (PRO, RETAIL, ENTERPRISE)


def sample(**changes: Any) -> Sample:
    return Sample("pod", NOW, 1000.0, 1.0, {}, {})._replace(**changes)


def test_a_sample_counts_only_while_the_replica_was_full_throughout() -> None:
    assert counts(sample(), TIERS)
    assert counts(sample(full=0.96), TIERS)
    assert not counts(sample(full=0.9), TIERS)
    assert not counts(sample(full=math.nan), TIERS)


@pytest.mark.parametrize("served", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e10])
def test_a_rate_that_cannot_be_does_not_count(served: float) -> None:
    assert not counts(sample(served=served), TIERS)


def test_the_objective_of_the_highest_tier_that_has_one_decides() -> None:
    assert counts(sample(queue_p99={"enterprise": 0.1, "pro": 60.0, "retail": 60.0}), TIERS)
    assert not counts(sample(queue_p99={"enterprise": 0.11}), TIERS)
    assert counts(sample(first_token_p99={"enterprise": 9.0, "pro": 9.0}), TIERS)
    assert not counts(sample(first_token_p99={"pro": 2.1}), (PRO, RETAIL))
    assert counts(sample(queue_p99={"retail": 60.0}), (RETAIL,)), "nothing was promised"


def samples(*rates: float, each: int = 1) -> list[tuple[Any, float]]:
    """One sub-window after the other, with as many replicas in each."""
    return [(NOW + timedelta(minutes=i // each), rate) for i, rate in enumerate(rates)]


def test_one_sample_is_no_rate_nor_is_one_moment_of_a_whole_fleet() -> None:
    assert estimate([]) is None
    assert estimate(samples(1000.0)) is None
    assert estimate(samples(*[1000.0] * (FEWEST_SAMPLES - 1))) is None
    assert estimate(samples(*[1000.0] * 100, each=100)) is None
    assert FEWEST_SUB_WINDOWS == 5
    assert estimate(samples(*[1000.0] * 12, each=3)) is None
    assert estimate(samples(*[1000.0] * 13, each=3)) is not None


def test_the_rate_is_the_median_and_as_old_as_the_newest_sample() -> None:
    found = estimate(samples(1.0, 1.0, 990.0, 1000.0, 1000.0, 1010.0, 1020.0, 9e8, 9e8, 1000.0))
    assert found == Rate(1000, NOW + timedelta(minutes=9))


def test_another_value_is_taken_over_from_five_percent_on() -> None:
    before = Rate(1000, NOW)
    for close in (950, 1000, 1050):
        assert settled(before, Rate(close, NOW + timedelta(hours=1))) is before
    for apart in (949, 1051):
        found = Rate(apart, NOW + timedelta(hours=1))
        assert settled(before, found) is found
    assert settled(None, before) is before
    assert settled(before, None) is before


def fleet(rate: int | None = 1000, *objects: Any) -> Snapshot:
    found = pool("pool", accelerator(rate=rate), replicas=2, partitioning={"spareReplicas": 0})
    return world(found, *objects, nodes=nodes("NVIDIA-H100-80GB-HBM3", 1))


def seen(snapshot: Snapshot, rate: int | None, sight: Sight = Sight.CLEAR) -> Snapshot:
    rates = {} if rate is None else {"h100": Rate(rate, NOW)}
    return changed(snapshot, measured={POOL: Measurement(sight, rates)})


def test_the_plan_remembers_what_was_measured() -> None:
    first = plan_of(seen(fleet(), 800)).plan
    assert first is not None
    assert first.group("h100").service_tokens_per_second == 800
    assert first.group("h100").measured_since == NOW
    memory = read(plan.split(first)[plan.parts.INDEX])
    assert memory.rates == {"h100": Rate(800, NOW)}
    again = changed(seen(fleet(), None), recorded={POOL: memory})
    assert plan_of(again).plan == first, "a restart is no change"
    assert plan_of(changed(again, now=NOW + timedelta(days=1))).plan == first


def test_a_plan_without_a_measurement_is_what_it_was() -> None:
    document = plan_of(fleet()).plan
    assert document is not None
    assert "measuredSince" not in str(plan.render(document))
    assert plan_of(seen(fleet(), None)).plan == document


def test_a_lower_measurement_degrades_what_was_promised_and_takes_nothing_back() -> None:
    promised = written(fleet(1000, reservation("acme", 1800)))
    lower = plan_of(seen(promised, 500))
    (contract,) = [v.contract for v in lower.reservations.values()]
    assert contract is not None
    assert (contract.granted, lower.capacity.sellable) == (900, 900)
    status = summarise_reservation(promised, (NAMESPACE, "acme"), lower, NOTHING_KNOWN)
    said = {c.type: (c.status, c.reason) for c in status.conditions}
    assert said["Accepted"] == ("True", "Fits")
    assert said["Degraded"] == ("True", "CapacityLost")
    (why,) = [c.message for c in status.conditions if c.type == "Degraded"]
    assert "was measured to have less: 900 of 1800" in why
    back = plan_of(seen(promised, 1000))
    assert [v.contract.granted for v in back.reservations.values() if v.contract] == [1800]


def known(snapshot: Snapshot) -> tuple[str, str, str]:
    status = summarise_pool(snapshot, plan_of(snapshot), NOTHING_KNOWN)
    return next(
        (c.status, c.reason, c.message) for c in status.conditions if c.type == "CapacityKnown"
    )


def test_the_status_says_where_each_number_comes_from_and_since_when() -> None:
    snapshot = seen(fleet(), 800)
    snapshot = bound(snapshot, placements(snapshot), spread=True)
    raw = summarise_pool(snapshot, plan_of(snapshot), NOTHING_KNOWN).to_raw()
    since = "2026-06-01T12:00:00Z"
    assert raw["capacity"]["source"] == "Measured"
    assert raw["capacity"]["since"] == since
    (only,) = raw["accelerators"]
    assert only["capacity"] == {"source": "Measured", "since": since, "serviceTokensPerSecond": 800}
    assert known(snapshot) == (
        "True",
        "Measured",
        "1600 service tokens/s as measured, of which 1440 can be sold.",
    )


@pytest.mark.parametrize(
    ("sight", "reason", "step"),
    [
        (Sight.UNSCRAPED, "NotScraped", "podMonitor.pools"),
        (Sight.UNAVAILABLE, "PrometheusUnavailable", "see that it runs"),
        (Sight.WRONG, "PrometheusInvalid", "correct the URL"),
    ],
)
def test_what_keeps_it_from_being_measured_is_said_with_the_next_step(
    sight: Sight, reason: str, step: str
) -> None:
    assert known(seen(fleet(), 800, sight))[:2] == ("True", reason)
    status, _, message = known(seen(fleet(), 800, sight))
    assert message.startswith("1600 service tokens/s as measured")
    assert step in message
    assert "as declared" in known(seen(fleet(), None, sight))[2]
    status, reason, message = known(seen(fleet(None), None, sight))
    assert (status, reason) == ("False", "NotDeclared")
    assert step in message


def test_a_damaged_memory_is_no_memory() -> None:
    assert read(b'{"version": "x", "groups": [{"measuredSince": 7}]}') == Recorded()
