"""Who is served under the current plan: tenants, their flows and limits, their reservations.

A new plan changes it in one step. What a tenant has used of its limits and what a reservation is
owed survive; nothing that waits or runs is lost.
"""

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from math import ceil

from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.flows import Flow
from tierfleet.admission.limits import Bucket
from tierfleet.plan import Plan, Tier


class Roster:
    """Flows and entitlements of one replica.

    Attributes:
        plan: the current one.
        share: this replica's part of every fleet-wide rate.
        flows: of the callers that have sent something; None is the anonymous one.
        entitlements: by reservation uid, in the plan's order.
    """

    def __init__(self, now: int, plan: Plan, share: Fraction) -> None:
        self.flows: dict[str | None, Flow] = {}
        self.entitlements: dict[str, Entitlement] = {}
        self.adopt(now, plan, share)

    def adopt(self, now: int, plan: Plan, share: Fraction) -> None:
        """Goes over to a new plan."""
        self.plan, self.share = plan, share
        self._tenants = {tenant.name: tenant for tenant in plan.tenants}
        for name, flow in list(self.flows.items()):
            tier = self.tier_of(name)
            if tier is None and not flow.queued and not flow.in_flight:
                del self.flows[name]
            else:
                self._set_tier(now, flow, tier or self._tier_left_behind(flow))
        self._adopt_reservations(now)

    def _adopt_reservations(self, now: int) -> None:
        known, self.entitlements = self.entitlements, {}
        self._reserved: dict[str, list[Entitlement]] = {}
        for reservation in self.plan.reservations:
            entitlement = known.get(reservation.uid)
            if entitlement is None:
                entitlement = Entitlement(now, reservation, self.share)
            else:
                entitlement.change(now, reservation, self.share)
            flows = [self.flows[name] for name in reservation.tenants if name in self.flows]
            entitlement.waiting = sum(flow.queued for flow in flows)
            entitlement.backlog = sum(flow.backlog for flow in flows)
            self.entitlements[reservation.uid] = entitlement
            for tenant in reservation.tenants:
                self._reserved.setdefault(tenant, []).append(entitlement)

    def knows(self, tenant: str | None) -> bool:
        """True if the plan names the tenant, with or without access to this pool."""
        return tenant in self._tenants

    def tier_of(self, tenant: str | None) -> Tier | None:
        """The tier of a caller; None if the plan does not serve it."""
        if tenant is None:
            anonymous = self.plan.identification.anonymous.tier
            return self.plan.tier(anonymous) if anonymous is not None else None
        known = self._tenants.get(tenant)
        return self.plan.tier(known.tier) if known and known.access else None

    def flow(self, now: int, tenant: str | None) -> Flow | None:
        """The caller's flow, made when it first sends; None if the plan does not serve it."""
        flow = self.peek(now, tenant)
        if flow is not None:
            self.flows[tenant] = flow
        return flow

    def peek(self, now: int, tenant: str | None) -> Flow | None:
        """The caller's flow, or one as it would be made; changes nothing."""
        tier = self.tier_of(tenant)
        if tier is None:
            return None
        if tenant in self.flows:
            return self.flows[tenant]
        flow = Flow(tenant, tier)
        self._set_tier(now, flow, tier)
        return flow

    def reservations_of(self, tenant: str | None) -> Iterable[Entitlement]:
        """All reservations that name the tenant, whatever their terms."""
        return self._reserved.get(tenant, ()) if tenant is not None else ()

    def active(self, tenant: str | None, wall: datetime) -> Entitlement | None:
        """The tenant's reservation whose term holds."""
        for entitlement in self.reservations_of(tenant):
            if entitlement.plan.term.holds_at(wall):
                return entitlement
        return None

    def part(self, fleet_wide: int) -> int:
        """This replica's part of a count, rounded up: a part of one must not become none."""
        return ceil(fleet_wide * self.share)

    def _tier_left_behind(self, flow: Flow) -> Tier:
        """A tenant that is gone from the plan keeps its place for what it still has here."""
        for tier in self.plan.tiers:
            if tier.name == flow.tier.name:
                return tier
        return self.plan.tiers[-1]

    def _set_tier(self, now: int, flow: Flow, tier: Tier) -> None:
        flow.tier = tier
        limits = tier.limits
        flow.requests = self._bucket(now, flow.requests, limits.requests_per_minute)
        flow.tokens = self._bucket(now, flow.tokens, limits.tokens_per_minute)
        concurrent = limits.max_concurrent_requests
        flow.max_in_flight = None if concurrent is None else self.part(concurrent)

    def _bucket(self, now: int, bucket: Bucket | None, limit: int | None) -> Bucket | None:
        if limit is None:
            return None
        if bucket is None:
            return Bucket(now, limit, self.share)
        bucket.change(now, limit, self.share)
        return bucket
