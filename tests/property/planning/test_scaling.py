"""Scaling: bounded, monotone, at rest under noise, independent of the order of facts."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.planning.world import (
    NAMESPACE,
    NOW,
    accelerator,
    bound,
    changed,
    nodes,
    placements,
    pool,
    reservation,
    world,
    written,
)
from tierfleet import plan
from tierfleet.planning.measured import Measurement, Rate, Sample, Sight
from tierfleet.planning.scaling import Load, load, recommend, stabilised

POOL = (NAMESPACE, "pool")
OBJECTIVES = plan.Objectives(queue_p99_milliseconds=100)
TIERS = (plan.Tier(name="enterprise", priority=9, objectives=OBJECTIVES),)
AUTOMATIC = pool("pool", scaling={"mode": "Automatic", "maxReplicas": 50})
RATE = 1000

_COUNT = st.integers(1, 20)
_SERVED = st.floats(0, 50_000)
_WAIT = st.floats(0, 60)


def wish(count: int, served: float, seen: int, wait: float | None = None) -> int | None:
    waits = {} if wait is None else {"enterprise": wait}
    found = Load(served, {"h100": seen}, waits)
    return recommend(AUTOMATIC, {"h100": count}, {"h100": Rate(RATE)}, TIERS, found)


@given(_COUNT, _COUNT, _SERVED, _SERVED, _WAIT, _WAIT)
def test_more_load_or_longer_waits_never_ask_for_fewer(
    count: int, seen: int, served: float, more: float, wait: float, longer: float
) -> None:
    before = wish(count, min(served, more), seen, min(wait, longer))
    after = wish(count, max(served, more), seen, max(wait, longer))
    assert before is not None
    assert after is not None
    assert before <= after


@given(_COUNT, _COUNT, _SERVED, _WAIT)
def test_a_step_is_bounded(count: int, seen: int, served: float, wait: float) -> None:
    """Bound: twice as many or four more, as the HPA's default policies for scaling up."""
    found = wish(count, served, seen, wait)
    assert found is not None
    assert 0 <= found <= max(2 * count, count + 4)


@given(_COUNT, st.lists(st.floats(-0.05, 0.05), min_size=1, max_size=20))
def test_noise_of_five_percent_around_the_target_moves_nothing(
    count: int, noise: list[float]
) -> None:
    target = 0.8 * RATE * count
    assert {wish(count, target * (1 + share), count) for share in noise} == {count}


@given(_COUNT, _SERVED)
def test_it_comes_to_rest(count: int, served: float) -> None:
    """Under a steady load the second number is the last one, once it is within a step."""
    seen = [count]
    for _ in range(10):
        found = wish(max(1, seen[-1]), served, max(1, seen[-1]))
        assert found is not None
        seen.append(max(1, found))
    assert seen[-1] == seen[-2] == seen[-3]
    assert seen[-1] * RATE * 0.8 * 1.1 >= served - 1e-6


@given(
    st.lists(st.tuples(st.floats(0, 2000), st.floats(0, 1), st.floats(0, 9)), max_size=9),
    st.randoms(),
)
def test_the_order_of_samples_does_not_matter(found: list[Any], chance: Any) -> None:
    samples = [
        ("h100", Sample(str(number), NOW, float(round(served)), full, {"enterprise": wait}, {}))
        for number, (served, full, wait) in enumerate(found)
    ]
    mixed = list(samples)
    chance.shuffle(mixed)
    assert load(mixed) == load(samples)


@given(
    _COUNT, st.lists(st.tuples(st.integers(0, 600), st.integers(0, 40)), min_size=1, max_size=20)
)
def test_it_shrinks_to_what_all_recommendations_of_five_minutes_ask_for(
    current: int, wishes: list[tuple[int, int]]
) -> None:
    history = [(NOW + timedelta(seconds=at), count) for at, count in sorted(wishes)]
    now = history[-1][0]
    found = stabilised(current, history, now)
    newest = history[-1][1]
    assert found >= newest
    if newest >= current:
        assert found == newest
    else:
        recent = [count for at, count in history if (now - at).total_seconds() <= 300]
        assert found == min(current, max(recent))


@given(
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(0, 8),
    st.none() | st.integers(0, 12),
    st.integers(0, 4000),
    st.integers(0, 10),
)
def test_the_number_is_bounded_and_the_same_when_it_is_computed_again(
    least: int, more: int, stands: int, asks: int | None, promised: int, devices: int
) -> None:
    """By the spec's bounds; and by devices, which it never exceeds."""
    bounds = {"minReplicas": least, "maxReplicas": least + more}
    found = pool("pool", accelerator(rate=RATE), scaling={"mode": "Automatic", **bounds})
    contracts = [reservation("acme", promised)] if promised else []
    snapshot = world(found, *contracts, nodes=nodes("NVIDIA-H100-80GB-HBM3", 1, devices))
    roomy = {POOL: Measurement(Sight.CLEAR, replicas=least + more)}
    snapshot = written(changed(snapshot, measured=roomy))
    snapshot = changed(
        snapshot,
        measured={POOL: Measurement(Sight.CLEAR, replicas=asks)},
        replicas={POOL: {"h100": stands}},
    )
    first = placements(snapshot)[POOL]
    assert least <= first.wanted <= least + more
    assert first.total <= min(first.wanted, devices)
    done = bound(snapshot, {POOL: first}, spread=True)
    again = placements(changed(done, replicas={POOL: dict(first.desired)}))[POOL]
    assert again.desired == first.desired
