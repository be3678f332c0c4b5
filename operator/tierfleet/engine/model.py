"""The engine: continuous batching as vLLM V1 schedules it, step by step, without doing the work.

What it knows: seats, KV blocks, a token budget per step, a waiting queue, preemption, and how long
a step takes. What it must not know: clocks, asyncio, HTTP, text, tenants. Time is passed in; the
same class runs in virtual time in the simulator and in real time behind the server.

A step that only decodes costs the same however many sequences are in it. Every decoding sequence
gets exactly one token per step, so none of them is touched: a sequence remembers at which step it
had no token yet (its origin), and from that follow its tokens, the step at which it ends, and the
steps at which it needs a new KV block (one in every `block_size`, so it is enough to count
sequences per residue).
"""

import heapq
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from tierfleet.engine.config import EngineConfig, SchedulingPolicy


class State(Enum):
    """Where a sequence is in its life. The last two are final."""

    WAITING = "waiting"
    PREFILLING = "prefilling"
    DECODING = "decoding"
    FINISHED = "finished"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Sequence:
    """One sequence from `Engine.add` to its end; an n-fold request is n of them.

    Compared by identity, so it can key a dict of whoever asked for it.
    """

    prompt: int
    output: int
    cached: int
    # Scheduling order, least first; the arrival number makes it total.
    rank: tuple[int, int]
    state: State = State.WAITING
    # While it decodes, both are stale and follow from `origin`.
    generated: int = 0
    computed: int = 0
    origin: int = 0


@dataclass(slots=True)
class StepResult:
    """What happened in one step, or in several that only decoded.

    Everything in it, and the engine's own state, is as of `end`. Who got a token: each sequence in
    `finished` and each in `Engine.decoding`, one per step.
    """

    start: int
    end: int
    steps: int = 0
    # Tokens computed, prompt chunks and decodes together, over all steps.
    tokens: int = 0
    # Given a seat at `start`, for the first time or again after a preemption.
    admitted: list[Sequence] = field(default_factory=list)
    # Prompt done at `end`: the first token, or after a preemption the next one.
    prefilled: list[Sequence] = field(default_factory=list)
    finished: list[Sequence] = field(default_factory=list)
    preempted: list[Sequence] = field(default_factory=list)
    aborted: list[Sequence] = field(default_factory=list)

    @property
    def duration(self) -> int:
        """Nanoseconds from start to end; 0 when there was nothing to run."""
        return self.end - self.start


