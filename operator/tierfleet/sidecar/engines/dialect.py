"""The names under which an engine tells of itself, and what is read and shown by them. Pure.

An exposition without these names yields no reading, and the core goes by its own count.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tierfleet.admission.types import EngineReading

_DIGITS = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True)
class Amount:
    """A whole number in an exposition.

    Attributes:
        metric: that has it.
        label: of the metric's, whose value it is; None if it is the metric's own.
    """

    metric: bytes
    label: bytes | None = None


@dataclass(frozen=True)
class Dialect:
    """Metrics of one engine, in Prometheus' text format.

    Attributes:
        running: gauge of sequences in seats.
        waiting: gauge of sequences that the engine itself queues.
        kv_used: gauge of the KV cache in use, 0 to 1.
        tokens: counters of prompt and output tokens that move while requests run, not only at
            their end: one that stands still means an engine that has stalled. Empty if there is
            none.
        kv_size: their product is how many tokens the KV cache holds.
        parts: label that the gauges of requests carry with a value where they tell of a part, and
            without one where they tell of all.
    """

    running: bytes
    waiting: bytes
    kv_used: bytes
    tokens: tuple[bytes, ...]
    kv_size: tuple[Amount, ...]
    parts: bytes | None = None

    def spoken_in(self, metrics: bytes) -> bool:
        """Whether an engine that tells this goes by these names."""
        return self._pattern.search(metrics) is not None

    def reading(self, metrics: bytes) -> EngineReading | None:
        """What the engine says of itself; sums over its ranks, and the fullest cache."""
        names = (self.running, self.waiting, self.kv_used, *self.tokens)
        found: dict[bytes, list[float]] = {name: [] for name in names}
        for name, labels, value in self._samples(metrics):
            if name not in found or (name in self._requests and self._is_part(labels)):
                continue
            number = _finite(value)
            if number is None:
                return None
            found[name].append(number)
        if not found[self.running]:
            return None
        computed = [count for name in self.tokens for count in found[name]]
        return EngineReading(
            running=sum(map(round, found[self.running])),
            waiting=sum(map(round, found[self.waiting])),
            kv_used_permille=round(1000 * min(1.0, max(found[self.kv_used], default=0.0))),
            tokens=sum(map(round, computed)) if computed else None,
        )

    def kv_tokens(self, metrics: bytes) -> int | None:
        """Tokens that the KV cache holds, None if the engine does not say."""
        first: dict[bytes, tuple[bytes, bytes]] = {}
        for name, labels, value in self._samples(metrics):
            first.setdefault(name, (labels, value))
        product = 1
        for amount in self.kv_size:
            labels, value = first.get(amount.metric, (b"", b""))
            if amount.label is not None:
                value = _label(labels, amount.label)
            number = _whole(value)
            if number is None:
                return None
            product *= number
        return product or None

    def with_queue(self, metrics: bytes, queued: int) -> bytes:
        """The engine's metrics with our queue in front of its own, for endpoint pickers.

        They take the number waiting as this pod's load, and most of it waits here.
        """
        for sample in self._pattern.finditer(metrics):
            number = _finite(sample[3])
            if sample[1] == self.waiting and number is not None and not self._is_part(sample[2]):
                start, end = sample.span(3)
                return b"%b%.1f%b" % (metrics[:start], number + queued, metrics[end:])
        return metrics

    @cached_property
    def _requests(self) -> frozenset[bytes]:
        return frozenset((self.running, self.waiting))

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        """Samples of these metrics alone, name, labels and value: expositions are long."""
        sizes = (amount.metric for amount in self.kv_size)
        names = {self.running, self.waiting, self.kv_used, *self.tokens, *sizes}
        choice = b"|".join(sorted(map(re.escape, names)))
        return re.compile(rb"^(%b)(?:\{([^\n]*)\})? (\S+)" % choice, re.MULTILINE)

    def _samples(self, metrics: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
        for sample in self._pattern.finditer(metrics):
            yield sample[1], sample[2] or b"", sample[3]

    def _is_part(self, labels: bytes | None) -> bool:
        return self.parts is not None and bool(_label(labels or b"", self.parts))


def _label(labels: bytes, name: bytes) -> bytes:
    """The value of a label, empty if it has none."""
    found = re.search(rb'(?:^|,)%b="([^"]*)"' % re.escape(name), labels)
    return found[1] if found else b""


def _whole(value: bytes) -> int | None:
    if _DIGITS.fullmatch(value):
        return int(value)
    number = _finite(value)
    return None if number is None else round(number)


def _finite(value: bytes) -> float | None:
    """A count or a share; None for what is neither, like the format's NaN and +Inf."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
