"""The real-time loop: one task that steps the model and hands out tokens when they are due.

A step's due time is the previous one's plus its duration, on a virtual clock that is tied to the
wall clock; a sleep that comes back late makes the next one shorter, so nothing drifts. The only
file that knows both the model and asyncio; it knows no HTTP.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tierfleet.engine.metrics import EngineMetrics
from tierfleet.engine.model import Engine, Sequence, StepResult


@dataclass(frozen=True, slots=True)
class Ask:
    """One sequence that a request wants."""

    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    cached_tokens: int = 0


class Generation:
    """One request in the engine: what its handler waits on.

    Attributes:
        sequences: as they were asked for.
        produced: tokens so far, by index of the sequence.
    """

    def __init__(self, sequences: list[Sequence], *, each_token: bool) -> None:
        self.sequences = sequences
        self.produced = [0] * len(sequences)
        self._each_token = each_token
        self._unfinished = len(sequences)
        self._changed = asyncio.Event()

    @property
    def done(self) -> bool:
        """Whether all of its sequences have ended."""
        return self._unfinished == 0

    async def progress(self) -> None:
        """Wait for what the last call did not know: a token, or the end of the request."""
        await self._changed.wait()
        self._changed.clear()

    def advance(self, index: int, *, last: bool = False) -> None:
        """Note one more token of a sequence."""
        self.produced[index] += 1
        self._unfinished -= last
        if self._each_token or self.done:
            self._changed.set()


@dataclass(slots=True)
class _Track:
    """A sequence in the engine, and the wall-clock times in nanoseconds that its metrics need."""

    generation: Generation
    index: int
    finish_reason: str
    arrived: int
    # Of its first seat; 0 before it.
    admitted: int = 0
    # Of its latest token, noted only when a preemption follows it.
    last_token: int = 0


class Driver:
    """Runs one engine at `speed` times its own pace."""

    def __init__(
        self,
        engine: Engine,
        metrics: EngineMetrics,
        speed: float = 1.0,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._tracks: dict[Sequence, _Track] = {}
        self._wake = asyncio.Event()
        # The virtual clock: nanoseconds of the model since this moment of the wall clock.
        self._epoch = clock()
        self._delivered = 0

    def submit(
        self, asks: tuple[Ask, ...], priority: int = 0, *, each_token: bool = False
    ) -> Generation:
        """Queue the sequences of one request; they can join the batch at the next step.

        With `each_token` the generation reports every token, without it only its end.
        """
        arrived = self._clock()
        sequences = [
            self._engine.add(
                ask.prompt_tokens, ask.output_tokens, cached=ask.cached_tokens, priority=priority
            )
            for ask in asks
        ]
        generation = Generation(sequences, each_token=each_token)
        for index, (sequence, ask) in enumerate(zip(sequences, asks, strict=True)):
            self._tracks[sequence] = _Track(generation, index, ask.finish_reason, arrived)
        self._wake.set()
        return generation

    def cancel(self, generation: Generation) -> None:
        """Abort what of a request still runs or waits; its seats are free at the next step."""
        for sequence in generation.sequences:
            self._engine.abort(sequence)
        self._wake.set()

    async def run(self) -> None:
        """Step the engine for ever; idle when it has no work."""
        now = self._virtual()
        while True:
            if not self._engine.has_work:
                self._wake.clear()
                await self._wake.wait()
                now = max(now, self._virtual())
            started = self._clock()
            result = self._engine.step(now)
            now = result.end
            due = self._epoch + int(now / self._speed)
            # Even when late this yields once, so that handlers get their turn.
            await self._sleep(max(0, due - self._clock()) / 1e9)
            self._deliver(result, started)

    def _virtual(self) -> int:
        return int((self._clock() - self._epoch) * self._speed)

    def _deliver(self, result: StepResult, started: int) -> None:
        now = self._clock()
        tracks, metrics = self._tracks, self._metrics
        for sequence in result.aborted:
            del tracks[sequence]
            metrics.ended["abort"] += 1
        for sequence in result.preempted:
            tracks[sequence].last_token = self._delivered
            metrics.preemptions += 1
        for sequence in result.admitted:
            track = tracks[sequence]
            if not track.admitted:
                track.admitted = started
                metrics.count_prefix(sequence.prompt, sequence.cached)
        for sequence in result.prefilled:
            track = tracks[sequence]
            if track.generation.produced[track.index]:
                metrics.inter_token_latency.observe(now - track.last_token)
            else:
                metrics.time_to_first_token.observe(now - track.arrived)
                metrics.prompt_tokens += sequence.prompt
        tokens = len(self._engine.decoding) + len(result.finished)
        metrics.generation_tokens += tokens
        metrics.inter_token_latency.observe(
            now - self._delivered, times=tokens - len(result.prefilled)
        )
        for sequence in self._engine.decoding:
            track = tracks[sequence]
            track.generation.advance(track.index)
        for sequence in result.finished:
            track = tracks.pop(sequence)
            track.generation.advance(track.index, last=True)
            metrics.ended[track.finish_reason] += 1
            metrics.queue_time.observe(track.admitted - track.arrived)
            metrics.e2e_latency.observe(now - track.arrived)
        self._delivered = now
