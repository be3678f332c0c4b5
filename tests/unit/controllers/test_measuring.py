"""Polls, what is kept of them, and who is told."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.controllers import raws
from tests.unit.planning.world import remembered
from tierfleet.api import Key
from tierfleet.controllers.measuring import CATCH_UP, PATIENCE, WINDOW, Measuring
from tierfleet.controllers.prometheus import PrometheusError
from tierfleet.controllers.store import Store
from tierfleet.kube.resources import DEPLOYMENTS, Raw
from tierfleet.planning.measured import (
    FEWEST_SAMPLES,
    FEWEST_SUB_WINDOWS,
    MeanCost,
    Rate,
    Sample,
    Sight,
)
from tierfleet.planning.published import Published
from tierfleet.planning.traffic import HYSTERESIS

INTERVAL = 60
POOL = (raws.NAMESPACE, "llama")


class Scripted:
    """A Prometheus that says what a test wants, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.fault: Sight | None = None
        self.rates: dict[str, float] = {}
        self.full = 1.0
        self.requests: float | None = None
        self.silent = ""
        """The replica that does not say how many requests it served."""

    async def read(self, start: int, end: int) -> Mapping[Key, list[Sample]]:
        self.asked.append((start, end))
        if self.fault is not None:
            raise PrometheusError("scripted", self.fault)
        return {
            (raws.NAMESPACE, name): [
                Sample(
                    *(name, datetime.fromtimestamp(at, UTC), rate, self.full, {}, {}),
                    None if name == self.silent else self.requests,
                )
                for at in range(start, end + 1, INTERVAL)
            ]
            for name, rate in self.rates.items()
        }


class World:
    """A pool of two replicas that are measured."""

    def __init__(self) -> None:
        self.now = raws.NOW
        self.source = Scripted()
        self.woken: list[str] = []
        self.store: Store = raws.store()
        self.store.clock = lambda: self.now
        self.store.policies.put(raws.policy())
        self.store.pools.put(raws.pool("llama", 2))
        for name in ("a", "b"):
            self.store.pods.put(raws.pod("llama", name))
        self.measuring = self.fresh()

    def fresh(self) -> Measuring:
        """The one of another process."""
        self.measuring = Measuring(
            self.store, self.source, INTERVAL, lambda key: self.woken.append(key[1])
        )
        return self.measuring

    async def polls(self, count: int = 1) -> None:
        """So many, each a sub-window after the other."""
        for _ in range(count):
            await self.measuring.poll()
            self.now += timedelta(seconds=INTERVAL)

    def scaled(self, most: int = 8) -> None:
        """The pool is scaled by the operator now, and has two replicas."""
        raw = raws.pool("llama", 1)
        raw["spec"] |= {"scaling": {"mode": "Automatic", "maxReplicas": most}}
        raw["spec"]["accelerators"][0]["capacity"] = {"serviceTokensPerSecond": 1000}
        self.store.pools.put(raw)
        self.store.observe(DEPLOYMENTS, raws.deployment("llama", 2))

    def asks(self) -> int | None:
        return self.measuring.of(POOL).replicas

    def rate(self) -> int | None:
        rate = self.measuring.of(POOL).rates.get("gpu")
        return rate.service_tokens_per_second if rate else None

    def cost(self) -> float | None:
        found = self.measuring.of(POOL).mean_cost
        return found.service_tokens if found else None

    def sight(self) -> Sight:
        return self.measuring.of(POOL).sight


async def measured(rate: float = 1000.0) -> World:
    """A world in which that was measured."""
    world = World()
    world.source.rates = {"a": rate, "b": rate}
    await world.polls(CATCH_UP)
    assert world.rate() == rate
    world.woken.clear()
    return world


async def test_each_sub_window_is_asked_for_once_and_an_outage_is_made_up_for() -> None:
    world = World()
    start = int(world.now.timestamp())
    await world.polls()
    await world.measuring.poll()
    world.now += timedelta(seconds=1)
    await world.measuring.poll()
    assert world.source.asked == [
        (start - (CATCH_UP - 1) * INTERVAL, start),
        (start + INTERVAL, start + INTERVAL),
    ]
    world.source.fault = Sight.UNAVAILABLE
    world.now = raws.NOW + timedelta(seconds=2 * INTERVAL)
    await world.polls(2)
    world.source.fault = None
    await world.polls()
    assert world.source.asked[-1] == (start + 2 * INTERVAL, start + 4 * INTERVAL)
    world.now += timedelta(days=1)
    await world.polls()
    first, last = world.source.asked[-1]
    assert last - first == (CATCH_UP - 1) * INTERVAL


async def test_a_pool_is_told_once_there_are_enough_samples_and_then_only_of_changes() -> None:
    world = World()
    world.source.rates = {"a": 1000.0}
    world.now -= timedelta(days=1)
    world.measuring._last = int(world.now.timestamp()) - INTERVAL
    await world.polls(FEWEST_SAMPLES - 1)
    assert (world.rate(), world.woken) == (None, [])
    await world.polls()
    assert (world.rate(), world.woken) == (1000, ["llama"])
    world.source.rates = {"a": 1040.0, "b": 960.0}
    await world.polls(WINDOW)
    assert (world.rate(), world.woken) == (1000, ["llama"])
    world.source.rates = {"a": 500.0, "b": 500.0}
    await world.polls(WINDOW)
    assert world.rate() == 500


