"""What the process is doing with requests: serving, draining, refusing. Pure.

    state      ready  takes requests  left when
    SERVING    yes    yes             `drain` is called
    LEAVING    no     yes             the time for others to notice has passed
    REFUSING   no     503             never

A drain is over when nothing is in flight any more, or at its deadline. Endpoints are removed from
load balancers seconds after readiness flips, so requests that still arrive are served meanwhile.

It knows nothing of sockets or signals; seconds of one monotonic clock are passed in.
"""

from enum import Enum


class State(Enum):
    """See the table above."""

    SERVING = "serving"
    LEAVING = "leaving"
    REFUSING = "refusing"


class Lifecycle:
    """The state of one process. A drain cannot be taken back, only shortened."""

    __slots__ = ("_deadline", "_refuse_at")

    def __init__(self) -> None:
        self._refuse_at = float("inf")
        self._deadline = float("inf")

    def drain(self, now: float, *, accept_seconds: float, timeout_seconds: float) -> None:
        """Start to drain; asked again, the earlier times hold."""
        self._refuse_at = min(self._refuse_at, now + accept_seconds)
        self._deadline = min(self._deadline, now + max(accept_seconds, timeout_seconds))

    @property
    def serving(self) -> bool:
        """True until a drain begins."""
        return self._deadline == float("inf")

    def state(self, now: float) -> State:
        """See the table above."""
        if self.serving:
            return State.SERVING
        return State.REFUSING if now >= self._refuse_at else State.LEAVING

    def over(self, now: float, in_flight: int) -> bool:
        """True when a drain need not be waited for any longer."""
        return now >= self._deadline or (self.state(now) is State.REFUSING and in_flight == 0)
