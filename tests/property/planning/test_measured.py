"""Measured rates: robust, independent of order, and at rest under noise."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.planning.world import (
    NAMESPACE,
    NOW,
    accelerator,
    changed,
    nodes,
    plan_of,
    pool,
    reservation,
    world,
    written,
)
from tierfleet.planning.measured import (
    FEWEST_SAMPLES,
    FEWEST_SUB_WINDOWS,
    HIGHEST,
    HYSTERESIS,
    Measurement,
    Rate,
    Sample,
    Sight,
    counts,
    estimate,
    settled,
)

_RATE = st.floats(1.0, HIGHEST)
_SAMPLES = st.lists(
    st.tuples(st.integers(0, 59).map(lambda n: NOW + timedelta(minutes=n)), _RATE), max_size=60
)
_NUMBER = st.floats(allow_nan=True, allow_infinity=True)


@given(_SAMPLES, st.randoms())
def test_the_order_of_samples_does_not_matter(samples: list[Any], chance: Any) -> None:
    mixed = list(samples)
    chance.shuffle(mixed)
    assert estimate(mixed) == estimate(samples)


@given(_SAMPLES)
def test_a_rate_lies_within_its_samples_and_never_comes_of_too_few(samples: list[Any]) -> None:
    found = estimate(samples)
    enough = len(samples) >= FEWEST_SAMPLES and len({e for e, _ in samples}) >= FEWEST_SUB_WINDOWS
    assert (found is not None) is enough
    if found is not None:
        rates = [rate for _, rate in samples]
        assert round(min(rates)) <= found.service_tokens_per_second <= round(max(rates))


@given(_SAMPLES, st.floats(1.0, 3.0))
def test_faster_samples_make_no_slower_rate(samples: list[Any], factor: float) -> None:
    before, after = estimate(samples), estimate([(e, rate * factor) for e, rate in samples])
    if before is not None and after is not None:
        assert after.service_tokens_per_second >= before.service_tokens_per_second


@given(_SAMPLES, st.lists(st.floats(1.0, HIGHEST), max_size=29))
def test_less_than_half_of_wrong_samples_cannot_move_it_beyond_the_right_ones(
    samples: list[Any], wrong: list[float]
) -> None:
    wrong = wrong[: max(0, len(samples) - 1)]
    found = estimate([*samples, *((NOW, rate) for rate in wrong)])
    if found is not None and samples:
        rates = [rate for _, rate in samples]
        assert round(min(rates)) <= found.service_tokens_per_second <= round(max(rates))


@given(st.integers(100, 10**6), st.lists(st.floats(-0.049, 0.049), min_size=1, max_size=50))
def test_noise_within_the_hysteresis_never_moves_the_value_in_force(
    true: int, noise: list[float]
) -> None:
    """Bound: `HYSTERESIS`, and half a token for rounding."""
    first = value = Rate(true, NOW)
    for number, share in enumerate(noise):
        found = Rate(round(true * (1 + share)), NOW + timedelta(minutes=number))
        if abs(found.service_tokens_per_second - true) <= HYSTERESIS * true:
            value = settled(value, found) or value
    assert value is first


@given(st.builds(Sample, st.just("pod"), st.just(NOW), _NUMBER, _NUMBER, st.just({}), st.just({})))
def test_only_numbers_that_can_be_count(sample: Sample) -> None:
    if counts(sample, ()):
        assert 0 < sample.served <= HIGHEST
        assert sample.full > 0.9


_SIGHT = st.sampled_from([sight for sight in Sight if sight is not Sight.OFF])


@given(
    st.integers(0, 3000),
    st.integers(1, 5000),
    st.lists(st.tuples(_SIGHT, st.none() | st.floats(-0.05, 0.05)), max_size=6),
)
def test_a_plan_moves_neither_when_prometheus_goes_nor_when_the_operator_is_restarted(
    declared: int, measured: int, days: list[tuple[Sight, float | None]]
) -> None:
    """Each step is a moment of a new process: it remembers nothing but the plan."""
    key = (NAMESPACE, "pool")
    found = pool("pool", accelerator(rate=declared), replicas=2)
    snapshot = world(found, reservation("acme", "10%"), nodes=nodes("NVIDIA-H100-80GB-HBM3", 1))
    first = {key: Measurement(Sight.CLEAR, {"h100": Rate(measured, NOW)})}
    snapshot = written(changed(snapshot, measured=first))
    plan = plan_of(snapshot).plan
    for number, (sight, noise) in enumerate(days):
        now = NOW + timedelta(minutes=number + 1)
        rates = {}
        if noise is not None and sight is Sight.CLEAR:
            recorded = snapshot.recorded_of(key).rates["h100"]
            kept = settled(recorded, Rate(int(measured * (1 + noise)) or 1, now))
            if kept is recorded:
                rates = {"h100": kept}
        snapshot = changed(snapshot, now=now, measured={key: Measurement(sight, rates)})
        snapshot = written(snapshot)
        assert plan_of(snapshot).plan == plan
