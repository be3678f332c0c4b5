"""Who is served under the current plan: tiers, tenants with their limits, guarantees.

A new plan, a term that begins or ends and a prepaid period that turns change it in one step. What a
tenant has used of its limits and its share, and what a guarantee is owed, survive; nothing that
waits or runs is lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import chain
from math import ceil

from tierfleet.admission.contracts import Contracts
from tierfleet.admission.entitlements import FLOOR_BURST, Entitlement
from tierfleet.admission.flows import Flow
from tierfleet.admission.limits import UNLIMITED, Bucket, Limit, TierLimits
from tierfleet.admission.lines import NOBODY, Line
from tierfleet.admission.requests import Request
from tierfleet.admission.shares import UNBOUNDED, Band, LongContexts, Share, TierQueue
from tierfleet.plan import MICRO, Plan, SpilloverAction, Tier


class Roster:
    """Tiers, flows and guarantees of one replica.

    Attributes:
        plan: the current one.
        share: this replica's part of every fleet-wide rate.
        bands: from the highest priority down.
        tiers: by name.
        flows: of the callers that have sent something; None is the anonymous one.
        entitlements: in the plan's order.
        floors: tiers with a floor, the highest first.
        balances: entitlements, and those floors.
        edge: the next time of day at which something begins or ends; None if nothing does.
        minute: micro service tokens that this replica does in a minute at its rate.
        burst: micro service tokens that all guarantees in force may ask for at once.
        promised: reserved part of this replica's rate; 1 where the rate is not known.
        patience: the least wait that a guarantee in force promises, nanoseconds; 0 without one.
        reclaims: one of them takes seats back.
    """

    def __init__(self, now: int, wall: datetime, plan: Plan, group: str) -> None:
        self.flows: dict[str | None, Flow] = {}
        self.tiers: dict[str, TierQueue] = {}
        self._contracts = Contracts()
        self.adopt(now, wall, plan, group)

    def adopt(self, now: int, wall: datetime, plan: Plan, group: str) -> None:
        """Goes over to a new plan.

        Raises:
            tierfleet.plan.PlanError: the plan has no such group; nothing has changed.
        """
        share = plan.share(group)
        self.plan, self.share, self._group = plan, share, plan.group(group)
        self._tenants = {tenant.name: tenant for tenant in plan.tenants}
        self._offered = {tier.name for tier in plan.tiers}
        waiting = {flow: _take_all(flow) for flow in self.flows.values() if flow.waits()}
        # What a tenant is ahead of its tier's clock goes with it to another: clocks of different
        # priorities have nothing to do with each other.
        for flow in self.flows.values():
            for place in flow.all_shares():
                place.shift(-place.tier.band.clock)
        self._adopt_tiers(now)
        self._contracts.adopt(now, plan, share)
        self.entitlements = self._contracts.entitlements
        self.balances = [*self.entitlements, *(q.floor for q in self.floors if q.floor)]
        for flow in list(self.flows.values()):
            self._settle_in(now, flow)
            idle = not flow.served and not flow.in_flight and flow not in waiting
            if idle and flow.owes_nothing(now):
                del self.flows[flow.tenant]
        self._begin(now, wall, self.flows.values(), waiting)

    def _adopt_tiers(self, now: int) -> None:
        known, self.tiers = self.tiers, {}
        # A tier that is gone from the plan is kept for what it still has here.
        left = {
            name: queue
            for name, queue in known.items()
            if queue.in_flight or queue.waiting or queue.reserved_waiting
        }
        for queue in known.values():
            queue.clear(now)
        plans = {
            tier.name: tier for tier in chain((q.plan for q in left.values()), self.plan.tiers)
        }
        bands: dict[int, Band] = {}
        for name, plan in plans.items():
            queue = known.get(name) or TierQueue(plan)
            queue.change(
                plan, self.part(plan.queue.max_requests), self._long(plan), self._limits(plan)
            )
            band = bands.get(plan.priority)
            if band is None:
                band = bands[plan.priority] = Band(plan.priority)
            band.clock = max(band.clock, queue.band.clock)
            band.tiers.append(queue)
            queue.band = band
            self._adopt_floor(now, queue)
            self.tiers[name] = queue
        self.bands = sorted(bands.values(), key=lambda band: -band.priority)
        self.floors = [
            queue for band in self.bands for queue in band.tiers if queue.floor is not None
        ]

    def _adopt_floor(self, now: int, queue: TierQueue) -> None:
        rate = self._group.service_tokens_per_second * queue.plan.minimum_percent
        if not rate:
            queue.floor = None
            return
        if queue.floor is None:
            queue.floor = Entitlement(now, -1)
        # Of this replica's own rate, so the share is that of a percent.
        queue.floor.guarantee(now, rate, Fraction(1, 100), FLOOR_BURST, queue.wait // 1_000_000)
        queue.floor.live = True

    def _long(self, plan: Tier) -> LongContexts:
        bound = plan.long_context
        if bound is None:
            return UNBOUNDED
        return LongContexts(bound.above_tokens, self.part(bound.max_concurrent_requests))

    def _limits(self, plan: Tier) -> TierLimits:
        requests, tokens = plan.limits.requests_per_minute, plan.limits.tokens_per_minute
        in_flight = plan.limits.max_concurrent_requests
        return TierLimits(
            None if requests is None else Limit(requests, self.share),
            None if tokens is None else Limit(tokens, self.share),
            UNLIMITED if in_flight is None else self.part(in_flight),
        )

    def turn(self, now: int, wall: datetime) -> None:
        """Something begins or ends: terms, prepaid periods, and with them where requests wait.

        That is nothing to tenants without a reservation, who may be many.
        """
        flows = [self.flows[name] for name in self._contracts.tenants if name in self.flows]
        self._begin(now, wall, flows, {flow: _take_out(now, flow) for flow in flows})

    def _begin(
        self,
        now: int,
        wall: datetime,
        flows: Iterable[Flow],
        waiting: Mapping[Flow, Sequence[Request]],
    ) -> None:
        self.edge = self._contracts.turn(wall)
        for entitlement in self.entitlements:
            entitlement.flows = []
            entitlement.leave_all(now)
            entitlement.backlog = entitlement.in_flight = 0
            entitlement.keep = 0
        for flow in flows:
            self._join_reservation(flow)
            if flow in waiting:
                self._put_back(now, flow, waiting[flow])
        live = self._contracts.live
        self.patience = min((e.patience for e in live), default=0)
        self.reclaims = any(e.reclaims for e in live)
        own = self._group.service_tokens_per_second
        self.minute = 60 * own * MICRO
        granted = sum(e.plan.granted for e in live if e.plan is not None) * self.share
        self.burst = sum(e.saved for e in live)
        self.promised = min(1.0, float(granted / own)) if own else 1.0

    def _join_reservation(self, flow: Flow) -> None:
        """Sets who pays for the tenant, and where it competes beyond that."""
        account = self._contracts.payer(flow.tenant)
        flow.account = account
        tier, weight = flow.home, flow.weight or flow.home.plan.weight
        flow.reserved = NOBODY if account is None else Line()
        if account is not None and account.plan is not None:
            account.flows.append(flow)
            account.in_flight += flow.seats
            flow.come_back(account.clock)
            spillover = account.plan.spillover
            if spillover.action is SpilloverAction.QUEUE:
                weight = 1
            elif spillover.tier is not None:
                tier = self.tiers[spillover.tier]
        share = flow.share_in(tier)
        share.weight = weight
        if share is not flow.share:
            flow.shares = {s.tier.plan.name: s for s in flow.all_shares()}
            flow.share = share

    def _put_back(self, now: int, flow: Flow, requests: Sequence[Request]) -> None:
        """Into the queues that are right for them now; order and labels stay."""
        account = flow.account
        for request in requests:
            if request.share not in flow.all_shares():
                # Its tier is gone.
                request.share = flow.share_in(flow.home)
            if request.conforming and account is not None:
                request.share = flow.share_in(flow.home)
                self.reserve(request, account)
            else:
                share = request.share if request.asked else flow.share
                stays = share is request.share and not request.reserved
                request.share = share
                share.put(now, request, stays=stays)
            request.joined = account is not None and joins(request)
            if account is not None and request.joined:
                account.join(now, conforming=request.reserved)

    @staticmethod
    def reserve(request: Request, account: Entitlement, *, again: bool = False) -> None:
        """A conforming request begins to wait: last, or `again` at its old place."""
        flow = request.flow
        if flow.reserved.first is None:
            flow.come_back(account.clock)
        request.reserved = True
        if again:
            flow.reserved.insert(request)
        else:
            flow.reserved.append(request)
        flow.home.reserved_waiting += 1
        account.backlog += request.cost

    def _tier_of(self, tenant: str | None) -> TierQueue | None:
        if tenant is None:
            anonymous = self.plan.identification.anonymous.tier
            return self.tiers[anonymous] if anonymous is not None else None
        known = self._tenants.get(tenant)
        return self.tiers[known.tier] if known and known.access else None

    def offered(self, tier: str) -> TierQueue | None:
        """The plan's tier of that name; None if it has none, though one may still be served out."""
        return self.tiers.get(tier) if tier in self._offered else None

    def knows(self, tenant: str | None) -> bool:
        """True if the plan names the tenant, with or without access to this pool."""
        return tenant in self._tenants

    def flow(self, now: int, tenant: str | None) -> Flow | None:
        """The caller's flow, made when it first sends; None if the plan does not serve it."""
        flow = self.flows.get(tenant)
        if flow is not None:
            return flow if flow.served else None
        home = self._tier_of(tenant)
        if home is None:
            return None
        flow = self._new(now, tenant, home)
        self.flows[tenant] = flow
        self._join_reservation(flow)
        return flow

    def peek(self, now: int, tenant: str | None) -> Flow | None:
        """The caller's flow, or one as it would be made; changes nothing."""
        home = self._tier_of(tenant)
        if home is None:
            return None
        return self.flows.get(tenant) or self._new(now, tenant, home)

    def unlent(self, entitlement: Entitlement, seats: int) -> int:
        """Seats of so many that the guarantee keeps for its own tenants, used or not."""
        rate = self._group.service_tokens_per_second
        return self._contracts.unlent(entitlement, seats, rate)

    def part(self, fleet_wide: int) -> int:
        """This replica's part of a count, rounded up: a part of one must not become none."""
        return ceil(fleet_wide * self.share)

    def _new(self, now: int, tenant: str | None, home: TierQueue) -> Flow:
        known = self._tenants.get(tenant) if tenant is not None else None
        flow = Flow(tenant, home, known.weight if known else None)
        self._limit(now, flow)
        return flow

    def _settle_in(self, now: int, flow: Flow) -> None:
        """A known tenant under a new plan."""
        home = self._tier_of(flow.tenant)
        flow.served = home is not None
        if home is None:
            home = self._left_behind(flow)
        known = self._tenants.get(flow.tenant) if flow.tenant is not None else None
        flow.weight = known.weight if known else flow.weight
        # Places in tiers that are gone go with them, but the tenant has one in any case.
        places = {s.tier.name: s for s in flow.all_shares() if s.tier.name in self.tiers}
        if flow.share.tier.name not in self.tiers:
            flow.share = places.setdefault(home.name, flow.share)
        before = places.get(flow.home.name)
        if before is not None and home.name != flow.home.name:
            # What it is ahead of the clock goes with it.
            there = places.setdefault(home.name, Share(flow, home, home.plan.weight))
            there.v, there.base = max(there.v, before.v), max(there.base, before.base)
        for name, share in places.items():
            share.tier = self.tiers[name]
            share.weight = flow.weight or share.tier.plan.weight
            share.shift(share.tier.band.clock)
        flow.shares = places if len(places) > 1 else None
        flow.home = home
        self._limit(now, flow)

    def _left_behind(self, flow: Flow) -> TierQueue:
        """A tenant that is gone from the plan keeps its place for what it still has here."""
        return self.tiers.get(flow.home.plan.name) or self.bands[-1].tiers[-1]

    @staticmethod
    def _limit(now: int, flow: Flow) -> None:
        limits = flow.home.limits
        flow.requests = _bucket(now, flow.requests, limits.requests)
        flow.tokens = _bucket(now, flow.tokens, limits.tokens)
        flow.max_in_flight = limits.in_flight


