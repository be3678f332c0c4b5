"""Who is next inside a tier: start-time fair queueing over tenants, in service tokens.

Sources: SFQ (Goyal, Vin, Cheng, SIGCOMM'96); VTC, "Fairness in Serving Large Language Models"
(OSDI'24): a counter of weighted service per client, lifted when a client comes back, so that idling
saves nothing up. Tiers of one priority are one band with one clock; each has a heap of its own only
so that a floor can serve one of them alone.
"""

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from tierfleet.admission.heap import Heap
from tierfleet.admission.limits import UNLIMITED, TierLimits
from tierfleet.admission.lines import Ages, Line
from tierfleet.admission.requests import Request
from tierfleet.admission.types import ShedReason
from tierfleet.plan import Preemption, Tier

if TYPE_CHECKING:
    from tierfleet.admission.entitlements import Entitlement
    from tierfleet.admission.flows import Flow

Entry = tuple[int, int, "Share"]
"""Among the backlogs: key, sequence of a request (ties go by it), who; it lives while its share
says so."""


class Band:
    """All tiers of one priority: they share a clock.

    Attributes:
        priority: higher is sooner.
        tiers: in the plan's order.
        clock: virtual time: the start tag of what was dispatched last; it never goes back.
    """

    __slots__ = ("clock", "priority", "tiers")

    def __init__(self, priority: int) -> None:
        self.priority = priority
        self.tiers: list[TierQueue] = []
        self.clock = 0


class Share(Line):
    """What one tenant has waiting in one tier; in the tier's heap by its `v` as of some time ago.

    Attributes:
        flow: the tenant's.
        tier: the tier's queue.
        weight: of the tenant among its equals.
        v: service received, micro service tokens divided by the weight: the least is served next.
        base: refunds take `v` no lower: the clock when the tenant last came back.
        backlog: micro service tokens of what waits, but for what only Shadow lets wait.
        heavy: in the tier's heap of backlogs; None if there is none.
    """

    __slots__ = (
        "backlog", "base", "flow", "heavy", "tier", "v", "weight",
    )  # fmt: skip

    def __init__(self, flow: "Flow", tier: "TierQueue", weight: int) -> None:
        super().__init__()
        self.flow = flow
        self.tier = tier
        self.weight = weight
        self.v = self.base = 0
        self.backlog = 0
        self.heavy: Entry | None = None

    def put(self, now: int, request: Request, *, again: bool = False, stays: bool = False) -> None:
        """The request begins to wait: last, or `again` at its old place.

        With `stays` it has been waiting here, and only the lines are made anew.
        """
        if self.first is None and not stays:
            self.come_back()
        if again:
            self.insert(request)
        else:
            self.append(request)
        request.reserved = False
        if request.refused is None:
            self.backlog += request.cost
        else:
            self.tier.refused += 1
        self.tier.put(now, self)

    def leave(self, now: int, request: Request) -> None:
        """The request no longer waits."""
        self.remove(request)
        if request.refused is None:
            self.backlog -= request.cost
        else:
            self.tier.refused -= 1
        self.tier.leave(now, self)

    def refuse(self, request: Request, reason: ShedReason) -> None:
        """In Shadow: Enforce would not let it wait on."""
        request.refused = reason
        self.backlog -= request.cost
        self.tier.refused += 1

    def empty(self) -> None:
        """Forgets what waits."""
        self.first = self.last = None
        self.backlog = 0
        self.heavy = None

    def come_back(self) -> None:
        """The tenant has something to send again: what it did not use meanwhile is gone.

        A tenant of the past is lifted to the clock; one that is ahead of it stays ahead.
        """
        clock = self.tier.band.clock
        self.base = clock
        self.v = max(self.v, clock)

    def shift(self, by: int) -> None:
        """It goes over to another clock."""
        self.v += by
        self.base += by

    def charge(self, weighed: int) -> None:
        """Service divided by the weight; a refund (negative) goes no lower than `base`."""
        self.v += weighed
        if weighed < 0:
            self.v = max(self.v, self.base)
            # Ranked too high it would be found too late; ranked too low it moves when it is on top.
            if self.place >= 0 and self.rank > self.v:
                self.tier.offer(self)


class LongContexts:
    """A tier's bound on long prompts, this replica's part.

    Attributes:
        above: tokens; a longer prompt is long.
        most: long ones that may run at once.
    """

    __slots__ = ("above", "most")

    def __init__(self, above: int, most: int) -> None:
        self.above = above
        self.most = most


UNBOUNDED: Final = LongContexts(UNLIMITED, UNLIMITED)


