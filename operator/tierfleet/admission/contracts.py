"""The reservations of the current plan: what each guarantees here, when, and to whom.

Terms and prepaid periods begin and end by the time of day. What a guarantee is owed survives every
plan, even one that leaves it out for a while.
"""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction

from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.periods import end_of
from tierfleet.plan import MICRO, Plan, Reclaim, Reservation, burst_window

_REMEMBERED = 1024
"""Guarantees that are gone, of which the oldest are forgotten."""


class Contracts:
    """The guarantees of one replica.

    Attributes:
        entitlements: in the plan's order.
        live: those of them that guarantee something now.
        tenants: the guarantees of each, in the plan's order.
    """

    def __init__(self) -> None:
        self.entitlements: list[Entitlement] = []
        self.live: list[Entitlement] = []
        self.tenants: dict[str, list[Entitlement]] = {}
        self._gone: dict[str, Entitlement] = {}

    def adopt(self, now: int, plan: Plan, share: Fraction) -> None:
        """Takes over the reservations of a new plan, and this replica's share of their rates."""
        self._plan, self._share = plan, share
        known = {e.plan.uid: e for e in self.entitlements if e.plan is not None}
        self.entitlements = []
        self.tenants = {}
        for index, reservation in enumerate(plan.reservations):
            entitlement = known.pop(reservation.uid, None) or self._made(now, index, reservation)
            entitlement.index = index
            self._guarantee(now, entitlement, reservation)
            self.entitlements.append(entitlement)
            for tenant in reservation.tenants:
                self.tenants.setdefault(tenant, []).append(entitlement)
        for uid, gone in known.items():
            gone.freeze(now)
            gone.live = False
            gone.flows = []
            self._gone[uid] = gone
        while len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]

    def _made(self, now: int, index: int, reservation: Reservation) -> Entitlement:
        entitlement = self._gone.pop(reservation.uid, None)
        if entitlement is not None:
            # What it owes and what is left of its prepaid balance outlive a plan without it.
            entitlement.thaw(now)
            return entitlement
        entitlement = Entitlement(now, index, reservation)
        self._guarantee(now, entitlement, reservation)
        entitlement.fill()
        return entitlement

    def _guarantee(self, now: int, entitlement: Entitlement, reservation: Reservation) -> None:
        before = entitlement.plan
        entitlement.plan = reservation
        entitlement.guarantee(
            now,
            reservation.granted,
            self._share,
            burst_window(reservation.burst_window_milliseconds, self._share),
            reservation.max_wait_milliseconds,
        )
        prepaid = reservation.declared.prepaid
        if prepaid is None:
            entitlement.balance = entitlement.period_end = None
            return
        known = before.declared.prepaid if before is not None else None
        full = int(prepaid.service_tokens * MICRO * self._share)
        if entitlement.balance is None or known is None or known.period != prepaid.period:
            # Filled when the period turns, which is at once.
            entitlement.balance, entitlement.period_end = 0, None
        else:
            # What was used stays used.
            entitlement.balance += full - entitlement.full
        entitlement.full = full

    def turn(self, wall: datetime) -> datetime | None:
        """What begins or ends now does so; when the next thing will, None if nothing."""
        edges = [edge for one in self.entitlements for edge in self._turn(one, wall)]
        self.live = [one for one in self.entitlements if one.live]
        return min((edge for edge in edges if edge > wall), default=None)

    def _turn(self, entitlement: Entitlement, wall: datetime) -> Iterator[datetime]:
        plan = entitlement.plan
        if plan is None:
            return
        if entitlement.balance is not None and plan.declared.prepaid is not None:
            prepaid = plan.declared.prepaid
            end = end_of(prepaid.period, wall)
            # Further ahead than the next period is a clock that was wrong.
            latest = end_of(prepaid.period, end)
            if entitlement.period_end is None or not wall < entitlement.period_end <= latest:
                # What was still running when it was used up is paid for out of the next one.
                entitlement.balance = entitlement.full + min(0, entitlement.balance)
                entitlement.period_end = end
            yield entitlement.period_end
        yield from (edge for edge in (plan.term.start, plan.term.end) if edge is not None)
        entitlement.live = (
            entitlement.guarantees
            and plan.term.holds_at(wall)
            and (entitlement.balance is None or entitlement.balance > 0)
        )
        entitlement.reclaims = entitlement.live and plan.lending.reclaim is Reclaim.ABORT

    def payer(self, tenant: str | None) -> Entitlement | None:
        """The guarantee that pays for a tenant now: the first in the plan that is in force."""
        if tenant is None:
            return None
        return next((one for one in self.tenants.get(tenant, ()) if one.live), None)

    def unlent(self, entitlement: Entitlement, seats: int, rate: int) -> int:
        """Seats of so many that the guarantee keeps for its own tenants, used or not.

        Args:
            entitlement: one of these.
            seats: of the engine.
            rate: of this replica, service tokens a second; 0 if it is not known.
        """
        plan = entitlement.plan
        if plan is None or not entitlement.live:
            return 0
        if not any(self.payer(tenant) is entitlement for tenant in plan.tenants):
            # Its tenants have another one that comes first: nobody would sit there.
            return 0
        percent = plan.lending.lendable_percent
        lendable = self._plan.lendable_percent if percent is None else percent
        if lendable == 100 or not rate:
            return 0
        # Rounded down, or several of them could keep every seat from everybody else.
        return int(plan.granted * self._share * seats * (100 - lendable) / (rate * 100))
