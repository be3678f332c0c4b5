"""Which requests a reservation owes a seat: by what they really cost, and by the core's label.

A request conforms while its reservation's balance allows it: with the rate r, the burst window
beta and the longest wait omega, its start tag is S = max(E, now - beta), it conforms if S is at
most omega / 2 ahead (the other half is for finding a seat), and then E = S + cost / r. (The
generic cell rate algorithm of ITU-T I.371 in its virtual-scheduling form, in service tokens.) That
is what a contract promises. The core has to label at arrival, from estimates; here the true cost is
known. Of a part of the rate beta is what replicas of that part save (`plan.burst_window`). It must
not know how the requests fared.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from tierfleet.plan import MICRO, Plan, burst_window
from tierfleet.simulator.log import Label
from tierfleet.simulator.service import Price
from tierfleet.simulator.trace import SECOND, TraceRequest

_MILLISECOND = 1_000_000


def conforming(
    trace: Sequence[TraceRequest], plan: Plan, part: Fraction, start: datetime
) -> list[list[int]]:
    """Positions of the requests that each reservation owes a seat, in the plan's order.

    Args:
        trace: all requests in order of arrival.
        plan: with the reservations; a tenant's request counts for the first that has room for it.
        part: of every fleet-wide rate that the simulated replicas serve.
        start: time of day at which the trace begins, with a zone.
    """
    owed: list[list[int]] = [[] for _ in plan.reservations]
    ends = [-SECOND * 10**6] * len(owed)
    in_force = _InForce(plan, start)
    price = Price(plan.burndown)
    saved = [
        burst_window(reservation.burst_window_milliseconds, part) * _MILLISECOND
        for reservation in plan.reservations
    ]
    for position, request in enumerate(trace):
        for number in in_force.of(request):
            reservation = plan.reservations[number]
            now = request.arrival
            tag = max(ends[number], now - saved[number])
            if tag <= now + reservation.max_wait_milliseconds * _MILLISECOND // 2:
                rate = reservation.granted * MICRO * part
                cost = price.of(request)
                ends[number] = tag + cost * SECOND * rate.denominator // rate.numerator
                owed[number].append(position)
                break
    return owed


def labelled(
    trace: Sequence[TraceRequest],
    plan: Plan,
    start: datetime,
    labels: Sequence[int],
    owed: Sequence[Sequence[int]],
) -> list[list[int]]:
    """Positions of the requests that the core took for each reservation's conforming ones.

    A request that left while it waited took its label with it: it is judged by its true cost, so
    that it is not lost.

    Args:
        trace: all requests in order of arrival.
        plan: with the reservations; a tenant's request counts for the first that is in force.
        start: time of day at which the trace begins, with a zone.
        labels: `Label` by position.
        owed: what `conforming` gave.
    """
    found: list[list[int]] = [[] for _ in plan.reservations]
    in_force = _InForce(plan, start)
    untold = [{p for p in positions if labels[p] == Label.UNTOLD} for positions in owed]
    for position, request in enumerate(trace):
        number = next(in_force.of(request), None)
        if number is not None and (
            labels[position] == Label.CONFORMING or position in untold[number]
        ):
            found[number].append(position)
    return found


class _InForce:
    """The reservations that hold for a request when it comes, in the plan's order."""

    def __init__(self, plan: Plan, start: datetime) -> None:
        self._plan = plan
        self._start = start
        self._of_tenant: dict[str | None, list[int]] = {}
        for number, reservation in enumerate(plan.reservations):
            for tenant in reservation.tenants if reservation.granted else ():
                self._of_tenant.setdefault(tenant, []).append(number)

    def of(self, request: TraceRequest) -> Iterator[int]:
        for number in self._of_tenant.get(request.tenant, ()):
            wall = self._start + timedelta(microseconds=request.arrival // 1000)
            if self._plan.reservations[number].term.holds_at(wall):
                yield number
