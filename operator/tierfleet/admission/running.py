"""What runs in the engine: who holds which seats, and who pays for them."""

from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.holdback import HoldBack
from tierfleet.admission.order import Order
from tierfleet.admission.pulse import Pulse
from tierfleet.admission.requests import RUNNING, Request
from tierfleet.admission.seats import Seats


class Running:
    """Takes and frees seats, and keeps every count that depends on it."""

    __slots__ = ("_hold", "_order", "_pulse", "_seats")

    def __init__(self, seats: Seats, order: Order, hold: HoldBack, pulse: Pulse) -> None:
        self._seats = seats
        self._order = order
        self._hold = hold
        self._pulse = pulse

    def start(self, now: int, record: Request) -> None:
        """The request, which waits no longer, takes its seats and is charged its estimate."""
        flow = record.flow
        tier = record.share.tier
        seats = self._seats
        if not seats.taken:
            self._pulse.beat(now)
        record.state = RUNNING
        seats.taken += record.seats
        seats.kv += record.kv
        flow.in_flight += 1
        flow.seats += record.seats
        tier.in_flight += 1
        if record.account is not None:
            self._charge_account(now, record, record.account)
        else:
            self._charge_share(now, record)
        if record.firm:
            seats.firm += record.seats
        if record.account is None and tier.is_long(record.prompt):
            record.long = True
            tier.long_running += 1
        account = flow.account
        if account is not None:
            record.purse = account if account.balance is not None else None
            self._holds(account, record.seats)

    def _charge_account(self, now: int, record: Request, account: Entitlement) -> None:
        flow = record.flow
        account.clock = max(account.clock, flow.drawn)
        account.pay(now, record.cost, conforming=record.reserved)
        flow.drawn += record.cost
        self._hold.reserved += record.seats
        self._hold.running += record.seats
        record.firm = True
        for other in self._order.passed:
            other.passed += 1

    def _charge_share(self, now: int, record: Request) -> None:
        share = record.share
        tier = share.tier
        self._hold.shared += record.seats
        if record.conforming and share.first is None:
            # Borrowed: it did not wait in its share, which may be one of the past.
            share.come_back()
        band = tier.band
        band.clock = max(band.clock, share.v)
        record.weight = share.weight
        record.weighed = record.cost // share.weight
        share.v += record.weighed
        if record.floor is not None:
            record.floor.pay(now, record.cost)
        record.firm = not tier.anytime
        if tier.preemptible:
            tier.running.append(record)
            if len(tier.running) > 2 * tier.in_flight + 16:
                tier.running = [one for one in tier.running if one.state == RUNNING]

    def release(self, record: Request) -> None:
        """Its seats and its KV cache are free."""
        flow, tier, seats = record.flow, record.share.tier, self._seats
        seats.taken -= record.seats
        seats.kv -= record.kv
        if record.firm:
            seats.firm -= record.seats
        if record.sent:
            self._pulse.flowing -= 1
        self._hold.ended += record.seats
        if record.account is not None:
            self._hold.running -= record.seats
        flow.in_flight -= 1
        flow.seats -= record.seats
        tier.in_flight -= 1
        if record.long:
            record.long = False
            tier.long_running -= 1
            tier.offer_parked()
        if flow.account is not None:
            self._holds(flow.account, -record.seats)
        if record.account is not None and record.account is not flow.account:
            # Its tenant has another one since a new plan; what was given back was this one's.
            self._order.offer(record.account)
        if flow.max_in_flight == flow.in_flight + 1:
            # It was passed over until now.
            for share in flow.all_shares():
                if share.first is not None and share.place < 0:
                    share.tier.offer(share)

    def _holds(self, account: Entitlement, seats: int) -> None:
        """The guarantee's tenants hold so many seats more."""
        account.in_flight += seats
        if account.unlent:
            self.keep(account)
        self._order.offer(account)

    def keep(self, account: Entitlement) -> None:
        """Seats that are not lent: those of its own that its tenants do not use."""
        keep = max(0, account.unlent - account.in_flight)
        self._seats.kept += keep - account.keep
        account.keep = keep