async def test_the_first_value_is_compared_with_what_the_plan_remembers() -> None:
    world = World()
    before = Rate(1020, raws.NOW)
    world.store._published[POOL, f"uid-{POOL[1]}"] = (
        Published(0, remembered(gpu=before), raws.NOW),
    )
    world.source.rates = {"a": 1000.0, "b": 1000.0}
    await world.polls()
    assert world.measuring.of(POOL).rates == {"gpu": before}


async def test_the_mean_cost_is_of_all_replicas_and_is_told_when_it_changes() -> None:
    world = World()
    world.source.full, world.source.requests = 0.0, 2.0
    world.source.rates = {"a": 1000.0, "b": 3000.0}
    await world.polls()
    assert (world.rate(), world.cost(), world.woken) == (None, 1000, ["llama"])
    world.source.rates = {"a": 1400.0, "b": 3400.0}
    await world.polls(WINDOW)
    assert (world.cost(), world.woken) == (1000, ["llama"])
    world.source.rates = {"a": 2000.0, "b": 4000.0}
    await world.polls(2 * WINDOW)
    assert world.cost() == pytest.approx(1500, rel=HYSTERESIS)


async def test_what_gone_replicas_served_counts_until_the_window_has_passed() -> None:
    world = World()
    world.source.requests = 2.0
    world.source.rates = {"a": 1000.0, "b": 3000.0}
    await world.polls()
    world.store.pods.remove((raws.NAMESPACE, "b"), 10**9)
    world.source.rates = {"a": 1000.0}
    await world.polls()
    assert world.cost() == 1000, "a few sub-windows of one replica make no other mean"
    await world.polls(WINDOW)
    assert world.cost() == pytest.approx(500, rel=HYSTERESIS)


async def test_the_first_mean_cost_is_compared_with_what_the_plan_remembers() -> None:
    world = World()
    before = MeanCost(1020, raws.NOW, "1")
    world.store._published[POOL, f"uid-{POOL[1]}"] = (Published(0, remembered(before), raws.NOW),)
    world.source.requests = 1.0
    world.source.rates = {"a": 1000.0}
    await world.polls()
    assert world.measuring.of(POOL).mean_cost == before


async def test_while_one_replica_does_not_count_requests_nothing_is_told_of_their_cost() -> None:
    """Its sidecar is of before, and would refuse a plan that tells it."""
    world = World()
    world.source.requests, world.source.rates = 5.0, {"a": 1000.0, "b": 1000.0}
    world.source.silent = "b"
    await world.polls(WINDOW)
    assert world.cost() is None
    world.source.silent = ""
    await world.polls(WINDOW)
    assert world.cost() == 200


async def test_what_was_counted_at_other_rates_is_forgotten_once_they_change() -> None:
    world = World()
    world.source.requests, world.source.rates = 5.0, {"a": 100_000.0}
    await world.polls(WINDOW)
    assert world.cost() == 20_000
    cheap = raws.policy()
    cheap["metadata"]["generation"] = 2
    cheap["spec"]["burndown"] = {"version": "2", "input": "0.01"}
    world.store.policies.put(cheap)
    # Replicas learn of it within two minutes: what they count until then is of either kind.
    await world.polls(2)
    world.source.rates = {"a": 1000.0}
    await world.polls(FEWEST_SUB_WINDOWS + 1)
    assert world.measuring.of(POOL).mean_cost is not None
    assert world.cost() == 200


async def test_requests_that_are_read_again_after_the_clock_was_set_back_count_once() -> None:
    world = World()
    world.source.requests, world.source.rates = 1.0, {"a": 1000.0}
    await world.polls()
    world.now -= timedelta(seconds=3 * INTERVAL)
    world.source.rates = {"a": 4000.0}
    await world.polls(WINDOW)
    assert world.cost() == pytest.approx(4000, rel=HYSTERESIS)


async def test_whatever_becomes_of_prometheus_the_last_value_stays_and_that_is_said() -> None:
    for fault in (Sight.UNAVAILABLE, Sight.WRONG):
        world = await measured()
        world.source.fault = fault
        await world.polls(PATIENCE - 1)
        assert (world.sight(), world.woken) == (Sight.CLEAR, []), "once is no fault"
        await world.polls(10 * WINDOW)
        assert (world.sight(), world.rate(), world.woken) == (fault, 1000, ["llama"])
        world.source.fault = None
        await world.polls()
        assert (world.sight(), world.rate()) == (Sight.CLEAR, 1000)
        assert world.woken == ["llama"] * 2


async def test_nothing_of_a_fault_is_left_in_the_value() -> None:
    world = await measured()
    world.source.rates = {"a": float("nan"), "b": -1.0, "elsewhere": 9e9}
    await world.polls(10 * WINDOW)
    assert (world.rate(), world.woken) == (1000, [])


