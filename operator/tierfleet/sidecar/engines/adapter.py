"""What differs from engine to engine, as data. Pure."""

from dataclasses import dataclass

from tierfleet.admission.types import EngineReading
from tierfleet.sidecar.engines.dialect import Dialect


@dataclass(frozen=True)
class Adapter:
    """One kind of engine, as the sidecar has to know it.

    Attributes:
        dialects: names of its metrics. Several: it goes by one of them, or has no metrics.
        metrics_path: where it tells them in Prometheus' text format.
        health_path: what is asked for to know whether it serves.
        any_answer_is_healthy: it need not know that path: whoever answers without a server error
            serves. Otherwise nothing but a 200 says so.
        priority_sign: of the `priority` in a request's body: 1 where higher is sooner, as in a
            plan, -1 where lower is, 0 where the engine takes none.
        priority_flags: start options without which it refuses or overlooks that.
        aborts_within: seconds in which it notices that the client of a request has gone, ends the
            request and frees its seat; None if nobody has said.
    """

    dialects: tuple[Dialect, ...]
    metrics_path: str = "/metrics"
    health_path: str = "/health"
    any_answer_is_healthy: bool = False
    priority_sign: int = 0
    priority_flags: tuple[str, ...] = ()
    aborts_within: float | None = None

    def healthy(self, status: int) -> bool:
        """Whether an answer to the question for its health says that it serves."""
        return status == 200 or (self.any_answer_is_healthy and status < 500)

    def reading(self, metrics: bytes) -> EngineReading | None:
        """What it says of itself; None if it says nothing that can be used."""
        dialect = self._dialect(metrics)
        return dialect.reading(metrics) if dialect else None

    def kv_tokens(self, metrics: bytes) -> int | None:
        """Tokens that its KV cache holds, None if it does not say."""
        dialect = self._dialect(metrics)
        return dialect.kv_tokens(metrics) if dialect else None

    def with_queue(self, metrics: bytes, queued: int) -> bytes:
        """Its metrics, with our queue added to its own under its own name."""
        dialect = self._dialect(metrics)
        return dialect.with_queue(metrics, queued) if dialect else metrics

    def _dialect(self, metrics: bytes) -> Dialect | None:
        if len(self.dialects) == 1:
            return self.dialects[0]
        return next((known for known in self.dialects if known.spoken_in(metrics)), None)
