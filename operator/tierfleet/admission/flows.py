"""What the core remembers: a record per request, a flow per tenant."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.limits import Bucket
from tierfleet.admission.types import Arrival
from tierfleet.plan import Tier

ASSUMED_OUTPUT_TOKENS = 256
"""Output that is assumed of a tenant before its first answer has ended."""


class State(Enum):
    """Where a request is."""

    QUEUED = auto()
    RUNNING = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Request:
    """One request. Costs in micro service tokens, tokens over all its sequences.

    Attributes:
        arrival: as it came.
        flow: its tenant's.
        sequence: order of arrival; every tie goes by it.
        arrived: ns.
        charged_tokens: taken from the tenant's limit of tokens so far.
        charged_cost: taken from the reservation so far (the estimate, then what is more).
        entitlement: the reservation that pays for it once it runs; None if none does.
        prompt, cached, output: tokens so far.
    """

    arrival: Arrival
    flow: "Flow"
    sequence: int
    arrived: int
    charged_tokens: int
    charged_cost: int
    entitlement: Entitlement | None = None
    state: State = State.QUEUED
    prompt: int = 0
    cached: int = 0
    output: int = 0


@dataclass(slots=True, eq=False)
class Flow:
    """One tenant's queue, limits and estimate.

    Attributes:
        tenant: its name; None for anonymous callers, who are one flow.
        tier: the tier that is charged.
        queue: in order of arrival; entries that are no longer queued are dropped at the head.
        queued: requests that wait.
        backlog: micro service tokens of them.
        in_flight: requests that run.
        max_in_flight: this replica's part of the tenant's limit; None is unlimited.
        offered: sequence of the head that its tier knows of; 0 for none.
        output_estimate: moving average (1/8) of output tokens of one sequence.
    """

    tenant: str | None
    tier: Tier
    requests: Bucket | None = None
    tokens: Bucket | None = None
    max_in_flight: int | None = None
    queue: deque[Request] = field(default_factory=deque)
    queued: int = 0
    backlog: int = 0
    offered: int = 0
    in_flight: int = 0
    output_estimate: int = ASSUMED_OUTPUT_TOKENS

    def head(self) -> Request | None:
        """The oldest request that may run now; None while there is none."""
        while self.queue and self.queue[0].state is not State.QUEUED:
            self.queue.popleft()
        if not self.queue:
            return None
        if self.max_in_flight is not None and self.in_flight >= self.max_in_flight:
            return None
        return self.queue[0]

    def expected_output(self, request: Arrival) -> int:
        """Output tokens to charge at first: the estimate, never more than the caller allows."""
        expected = self.output_estimate
        if request.max_tokens is not None:
            expected = min(expected, request.max_tokens)
        return expected * request.sequences

    def learn(self, output: int, sequences: int) -> None:
        """A request of so many sequences has ended with so many output tokens."""
        self.output_estimate += (output // sequences - self.output_estimate) // 8