async def test_replicas_with_room_say_nothing_of_what_they_can_do() -> None:
    world = await measured()
    world.source.full, world.source.rates = 0.5, {"a": 10.0, "b": 10.0}
    await world.polls(10 * WINDOW)
    assert (world.rate(), world.woken) == (1000, [])


async def test_a_pool_that_prometheus_does_not_know_is_told_so() -> None:
    world = World()
    world.source.rates = {"elsewhere": 1000.0}
    await world.polls(PATIENCE)
    assert (world.sight(), world.woken) == (Sight.UNSCRAPED, ["llama"])
    world.source.rates = {"a": 1000.0}
    await world.polls()
    assert world.sight() is Sight.CLEAR


async def test_nobody_looks_for_replicas_that_are_not_ready() -> None:
    world = World()
    for name in ("a", "b"):
        world.store.pods.put(raws.pod("llama", name, ready=False))
    await world.polls(2 * PATIENCE)
    assert world.sight() is Sight.CLEAR


async def test_samples_of_replicas_that_are_gone_are_forgotten_and_the_value_stays() -> None:
    world = await measured()
    for name in ("a", "b"):
        world.store.pods.remove((raws.NAMESPACE, name), 10**9)
        world.store.pods.put(raws.pod("llama", f"new-{name}"))
    world.source.rates = {"new-a": 2000.0, "new-b": 2000.0}
    await world.polls(2)
    assert world.rate() == 1000, "four samples are too few"
    await world.polls(3)
    assert world.rate() == 2000, "what the old ones did counts no more"


async def test_a_pool_that_is_gone_is_forgotten() -> None:
    world = await measured()
    world.store.pools.remove(POOL, 10**9)
    await world.polls()
    assert world.rate() is None


def going(pod: Raw) -> Raw:
    """The pod, on its way out."""
    pod["metadata"]["deletionTimestamp"] = "2026-06-01T12:00:00Z"
    return pod


async def test_a_pool_that_is_made_anew_inherits_nothing() -> None:
    world = await measured()
    world.store.pools.put(raws.pool("llama", 2, uid="another"))
    assert world.rate() is None, "not even before the next poll"
    await world.polls(1)
    assert world.rate() is None, "its pods may not have heard of their end yet"
    for name in ("a", "b"):
        world.store.pods.put(going(raws.pod("llama", name)))
    await world.polls(WINDOW)
    assert world.rate() is None, "they drain, and are full"


async def test_a_clock_that_was_ahead_for_a_moment_costs_a_moment() -> None:
    world = await measured()
    good, asked = world.now, len(world.source.asked)
    world.now += timedelta(days=30)
    await world.polls()
    world.now = good
    world.source.rates = {"a": 500.0, "b": 500.0}
    await world.polls(WINDOW)
    assert len(world.source.asked) == asked + 1 + WINDOW
    assert world.rate() == 500


async def test_what_load_asked_for_before_somebody_else_scaled_the_pool_is_forgotten() -> None:
    world = World()
    world.scaled()
    world.source.full, world.source.rates = 0.5, {"a": 950.0, "b": 950.0}
    await world.polls()
    assert world.asks() == 3
    world.source.fault = Sight.UNAVAILABLE
    world.store.pools.put(raws.pool("llama", 1))
    await world.polls()
    world.scaled()
    await world.polls()
    assert world.asks() is None


async def test_a_pool_grows_at_once_and_shrinks_after_five_minutes() -> None:
    world = World()
    world.scaled()
    world.source.full, world.source.rates = 0.5, {"a": 950.0, "b": 950.0}
    await world.polls()
    assert world.asks() == 3
    world.store.observe(DEPLOYMENTS, raws.deployment("llama", 3))
    world.store.pods.put(raws.pod("llama", "c"))
    world.source.rates = {"a": 100.0, "b": 100.0, "c": 100.0}
    await world.polls(5)
    assert world.asks() == 3
    await world.polls()
    assert world.asks() == 1


async def test_a_new_process_takes_nothing_away_before_it_has_watched_for_five_minutes() -> None:
    world = World()
    world.scaled()
    world.source.rates = {"a": 10.0, "b": 10.0}
    await world.polls(5)
    assert world.asks() == 2
    world.fresh()
    assert world.asks() is None
    await world.polls(6)
    assert world.asks() == 2
    await world.polls()
    assert world.asks() == 1


async def test_without_metrics_the_number_stays() -> None:
    world = World()
    world.scaled()
    world.source.full, world.source.rates = 0.5, {"a": 950.0, "b": 950.0}
    await world.polls()
    world.source.fault = Sight.UNAVAILABLE
    await world.polls(20)
    assert world.asks() == 3
    world.source.fault, world.source.rates = None, {}
    await world.polls(20)
    assert world.asks() == 3


async def test_a_pool_that_somebody_else_scales_is_asked_for_nothing() -> None:
    world = World()
    world.source.rates = {"a": 950.0, "b": 950.0}
    await world.polls(3)
    assert world.asks() is None
    world.scaled()
    await world.polls()
    assert world.asks() == 3
    world.store.pools.put(raws.pool("llama", 2))
    await world.polls()
    assert world.asks() is None