class Engine:
    """A continuous-batching engine. Call `step` again at the `end` of the step before."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._by_priority = config.scheduling_policy is SchedulingPolicy.PRIORITY
        self._arrivals = 0
        # Heap of (rank, sequence); those no longer waiting are skipped when they surface.
        self._queue: list[tuple[tuple[int, int], Sequence]] = []
        self._waiting = 0
        # A dict for its order: decisions must not depend on object addresses.
        self._decoding: dict[Sequence, None] = {}
        # The budget is spent in order, so at most one prompt is ever left half done.
        self._partial: Sequence | None = None
        self._to_abort: list[Sequence] = []
        self._tick = 0
        self._ends: dict[int, list[Sequence]] = {}
        # Decoding sequences by the residue of the ticks at which they need a new block.
        self._growing = [0] * config.block_size
        self._free = config.num_blocks
        self._resident = 0

    @property
    def running(self) -> int:
        """Seats taken."""
        return len(self._decoding) + (self._partial is not None)

    @property
    def waiting(self) -> int:
        """Sequences without a seat, preempted ones included."""
        return self._waiting

    @property
    def blocks_used(self) -> int:
        """KV blocks in use, of `config.num_blocks`."""
        return self.config.num_blocks - self._free

    @property
    def resident_tokens(self) -> int:
        """Tokens in the KV cache."""
        return self._resident

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._waiting or self._decoding or self._partial or self._to_abort)

    @property
    def decoding(self) -> Collection[Sequence]:
        """Sequences past their prompt, in the order in which they passed it."""
        return self._decoding.keys()

    def generated(self, sequence: Sequence) -> int:
        """Tokens that a sequence has produced so far."""
        if sequence.state is State.DECODING:
            return self._tick - sequence.origin
        return sequence.generated

    def add(self, prompt: int, output: int, *, cached: int = 0, priority: int = 0) -> Sequence:
        """Queue a sequence that will produce exactly `output` tokens unless it is aborted.

        Args:
            prompt: Tokens of the prompt, at least 1.
            output: Tokens after which it ends, at least 1.
            cached: Leading prompt tokens that prefix caching would find. As in vLLM whole blocks
                count, and the last prompt token is always computed. They save compute, not memory.
            priority: Lower is sooner, as in vLLM; without effect under FCFS.

        Raises:
            ValueError: the sequence can never fit.
        """
        if prompt < 1 or output < 1:
            raise ValueError(f"A sequence needs a prompt and an output, not {prompt} and {output}.")
        if prompt + output > self.config.max_model_len:
            raise ValueError(
                f"{prompt} prompt and {output} output tokens exceed the maximum context length"
                f" of {self.config.max_model_len} tokens."
            )
        hit = min(max(cached, 0), prompt - 1)
        self._arrivals += 1
        sequence = Sequence(
            prompt,
            output,
            hit - hit % self.config.block_size,
            (priority if self._by_priority else 0, self._arrivals),
        )
        self._enqueue(sequence)
        return sequence

    def abort(self, sequence: Sequence) -> None:
        """End a sequence at the start of the next step; one that has ended stays as it ended."""
        self._to_abort.append(sequence)

    def step(self, now: int, until: int | None = None) -> StepResult:
        """Run one step that starts at `now`.

        Args:
            now: Start of the step in nanoseconds; the `end` of the one before, or later.
            until: Time of the next thing from outside (`add`, `abort`). When given, further steps
                that start before it are run too, as long as they only decode and nothing ends.
        """
        result = StepResult(now, now)
        self._drop_aborted(result)
        self._make_room(result)
        budget = self.config.max_num_batched_tokens - len(self._decoding)
        completed: list[Sequence] = []
        prefill = 0
        if self._partial is not None:
            prefill = self._continue_partial(self._partial, budget, completed, result)
        # vLLM admits nobody in a step that had to preempt.
        if not result.preempted:
            prefill += self._admit(budget - prefill, completed, result)
        if not prefill and not self._decoding:
            return result
        self._advance(prefill, result)
        self._collect(completed, result)
        quiet = not (completed or result.finished or result.preempted or self._partial)
        while quiet and until is not None and result.end < until and self._only_decodes_next():
            self._advance(0, result)
        return result

    def _drop_aborted(self, result: StepResult) -> None:
        for sequence in self._to_abort:
            if sequence.state in {State.FINISHED, State.ABORTED}:
                continue
            if sequence.state is State.WAITING:
                self._waiting -= 1
            else:
                self._release(sequence)
            sequence.state = State.ABORTED
            result.aborted.append(sequence)
        self._to_abort.clear()
        # Rebuilt when most of it is dead, so that a starved queue does not keep what was aborted.
        if len(self._queue) > 2 * self._waiting + 64:
            self._queue = [entry for entry in self._queue if entry[1].state is State.WAITING]
            heapq.heapify(self._queue)

    def _enqueue(self, sequence: Sequence) -> None:
        sequence.state = State.WAITING
        heapq.heappush(self._queue, (sequence.rank, sequence))
        self._waiting += 1

    def _room(self) -> int:
        """Free blocks beyond those that the decoding sequences need in the coming step."""
        return self._free - self._growing[self._tick % self.config.block_size]

    def _make_room(self, result: StepResult) -> None:
        """Preempt the last in rank, whoever it is, until all that are left can decode."""
        while self._room() < 0:
            self._preempt_last(result)

    def _preempt_last(self, result: StepResult) -> None:
        seated = self._decoding if self._partial is None else (*self._decoding, self._partial)
        victim = max(seated, key=lambda sequence: sequence.rank)
        self._release(victim)
        self._enqueue(victim)
        result.preempted.append(victim)

    def _release(self, sequence: Sequence) -> None:
        """Take a sequence's seat and blocks. What it has generated it keeps."""
        if sequence.state is State.DECODING:
            sequence.generated = self._tick - sequence.origin
            sequence.computed = sequence.prompt + sequence.generated - 1
            self._growing[self._residue(sequence)] -= 1
            del self._decoding[sequence]
        elif sequence is self._partial:
            self._partial = None
        self._resident -= sequence.computed
        self._free += self._blocks(sequence.computed)
        sequence.computed = 0

    def _blocks(self, tokens: int) -> int:
        return -(-tokens // self.config.block_size)

    def _residue(self, sequence: Sequence) -> int:
        # Before a decode at tick t it holds prompt + (t - origin) - 1 tokens, the newest one not
        # being computed yet; it needs a block when that is a multiple of the block size.
        return (sequence.origin + 1 - sequence.prompt) % self.config.block_size

    def _continue_partial(
        self, sequence: Sequence, budget: int, completed: list[Sequence], result: StepResult
    ) -> int:
        chunk = min(sequence.prompt + sequence.generated - sequence.computed, budget)
        extra = self._blocks(sequence.computed + chunk) - self._blocks(sequence.computed)
        while self._room() < extra:
            self._preempt_last(result)
            if self._partial is None:
                return 0
        self._partial = None
        self._compute(sequence, chunk, completed)
        return chunk

    def _admit(self, budget: int, completed: list[Sequence], result: StepResult) -> int:
        """Seat waiting sequences in order; the first that does not fit holds up the rest."""
        spent = 0
        while self._queue and spent < budget and self._partial is None:
            if len(self._decoding) + len(completed) == self.config.max_num_seqs:
                break
            sequence = self._queue[0][1]
            if sequence.state is not State.WAITING:
                heapq.heappop(self._queue)
                continue
            chunk = min(sequence.prompt + sequence.generated - sequence.cached, budget - spent)
            if self._blocks(sequence.cached + chunk) > self._room():
                break
            heapq.heappop(self._queue)
            self._waiting -= 1
            sequence.state = State.PREFILLING
            result.admitted.append(sequence)
            self._compute(sequence, sequence.cached + chunk, completed)
            spent += chunk
        return spent

    def _compute(self, sequence: Sequence, tokens: int, completed: list[Sequence]) -> None:
        """Put the next tokens of a prompt into the KV cache; the caller has seen that they fit."""
        before = self._blocks(sequence.computed)
        sequence.computed += tokens
        self._resident += tokens
        self._free -= self._blocks(sequence.computed) - before
        if sequence.computed < sequence.prompt + sequence.generated:
            self._partial = sequence
        else:
            completed.append(sequence)

    def _only_decodes_next(self) -> bool:
        return self._tick + 1 not in self._ends and self._room() >= 0

    def _advance(self, prefill: int, result: StepResult) -> None:
        """One token for every decoding sequence, in the time that the whole batch takes."""
        decodes = len(self._decoding)
        self._free -= self._growing[self._tick % self.config.block_size]
        self._resident += decodes
        self._tick += 1
        result.steps += 1
        result.tokens += prefill + decodes
        result.end += self.config.cost.duration_ns(prefill + decodes, self._resident)

    def _collect(self, completed: list[Sequence], result: StepResult) -> None:
        """End the sequences whose last token this was, and let finished prompts decode."""
        for sequence in self._ends.pop(self._tick, ()):
            # Stale when it was preempted or aborted since: its end has moved.
            if sequence.state is State.DECODING and self._tick - sequence.origin == sequence.output:
                self._finish(sequence, result)
        for sequence in completed:
            sequence.generated += 1
            result.prefilled.append(sequence)
            if sequence.generated == sequence.output:
                self._finish(sequence, result)
                continue
            sequence.state = State.DECODING
            sequence.origin = self._tick - sequence.generated
            self._decoding[sequence] = None
            self._growing[self._residue(sequence)] += 1
            self._ends.setdefault(sequence.origin + sequence.output, []).append(sequence)

    def _finish(self, sequence: Sequence, result: StepResult) -> None:
        self._release(sequence)
        sequence.state = State.FINISHED
        result.finished.append(sequence)
