"""The engine model by example; what holds for every engine is in tests/property/engine."""

import pytest

from tierfleet.engine.config import EngineConfig, SchedulingPolicy, StepCost
from tierfleet.engine.model import Engine, State, StepResult

COST = StepCost(base_ns=1_000_000, token_ps=10_000_000, kv_token_ps=1_000_000)


def engine(
    num_blocks: int = 100,
    max_num_seqs: int = 4,
    max_num_batched_tokens: int = 64,
    policy: SchedulingPolicy = SchedulingPolicy.FCFS,
) -> Engine:
    return Engine(
        EngineConfig(
            COST,
            num_blocks=num_blocks,
            max_model_len=min(512, num_blocks * 16),
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            scheduling_policy=policy,
        )
    )


def run(engine: Engine) -> list[StepResult]:
    now, results = 0, []
    while engine.has_work:
        results.append(engine.step(now))
        now = results[-1].end
    return results


def test_an_output_of_n_tokens_takes_one_prefill_step_and_n_minus_1_decode_steps() -> None:
    subject = engine()
    sequence = subject.add(prompt=32, output=10)
    steps = run(subject)
    assert len(steps) == 10
    assert steps[0].prefilled == [sequence]
    assert steps[-1].finished == [sequence]
    assert [step.tokens for step in steps] == [32] + [1] * 9


def test_a_step_takes_base_plus_tokens_plus_resident_kv() -> None:
    subject = engine()
    subject.add(prompt=32, output=5)
    first, second, *_ = run(subject)
    assert first.duration == 1_000_000 + 32 * 10_000 + 32 * 1_000
    assert second.duration == 1_000_000 + 1 * 10_000 + 33 * 1_000


def test_a_long_prompt_is_computed_in_chunks_while_others_decode() -> None:
    subject = engine(max_num_batched_tokens=20)
    short = subject.add(prompt=4, output=9)
    long = subject.add(prompt=50, output=1)
    steps = run(subject)
    # 4 + 16, then 1 decode + 19 of the prompt, then 1 + the last 15.
    assert [step.tokens for step in steps[:3]] == [20, 20, 16]
    assert steps[0].prefilled == [short]
    assert steps[2].prefilled == [long]


def test_cached_prompt_tokens_cost_no_compute_but_memory() -> None:
    subject = engine()
    subject.add(prompt=40, output=5, cached=40)
    result = subject.step(0)
    assert result.tokens == 8, "whole blocks of 16 are found, the rest is computed"
    assert subject.blocks_used == 3


def test_seats_bound_the_batch_and_priority_decides_who_is_next() -> None:
    subject = engine(max_num_seqs=1, policy=SchedulingPolicy.PRIORITY)
    running = subject.add(prompt=4, output=3, priority=5)
    subject.step(0)
    late = subject.add(prompt=4, output=3, priority=0)
    urgent = subject.add(prompt=4, output=3, priority=-1)
    order = [sequence for result in run(subject) for sequence in result.finished]
    assert order == [running, urgent, late], "a full engine evicts nobody"


def test_priority_means_nothing_under_fcfs() -> None:
    subject = engine(max_num_seqs=1)
    sequences = [subject.add(prompt=4, output=2, priority=-n) for n in range(3)]
    assert [s for result in run(subject) for s in result.finished] == sequences


def test_without_blocks_the_last_arrived_is_preempted_and_recomputes_all_it_had() -> None:
    subject = engine(num_blocks=4)
    first = subject.add(prompt=16, output=40)
    second = subject.add(prompt=16, output=40)
    results = run(subject)
    preempting = [index for index, result in enumerate(results) if result.preempted]
    # 16 prompt and 16 further tokens each fill the 4 blocks; the 17th decode finds none.
    assert preempting == [17]
    assert results[17].preempted == [second]
    assert results[17].admitted == [], "nobody is admitted in a step that preempts"
    resumed = next(result for result in results[18:] if second in result.admitted)
    assert resumed.tokens == 16 + 17, "prompt and the 17 tokens it had produced"
    assert second in resumed.prefilled
    assert {first.state, second.state} == {State.FINISHED}


def test_a_step_that_preempts_admits_nobody_though_a_first_chunk_would_fit() -> None:
    subject = engine(num_blocks=4, max_num_batched_tokens=4, policy=SchedulingPolicy.PRIORITY)
    subject.add(prompt=16, output=40, priority=1)
    subject.add(prompt=16, output=40, priority=2)
    results = run(subject)
    preempting = next(index for index, result in enumerate(results) if result.preempted)
    assert results[preempting].admitted == []
    assert results[preempting + 1].admitted == results[preempting].preempted


def test_under_priority_the_lowest_is_preempted_even_if_it_came_first() -> None:
    subject = engine(num_blocks=4, policy=SchedulingPolicy.PRIORITY)
    low = subject.add(prompt=16, output=40, priority=9)
    high = subject.add(prompt=16, output=40, priority=1)
    results = run(subject)
    assert [s for result in results for s in result.preempted] == [low]
    assert results[-1].finished == [low]
    assert high.generated == 40


def test_an_abort_frees_the_seat_for_the_next_in_the_same_step() -> None:
    subject = engine(max_num_seqs=1)
    gone = subject.add(prompt=4, output=100)
    subject.step(0)
    waiting = subject.add(prompt=4, output=1)
    subject.abort(gone)
    result = subject.step(0)
    assert result.aborted == [gone]
    assert result.finished == [waiting]
    assert gone.generated == 1


def test_an_abort_of_what_has_ended_or_was_aborted_changes_nothing() -> None:
    subject = engine()
    done = subject.add(prompt=4, output=1)
    run(subject)
    subject.abort(done)
    subject.abort(done)
    assert run(subject)[0].aborted == []
    assert done.state is State.FINISHED


def test_an_idle_engine_takes_no_time() -> None:
    assert engine().step(7).duration == 0


def test_quiet_steps_run_on_until_the_given_time() -> None:
    subject = engine()
    subject.add(prompt=4, output=100)
    subject.step(0)
    result = subject.step(0, until=30_000_000)
    assert result.steps > 1
    assert result.end >= 30_000_000
    assert result.start + COST.duration_ns(1, 5) < 30_000_000


@pytest.mark.parametrize(
    ("prompt", "output", "message"),
    [(0, 1, "needs a prompt"), (1, 0, "and an output"), (500, 13, "maximum context length")],
)
def test_a_sequence_that_can_never_fit_is_refused(prompt: int, output: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine().add(prompt, output)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"max_num_seqs": 0}, "max_num_seqs must be at least 1, not 0"),
        ({"max_num_batched_tokens": 255}, "must be at least max_num_seqs"),
        ({"num_blocks": 31}, "does not fit into the KV cache of 31 blocks"),
    ],
)
def test_sizes_that_cannot_work_are_refused_by_name(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EngineConfig(COST, **{"num_blocks": 32, "max_model_len": 512, **sizes})  # type: ignore[arg-type]


def test_a_step_that_takes_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="must take time"):
        StepCost(base_ns=0, token_ps=1, kv_token_ps=1)


def test_a_starved_queue_does_not_keep_what_was_aborted_in_it() -> None:
    subject = engine(max_num_seqs=1)
    subject.add(prompt=4, output=500)
    for _ in range(400):
        subject.abort(subject.add(prompt=4, output=1))
        subject.step(0)
    assert (subject.running, subject.waiting) == (1, 0)
    assert len(subject._queue) < 100
