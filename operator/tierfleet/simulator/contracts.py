"""Which requests a reservation owes a seat: judged beside the core, from what they really cost.

A request conforms while its reservation's balance allows it: with the rate r, the burst window
beta and the longest wait omega, its start tag is S = max(E, now - beta), it conforms if S is at
most omega / 2 ahead (the other half is for finding a seat), and then E = S + cost / r. (The
generic cell rate algorithm of ITU-T I.371 in its virtual-scheduling form, in service tokens.) The
core has to label at arrival, from estimates; here the true cost is known. It must not know how the
requests fared.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from tierfleet.plan import MICRO, Plan
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
    of_tenant: dict[str | None, list[int]] = {}
    for number, reservation in enumerate(plan.reservations):
        for tenant in reservation.tenants if reservation.granted else ():
            of_tenant.setdefault(tenant, []).append(number)
    price = Price(plan.burndown)
    for position, request in enumerate(trace):
        for number in of_tenant.get(request.tenant, ()):
            reservation = plan.reservations[number]
            now = request.arrival
            if not reservation.term.holds_at(start + timedelta(microseconds=now // 1000)):
                continue
            tag = max(ends[number], now - reservation.burst_window_milliseconds * _MILLISECOND)
            if tag <= now + reservation.max_wait_milliseconds * _MILLISECOND // 2:
                rate = reservation.granted * MICRO * part
                cost = price.of(request)
                ends[number] = tag + cost * SECOND * rate.denominator // rate.numerator
                owed[number].append(position)
                break
    return owed
