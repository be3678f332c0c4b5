"""The engine model against a literal rewrite of vLLM's loop, and against what must always hold."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from tests.property.engine.reference import Reference, Request
from tests.property.engine.worlds import World, worlds
from tierfleet.engine.config import SchedulingPolicy
from tierfleet.engine.model import Engine, Sequence, State, StepResult


def play(world: World) -> Iterator[tuple[Engine, dict[int, Sequence], StepResult]]:
    """Run a world step by step until every sequence has ended. Names count from 1 in add order."""
    engine = Engine(world.config)
    sequences: dict[int, Sequence] = {}
    now = 0
    pending = sorted(world.arrivals, key=lambda arrival: arrival.at_step)
    aborts: list[tuple[int, Sequence]] = []
    for step in range(10_000):
        while pending and pending[0].at_step <= step:
            arrival = pending.pop(0)
            sequence = engine.add(
                arrival.prompt, arrival.output, cached=arrival.cached, priority=arrival.priority
            )
            sequences[len(sequences) + 1] = sequence
            if arrival.abort_after is not None:
                aborts.append((step + arrival.abort_after, sequence))
        for _, sequence in (due for due in aborts if due[0] == step):
            engine.abort(sequence)
        result = engine.step(now)
        now = result.end
        yield engine, sequences, result
        if not pending and not engine.has_work:
            return
    raise AssertionError("the engine did not come to rest in 10,000 steps")


@given(worlds())
def test_schedules_every_step_as_vllms_own_loop_does(world: World) -> None:
    oracle = Reference(world.config)
    pending = sorted(world.arrivals, key=lambda arrival: arrival.at_step)
    requests: dict[int, Request] = {}
    aborts: list[tuple[int, Request]] = []
    for step, (engine, sequences, result) in enumerate(play(world)):
        while pending and pending[0].at_step <= step:
            a = pending.pop(0)
            name = len(requests) + 1
            requests[name] = oracle.add(name, a.prompt, a.output, a.cached, a.priority)
            if a.abort_after is not None:
                aborts.append((step + a.abort_after, requests[name]))
        oracle.to_abort += [request for at, request in aborts if at == step]
        expected = oracle.step(result.start)
        names = {sequence: name for name, sequence in sequences.items()}

        assert result.end == expected.end
        assert result.tokens == expected.tokens
        for event in ("admitted", "prefilled", "finished", "preempted", "aborted"):
            happened = sorted(names[sequence] for sequence in getattr(result, event))
            assert happened == sorted(getattr(expected, event)), event
        assert engine.blocks_used == world.config.num_blocks - oracle.free
        assert engine.resident_tokens == sum(request.computed for request in oracle.running)
        assert (engine.running, engine.waiting) == (len(oracle.running), len(oracle.waiting))
        for name, request in requests.items():
            assert engine.generated(sequences[name]) == request.generated


@given(worlds())
def test_seats_blocks_and_budget_are_never_exceeded(world: World) -> None:
    config = world.config
    for engine, _, result in play(world):
        assert engine.running <= config.max_num_seqs
        assert 0 <= engine.blocks_used <= config.num_blocks
        assert engine.resident_tokens <= engine.blocks_used * config.block_size
        assert result.tokens <= config.max_num_batched_tokens * result.steps


@given(worlds())
def test_every_sequence_ends_exactly_once_with_exactly_its_tokens(world: World) -> None:
    ended: dict[Sequence, str] = {}
    sequences: dict[int, Sequence] = {}
    for engine, known, result in play(world):
        sequences = known
        for sequence in result.finished:
            assert sequence not in ended
            assert sequence.generated == sequence.output
            ended[sequence] = "finished"
        for sequence in result.aborted:
            assert sequence not in ended
            ended[sequence] = "aborted"
        if not engine.has_work:
            assert (engine.running, engine.waiting) == (0, 0)
            assert (engine.blocks_used, engine.resident_tokens) == (0, 0)
    assert set(ended) == set(sequences.values())
    assert all(ended[sequence] == sequence.state.value for sequence in ended)


@given(worlds())
def test_a_decoding_sequence_gets_one_token_in_every_step(world: World) -> None:
    before: dict[Sequence, int] = {}
    for engine, sequences, result in play(world):
        for sequence in engine.decoding:
            if sequence in before and sequence not in result.prefilled:
                assert engine.generated(sequence) == before[sequence] + result.steps
        before = {s: engine.generated(s) for s in sequences.values() if s.state is State.DECODING}


@given(worlds())
def test_no_seat_idles_while_the_head_of_the_queue_would_fit(world: World) -> None:
    config = world.config
    for engine, sequences, result in play(world):
        waiting = [s for s in sequences.values() if s.state is State.WAITING]
        if not waiting or result.preempted or not result.steps:
            continue
        head = min(waiting, key=lambda sequence: sequence.rank)
        # The decodes of this step and the prompts took the budget, the seats or the blocks. Blocks
        # are judged at the end of the step, when those that finished in it have given theirs back.
        seats = engine.running + len(result.finished) >= config.max_num_seqs
        budget = result.tokens >= config.max_num_batched_tokens
        held = engine.blocks_used + sum(
            -(-(s.prompt + s.generated - 1) // config.block_size) for s in result.finished
        )
        room = (config.num_blocks - held) * config.block_size
        left = config.max_num_batched_tokens - result.tokens
        chunk = min(head.prompt + head.generated - head.cached, left)
        assert seats or budget or head.cached + chunk > room


@given(worlds())
def test_seats_go_in_order_of_priority_then_arrival(world: World) -> None:
    by_priority = world.config.scheduling_policy is SchedulingPolicy.PRIORITY
    arrivals = sorted(world.arrivals, key=lambda arrival: arrival.at_step)
    for _, sequences, result in play(world):
        order = {
            sequence: (arrivals[name - 1].priority if by_priority else 0, name)
            for name, sequence in sequences.items()
        }
        admitted = [order[sequence] for sequence in result.admitted]
        assert admitted == sorted(admitted)
        waiting = [
            order[sequence]
            for sequence in sequences.values()
            if sequence.state is State.WAITING and sequence not in result.preempted
        ]
        if admitted and waiting:
            assert admitted[-1] < min(waiting)


@given(worlds())
def test_an_abort_frees_seat_and_blocks_by_the_end_of_the_next_step(world: World) -> None:
    for engine, sequences, _ in play(world):
        seated = [s for s in sequences.values() if s.state in {State.DECODING, State.PREFILLING}]
        if not seated:
            continue
        for sequence in sequences.values():
            engine.abort(sequence)
        result = engine.step(10**15)
        assert set(seated) <= set(result.aborted)
        assert (engine.running, engine.waiting, engine.blocks_used) == (0, 0, 0)
        assert result.duration == 0
        return


@given(worlds(), st.lists(st.integers(1, 60_000), min_size=1, max_size=40))
def test_running_on_through_quiet_steps_changes_nothing(world: World, gaps: list[int]) -> None:
    """`until` only saves calls: at each time from outside both engines are in the same state."""
    single, batched = Engine(world.config), Engine(world.config)
    clocks = [0, 0]
    ends: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    pairs = []
    until = 0
    arrivals = list(world.arrivals)
    for gap in gaps + [10**12] * (len(arrivals) + 1):
        if arrivals:
            a = arrivals.pop()
            pairs.append(
                [
                    engine.add(a.prompt, a.output, cached=a.cached, priority=a.priority)
                    for engine in (single, batched)
                ]
            )
            if a.abort_after is not None:
                victim = pairs[a.abort_after % len(pairs)]
                single.abort(victim[0])
                batched.abort(victim[1])
        until += gap
        for side, engine in enumerate((single, batched)):
            while engine.has_work and clocks[side] < until:
                result = engine.step(clocks[side], until if engine is batched else None)
                clocks[side] = result.end
                ends[side].extend((s.rank[1], result.end) for s in result.finished)
            clocks[side] = max(clocks[side], until)
        assert clocks[0] == clocks[1]
        assert single.resident_tokens == batched.resident_tokens
        assert single.blocks_used == batched.blocks_used
        assert [single.generated(s) for s, _ in pairs] == [batched.generated(b) for _, b in pairs]
    assert ends[0] == ends[1]
    assert not batched.has_work


@given(worlds())
def test_the_same_day_twice_is_the_same_to_the_nanosecond(world: World) -> None:
    def record() -> list[tuple[int, ...]]:
        return [
            (result.end, result.tokens, *(s.rank[1] for s in result.finished + result.preempted))
            for _, _, result in play(world)
        ]

    assert record() == record()