def joins(request: Request) -> bool:
    """True if a request that waits is its tenant's reservation's business.

    One that asked for a lower tier is not, unless that is where all goes that does not conform: it
    stands in one line with that.
    """
    return not request.asked or request.share is request.flow.share


def _bucket(now: int, bucket: Bucket | None, limit: Limit | None) -> Bucket | None:
    if limit is None or bucket is None:
        return None if limit is None else Bucket(now, limit)
    bucket.change(now, limit)
    return bucket


def _take_all(flow: Flow) -> list[Request]:
    """Everything of the tenant that waits, in order of arrival; its lines are empty after."""
    found = _gathered(flow)
    for request in found:
        request.older = request.newer = None
    flow.reserved = NOBODY
    for share in flow.all_shares():
        share.empty()
    return found


def _take_out(now: int, flow: Flow) -> list[Request]:
    """The same, and the queues of its tiers know that it has left them."""
    found = _gathered(flow)
    for request in found:
        if request.reserved:
            flow.reserved.remove(request)
            flow.home.reserved_waiting -= 1
        else:
            request.share.leave(now, request)
    return found


def _gathered(flow: Flow) -> list[Request]:
    lines: list[Line] = [flow.reserved, *flow.all_shares()]
    return sorted(
        (request for line in lines for request in line), key=lambda request: request.sequence
    )
