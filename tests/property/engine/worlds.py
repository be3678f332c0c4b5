"""Random engines and random days in their lives."""

from dataclasses import dataclass

from hypothesis import strategies as st

from tierfleet.engine.config import EngineConfig, SchedulingPolicy, StepCost


@dataclass(frozen=True)
class Arrival:
    """A request; `abort_after` steps later its client goes away, if ever."""

    at_step: int
    prompt: int
    output: int
    cached: int
    priority: int
    abort_after: int | None


@dataclass(frozen=True)
class World:
    config: EngineConfig
    arrivals: tuple[Arrival, ...]


@st.composite
def configs(draw: st.DrawFn) -> EngineConfig:
    block_size = draw(st.integers(1, 5))
    # Few enough that two sequences of average length already fight for them.
    num_blocks = draw(st.integers(2, 16))
    seats = draw(st.integers(1, 6))
    return EngineConfig(
        cost=StepCost(
            draw(st.integers(1, 5000)), draw(st.integers(0, 9999)), draw(st.integers(0, 999))
        ),
        num_blocks=num_blocks,
        max_model_len=draw(
            st.integers(max(2, num_blocks * block_size // 2), num_blocks * block_size)
        ),
        max_num_seqs=seats,
        max_num_batched_tokens=draw(st.integers(seats, seats + 12)),
        block_size=block_size,
        scheduling_policy=draw(st.sampled_from(SchedulingPolicy)),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    config = draw(configs())
    arrivals = []
    for _ in range(draw(st.integers(1, 14))):
        prompt = draw(st.integers(1, config.max_model_len - 1))
        arrivals.append(
            Arrival(
                at_step=draw(st.integers(0, 12)),
                prompt=prompt,
                output=draw(st.integers(1, config.max_model_len - prompt)),
                cached=draw(st.integers(0, prompt)),
                priority=draw(st.integers(-2, 2)),
                abort_after=draw(st.none() | st.none() | st.none() | st.integers(0, 12)),
            )
        )
    return World(config, tuple(arrivals))