class TierQueue:
    """What waits in one tier, and what of it runs.

    Attributes:
        plan: the tier.
        name, priority: of the plan; read for every request, and a plan takes longer to read.
        limits: of each of its tenants.
        ages: its tenants' requests that wait, by when they will have waited in vain.
        band: of its priority.
        bound: most requests that wait, this replica's part; conforming ones do not count.
        wait: nanoseconds that a request waits at most.
        long: bound on long contexts.
        preemptible: its running requests may be aborted at some time.
        anytime: at any time.
        waiting: requests that wait in its shares.
        refused: those of them that Enforce would have turned away.
        reserved_waiting: conforming requests of its tenants.
        in_flight: its running requests.
        long_running: those with long contexts.
        running: preemptible ones, oldest first, with what has ended meanwhile.
        floor: its `minimumPercent` as a guarantee; None without one.
    """

    __slots__ = (
        "_heap", "_heavies", "_parked", "ages", "anytime", "band", "bound", "floor", "in_flight",
        "limits", "long", "long_running", "name", "plan", "preemptible", "priority",
        "refused", "reserved_waiting", "running", "wait", "waiting",
    )  # fmt: skip

    def __init__(self, plan: Tier) -> None:
        self._heap: Heap[Share] = Heap()
        self._heavies: list[Entry] | None = None
        self._parked: dict[Share, None] = {}
        self.ages = Ages()
        self.waiting = self.refused = 0
        self.reserved_waiting = 0
        self.in_flight = 0
        self.long_running = 0
        self.running: list[Request] = []
        self.floor: Entitlement | None = None
        self.band = Band(plan.priority)
        self.change(plan, 0, UNBOUNDED, TierLimits(None, None, UNLIMITED))

    def change(self, plan: Tier, bound: int, long: LongContexts, limits: TierLimits) -> None:
        """Goes over to a new plan's tier."""
        self.plan = plan
        self.name = plan.name
        self.priority = plan.priority
        self.limits = limits
        self.bound = bound
        self.long = long
        self.wait = plan.queue.max_wait_milliseconds * 1_000_000
        self.preemptible = plan.preemption is not Preemption.NEVER
        self.anytime = plan.preemption is Preemption.ANYTIME

    def clear(self, now: int) -> None:
        """Forgets what waits; shares are put back one by one."""
        if self.floor is not None:
            self.floor.leave_all(now)
        self._heap.clear()
        self._heavies = None
        self._parked = {}
        self.waiting = self.refused = 0
        self.reserved_waiting = 0

    # Next

    def put(self, now: int, share: Share) -> None:
        """A share has one more that waits."""
        self.waiting += 1
        if self.floor is not None:
            self.floor.join(now)
        first = share.first
        if share.place < 0 or (first is not None and first.sequence < share.tie):
            # The second: it is back at its old place, in front of what was the oldest.
            self.offer(share)
        if self._heavies is not None:
            self._weigh(share, self._heavies)

    def leave(self, now: int, share: Share) -> None:
        """A share has one less that waits."""
        self.waiting -= 1
        if self.floor is not None:
            self.floor.leave(now)
        if share.first is None:
            if share.place >= 0:
                self._heap.remove(share)
            elif self._parked:
                self._parked.pop(share, None)
        elif share.place < 0:
            # What is behind the one that it was parked for may run.
            self.offer(share)

    def offer(self, share: Share) -> None:
        """The share, where something waits, may be served."""
        head = share.first
        if head is not None:
            self._heap.put(share, share.v, head.sequence)
            if self._parked:
                self._parked.pop(share, None)

    def top(self) -> Request | None:
        """The request that is served next, if any may run: the head of its share."""
        heap = self._heap
        items = heap.items
        while items:
            share = items[0]
            head = share.first
            if head is None or not share.flow.may_run() or self.is_too_long(head):
                heap.remove(share)
                if head is not None:
                    # Offered again when its tenant or its tier may have one more running.
                    self._parked[share] = None
            elif share.rank == share.v and share.tie == head.sequence:
                return head
            else:
                heap.put(share, share.v, head.sequence)
        return None

    def offer_parked(self) -> None:
        """What could not run when it was looked at may run now."""
        parked, self._parked = self._parked, {}
        for share in parked:
            if share.first is not None and share.place < 0:
                self.offer(share)

    def is_long(self, prompt: int) -> bool:
        """True if a prompt of so many tokens counts against the bound."""
        return prompt > self.long.above

    def is_too_long(self, head: Request) -> bool:
        """True if it has to wait for another long context to end."""
        return head.prompt > self.long.above and self.long_running >= self.long.most

    # Shedding

    def is_too_full(self) -> bool:
        """True if more wait than may."""
        return self.waiting - self.refused > self.bound

    def heaviest(self) -> Request | None:
        """The newest request of the share with the largest backlog for its weight.

        By backlog over weight, not by weight: a flooding tenant of a large weight would push out a
        light one that sends little.
        """
        if self._heavies is None:
            self._heavies = []
            for share in [*self._heap.items, *self._parked]:
                self._weigh(share, self._heavies)
        heavies = self._heavies
        while heavies:
            entry = heavies[0]
            share = entry[2]
            if share.heavy != entry or share.first is None:
                heappop(heavies)
                if share.heavy == entry:
                    share.heavy = None
                continue
            newest = share.last
            if newest is not None and -entry[0] == share.backlog // share.weight:
                return newest
            heappop(heavies)
            self._weigh(share, heavies)
        return None

    def _weigh(self, share: Share, heavies: list[Entry]) -> None:
        newest = share.last
        if newest is not None:
            share.heavy = (-(share.backlog // share.weight), -newest.sequence, share)
            heappush(heavies, share.heavy)
            if len(heavies) > 64 and len(heavies) > 4 * self.waiting:
                lines = [entry for entry in heavies if entry[2].first is not None]
                heavies[:] = [entry for entry in lines if entry[2].heavy == entry]
                heapify(heavies)
