"""The fit of the simulated engine to a real vLLM finds what it should."""

from dataclasses import replace

import pytest

from bench.vllm.calibrate import first_token
from bench.vllm.fit import Measured, fit, lasts, sums
from bench.vllm.loads import kinds, mixed
from tierfleet.engine.config import SchedulingPolicy, StepCost
from tierfleet.engine.presets import PRESETS

CPU = PRESETS["cpu"].config


def test_the_sums_of_a_load_are_those_of_its_steps() -> None:
    # A prompt of 10 and its first token, then two more of one token each.
    steps, tokens, resident = sums(CPU, [(10, 3)])
    assert (steps, tokens) == (3, 12)
    whole = replace(CPU, cost=StepCost(7, 5_000, 3_000))
    assert lasts(whole, [(10, 3)]) == 7 * steps + 5 * tokens + 3 * resident


@pytest.mark.parametrize(
    "cost",
    [StepCost(20_000_000, 2_100_000_000, 3_277_000), StepCost(3_000_000, 17_000_000, 0)],
)
@pytest.mark.parametrize("longer", [1, 9])
def test_a_fit_finds_the_cost_that_made_the_times(cost: StepCost, longer: int) -> None:
    made = replace(CPU, cost=cost)
    measured = [Measured(load, lasts(made, load) / 1e9) for load in kinds(longer).values()]
    found = fit(CPU, measured)
    assert found.base_ns == pytest.approx(cost.base_ns, rel=1e-3)
    assert found.token_ps == pytest.approx(cost.token_ps, rel=1e-3)
    assert found.kv_token_ps == pytest.approx(cost.kv_token_ps, rel=1e-3, abs=100)


def test_a_fit_has_no_negative_numbers() -> None:
    """As of an engine that gets faster the more is in its cache."""
    made = replace(CPU, cost=StepCost(20_000_000, 2_000_000_000, 0))
    measured = [
        Measured(load, (lasts(made, load) - 2000 * sums(made, load)[2]) / 1e9)
        for load in kinds(1).values()
    ]
    assert fit(CPU, measured).kv_token_ps == 0


def test_loads_of_one_kind_are_refused() -> None:
    for measured in ([], [Measured([(16, 100)], 1.0)] * 3):
        with pytest.raises(ValueError, match="send some of other kinds"):
            fit(CPU, measured)


def test_loads_fit_into_the_model_and_are_the_same_for_a_seed() -> None:
    for longer in (1, 9):
        for load in (*kinds(longer).values(), mixed(1, longer)):
            assert all(prompt + output <= CPU.max_model_len for prompt, output in load)
    assert mixed(1, 1) == mixed(1, 1) != mixed(2, 1)


def test_a_short_request_waits_for_the_flood_unless_it_is_sooner() -> None:
    config = replace(CPU, scheduling_policy=SchedulingPolicy.PRIORITY)
    alone = first_token(config, None)
    sooner = first_token(config, 2.0, priority=0)
    assert alone < sooner < first_token(config, 2.0, priority=1)
    assert first_token(config, 10_000.0) == alone
