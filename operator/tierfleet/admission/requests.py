"""One request inside the core, and the states it goes through.

QUEUED    no seat                    dispatched -> RUNNING     shed, cancelled -> ENDED
RUNNING   a seat, charged for it     reclaimed -> ABORTING     finished, client gone -> ENDED
ABORTING  the engine lets go of it   then QUEUED again, or ENDED
"""

from typing import TYPE_CHECKING, Final

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.heap import Ranked
from tierfleet.admission.types import ShedReason

if TYPE_CHECKING:
    from tierfleet.admission.entitlements import Entitlement
    from tierfleet.admission.flows import Flow
    from tierfleet.admission.lines import Ages
    from tierfleet.admission.shares import Share

# Not an Enum: these are compared several times for every request, and its members are looked up
# through a descriptor each time.
QUEUED: Final = 0
RUNNING: Final = 1
ABORTING: Final = 2
ENDED: Final = 3


class Request(Ranked):
    """See above; while it waits, it may be in a heap by its expiry.

    Attributes:
        id: the caller's.
        sequence: order of arrival, from 1; all ties go by it.
        flow: its tenant's.
        share: its tenant's place in the tier that is charged.
        seats: sequences, each a seat of the engine.
        arrived, expiry: nanoseconds; it does not wait beyond the second.
        deadline: after which its first byte is of no use; `NEVER` without one.
        expected: output tokens that are charged before any has come.
        prompt, cached, output: tokens so far; the first is an estimate until the engine counts.
        tokens: charged to the limit of tokens.
        estimate: what it was expected to cost at arrival, micro service tokens.
        cost: charged to share or reservation, or to be, micro service tokens.
        weighed: the same as charged to the share: divided by the weight at dispatch; -1: it is not
            charged to a share.
        weight: at dispatch.
        account: the reservation that pays; None if none does.
        purse: the reservation with the prepaid balance that it draws on; None if there is none.
        firm: it cannot be thrown out at any time.
        floor: the floor of its tier that is charged too; None if none is.
        asked: it asked for a tier below its tenant's own: it is none of its reservation's business.
        borrowed: a conforming request that was sent before its reservation owed it a seat.
        conforming: the label at arrival.
        spare: micro service tokens of its reservation's burst that were left at arrival.
        state: one of the above.
        sent: the caller has part of the answer.
        aborted_at: when it was thrown out, nanoseconds; -1: never. A second time would be unfair.
        reserved: it waits among the conforming requests of its tenant.
        joined: it counts among what waits for its tenant's reservation.
        older, newer: its neighbours in the line in which it waits.
        ages: the line by age in which it is; None if it is in none.
        before, after: its neighbours there.
        passed: times that others overtook it while it did not fit into the KV cache.
        kv: tokens of KV cache that are counted for it.
        long: it counts against its tier's bound on long contexts.
        refused: in Shadow, why Enforce would have turned it away.
    """

    __slots__ = (
        "aborted_at", "account", "after", "ages", "arrived", "asked", "before", "borrowed",
        "cached", "conforming", "cost", "deadline", "estimate", "expected", "expiry", "firm",
        "floor", "flow", "id", "joined", "kv", "long", "newer", "older", "output", "passed",
        "prompt", "purse", "refused", "reserved", "seats", "sent", "sequence", "share", "spare",
        "state", "tokens", "weighed", "weight",
    )  # fmt: skip

    def __init__(
        self,
        id: int,  # noqa: A002 - what it is
        sequence: int,
        flow: "Flow",
        arrived: int,
        seats: int,
        prompt: int,
        expected: int,
    ) -> None:
        super().__init__()
        # In the order of use: compiled, neighbours here are neighbours in memory. What a neighbour
        # in a line reads or writes first, then what a dispatch does, then the end.
        self.older: Request | None = None
        self.newer: Request | None = None
        self.before: Request | None = None
        self.after: Request | None = None
        self.ages: Ages | None = None
        self.sequence = sequence
        self.expiry = 0
        self.state: int = QUEUED
        self.reserved = self.joined = self.conforming = self.borrowed = False
        self.firm = self.long = self.sent = self.asked = False
        self.flow = flow
        self.share: Share = flow.share
        self.account: Entitlement | None = None
        self.floor: Entitlement | None = None
        self.seats = seats
        self.kv = 0
        self.cost = 0
        self.prompt = prompt
        self.weighed = -1
        self.weight = 1
        self.id = id
        self.arrived = arrived
        self.refused: ShedReason | None = None
        self.passed = 0
        self.expected = expected
        self.output = 0
        self.cached = 0
        self.tokens = 0
        self.estimate = 0
        self.spare = 0
        self.aborted_at = -1
        self.purse: Entitlement | None = None
        self.deadline = NEVER
