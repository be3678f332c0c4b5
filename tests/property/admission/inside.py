"""What tests see of the core beyond its decisions: nothing else in the tests knows how it is built.

Whoever changes the inside of the core changes this file, and no test. It has no rule of its own:
what has to hold of these numbers is said where they are looked at. Times are nanoseconds, amounts
micro service tokens.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from tierfleet.admission.core import Core
from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.limits import Bucket
from tierfleet.admission.requests import Request

# Requests


class Seen(NamedTuple):
    """One request that waits or runs.

    Attributes:
        line: where it waits or has waited: the same for those that go in order of arrival.
        first: it is next in its line.
        conforming: its line is that of the conforming requests.
        due: when its reservation owes it a seat; None if none does.
        reclaims: its tenant's reservation takes seats back.
        priority: of the tier that it is charged to.
        anytime: that tier's requests may be thrown out at any time.
        by_floor: that tier's floor pays for it.
        long: it counts against that tier's bound on long contexts.
        too_long: as many of those run as may.
        may_run: its tenant may have one more running.
        seats: that it takes.
        finds_kv: there is KV cache for it as ordinary work.
        sent: its caller has part of the answer.
    """

    line: tuple[int, bool]
    first: bool
    conforming: bool
    due: int | None
    reclaims: bool
    priority: int
    anytime: bool
    by_floor: bool
    long: bool
    too_long: bool
    may_run: bool
    seats: int
    finds_kv: bool
    sent: bool


def seen(core: Core, request: int) -> Seen:
    """The request with that id, which has not ended."""
    record = core._requests[request]
    flow, share, reserved = record.flow, record.share, record.reserved
    account, tier = flow.account, share.tier
    return Seen(
        line=(id(flow if reserved else share), reserved),
        first=record is (flow.reserved if reserved else share).first,
        conforming=reserved,
        due=account.tag if reserved and account is not None else None,
        reclaims=account is not None and account.reclaims,
        priority=tier.priority,
        anytime=tier.anytime,
        by_floor=record.floor is not None,
        long=tier.is_long(record.prompt),
        too_long=tier.is_too_long(record),
        may_run=flow.may_run(),
        seats=record.seats,
        finds_kv=core._seats.kv_to_share(record.kv),
        sent=record.sent,
    )


def is_known(core: Core, request: int) -> bool:
    """False when it has ended, or never was."""
    return request in core._requests


def charged(core: Core, request: int) -> int:
    """What whoever pays for it is charged with so far."""
    return core._requests[request].cost


def charged_tokens(core: Core, request: int) -> int:
    """Tokens that its tenant's limit is charged with so far."""
    return core._requests[request].tokens


def charged_to_reservations(core: Core) -> dict[int, tuple[str, int]]:
    """By request that a reservation pays for: its name, and what it is charged with so far."""
    return {
        record.id: (record.account.plan.name, record.cost)
        for record in core._requests.values()
        if record.account is not None and record.account.plan is not None
    }


# The engine


class Room(NamedTuple):
    """Seats of the engine.

    Attributes:
        total: of the engine.
        taken: by running requests.
        firm: of those, by what cannot be thrown out at any time.
        held: kept free of ordinary work for what is promised.
        kept: free, and not lent by their reservations.
    """

    total: int
    taken: int
    firm: int
    held: int
    kept: int


def room(core: Core) -> Room:
    """Its seats now."""
    seats = core._seats
    return Room(seats.total, seats.taken, seats.firm, seats.held, seats.kept)


def stalled(core: Core) -> bool:
    """True while the engine is taken for stalled."""
    return core._pulse.stalled


def on_their_way_back(core: Core) -> int:
    """Seats that the engine was told to let go of and still holds."""
    return core._reclaim.pending


def lends_held(core: Core) -> bool:
    """True if what can be thrown out at any time may sit in the seats that are held back."""
    return core._order.lends_held


class Finds(NamedTuple):
    """What there is for a request."""

    a_seat: bool
    kv: bool


def blocked(core: Core) -> Finds | None:
    """What the reservation finds that all others wait behind; None without such a one."""
    account, seats = core._order.blocked, core._seats
    if account is None or not core._waiting.number:
        # It is as of the last time that somebody waited.
        return None
    head = account.head()
    assert head is not None, "others wait behind a reservation for which nothing waits"
    return Finds(seats.seats_for(1, account), seats.kv_for(head.kv))


# Who waits and who is owed what


def waiting(core: Core) -> int:
    """Requests that wait."""
    return core._waiting.number


class Guarantee(NamedTuple):
    """What a reservation is owed, and what of it waits.

    Attributes:
        spare: what may still come and conform; negative when nothing does.
        waiting: requests of its tenants.
        backlog: what the conforming ones of them cost.
        in_flight: seats that its tenants hold.
    """

    spare: int
    waiting: int
    backlog: int
    in_flight: int


def guarantees(core: Core, now: int) -> dict[str, Guarantee]:
    """By reservation."""
    return {
        name: Guarantee(account.spare(now), account.waiting, account.backlog, account.in_flight)
        for name, account in _accounts(core).items()
    }


def _accounts(core: Core) -> dict[str, Entitlement]:
    accounts = core._roster.entitlements
    return {account.plan.name: account for account in accounts if account.plan is not None}


def tag(core: Core, reservation: str) -> int:
    """From when on the next conforming request of the reservation is owed a seat."""
    return _accounts(core)[reservation].tag


def balance(core: Core, now: int, reservation: str) -> Fraction:
    """What the reservation has earned and not used; negative: it is in debt."""
    account = _accounts(core)[reservation]
    account._earn(now)
    return Fraction(account._level, account._unit)


def owed(core: Core, now: int) -> bool:
    """True if a conforming request waits, may run and is owed a seat."""
    return any(
        account.live and account.tag <= now and account.conforming_head() is not None
        for account in core._roster.entitlements
    )


class Owed(NamedTuple):
    """The request that a reservation serves next, which is owed a seat.

    Attributes:
        reservation: its name.
        rank: the least is served first.
        conforming: it has that label.
        finds_seats: as many are free, or lent to it.
        finds_free_seats: as many are free, perhaps not lent to it.
        finds_kv: there is KV cache for it.
        passed: times that it was overtaken for want of that.
    """

    reservation: str
    rank: tuple[int, int]
    conforming: bool
    finds_seats: bool
    finds_free_seats: bool
    finds_kv: bool
    passed: int


def owed_heads(core: Core, now: int) -> list[Owed]:
    """Of all reservations that owe a seat to a request that may run."""
    seats = core._seats
    return [
        Owed(
            name,
            (account.due(conforming=head.reserved), account.index),
            head.reserved,
            seats.seats_for(head.seats, account),
            seats.taken + head.seats <= seats.total,
            seats.kv_for(head.kv),
            head.passed,
        )
        for name, account in _accounts(core).items()
        if account.live
        and (head := account.head()) is not None
        and account.due(conforming=head.reserved) <= now
    ]


def watch_choices(core: Core, look: Callable[[list[Owed], str | None], None]) -> None:
    """From now on tells who was owed a seat and which reservation got it, None for no reservation.

    At the moment of each choice: an event may lead to several.
    """
    order = core._order

    class Watched:
        def next(self, now: int) -> Request | None:
            owed = owed_heads(core, now)
            choice = order.next(now)
            if choice is not None:
                account = choice.account
                paid = account is not None and account.plan is not None
                look(owed, account.plan.name if paid else None)  # type: ignore[union-attr]
            return choice

        def __getattr__(self, name: str) -> Any:
            return getattr(order, name)

        def __setattr__(self, name: str, value: Any) -> None:
            setattr(order, name, value)

    core._order = Watched()  # type: ignore[assignment]


def found_too_late(core: Core) -> list[str]:
    """Reservations with a request that may run which the core looks for later than it is owed."""
    return [
        name
        for name, account in _accounts(core).items()
        if account.live
        and (head := account.head()) is not None
        and (account.place < 0 or account.rank > account.due(conforming=head.reserved))
    ]


class Place(NamedTuple):
    """A tenant's place in a tier.

    Attributes:
        v: service received, over its weight.
        base: where refunds end.
        waiting: requests in its line.
        backlog: what they cost.
    """

    v: int
    base: int
    waiting: int
    backlog: int


def places(core: Core) -> dict[tuple[str | None, str], Place]:
    """By tenant and tier."""
    return {
        (flow.tenant, share.tier.name): Place(share.v, share.base, len(list(share)), share.backlog)
        for flow in core._roster.flows.values()
        for share in flow.all_shares()
    }


def clocks(core: Core) -> dict[str, int]:
    """Virtual time by tier."""
    return {name: tier.band.clock for name, tier in core._roster.tiers.items()}


def limits(core: Core, now: int, tenant: str) -> tuple[Bucket | None, Bucket | None]:
    """Those for requests and for tokens of a tenant that the plan serves; None without one."""
    flow = core._roster.flow(now, tenant)
    assert flow is not None, f"the plan does not serve {tenant}"
    return flow.requests, flow.tokens


# All of it


def leftovers(core: Core) -> dict[str, int]:
    """By name what is not 0 of all that has to be when nothing waits or runs."""
    roster, seats = core._roster, core._seats
    counts = {
        "requests": len(core._requests),
        "waiting": core._waiting.number,
        "seats taken": seats.taken,
        "seats taken firmly": seats.firm,
        "KV cache": seats.kv,
        "seats on their way back": core._reclaim.pending,
        "answers that flow": core._pulse.flowing,
    }
    for name, tier in roster.tiers.items():
        counts |= {
            f"tier {name}: waiting": tier.waiting,
            f"tier {name}: refused": tier.refused,
            f"tier {name}: conforming": tier.reserved_waiting,
            f"tier {name}: in flight": tier.in_flight,
            f"tier {name}: long contexts": tier.long_running,
        }
    for name, account in _accounts(core).items():
        counts |= {
            f"reservation {name}: waiting": account.waiting,
            f"reservation {name}: backlog": account.backlog,
            f"reservation {name}: in flight": account.in_flight,
        }
    for flow in roster.flows.values():
        counts |= {
            f"tenant {flow.tenant}: in flight": flow.in_flight,
            f"tenant {flow.tenant}: seats": flow.seats,
            f"tenant {flow.tenant}: conforming": len(list(flow.reserved)),
        }
    for (tenant, name), place in places(core).items():
        counts |= {
            f"tenant {tenant} in {name}: waiting": place.waiting,
            f"tenant {tenant} in {name}: backlog": place.backlog,
        }
    return {name: count for name, count in counts.items() if count}


def numbers(core: Core) -> list[int]:
    """All that grows with what has been served."""
    found: list[int] = []
    for flow in core._roster.flows.values():
        found += [flow.drawn, flow.output_estimate]
        found += [number for share in flow.all_shares() for number in (share.v, share.backlog)]
    for account in core._roster.entitlements:
        found += [account._level, account.backlog, account.clock, account.tag]
    return found


# Disturbances


def meet(core: Core, now: int, tenant: str) -> None:
    """The tenant becomes known, as by its first request."""
    core._roster.flow(now, tenant)


def lose(core: Core, now: int, cost: int) -> None:
    """So much work has just been thrown away."""
    core._reclaim.losses.lose(now, cost)


def never_stall(core: Core) -> None:
    """From now on the engine is taken to get on, whatever it shows."""

    def gets_on(now: int) -> bool:
        return True

    core._gets_on = gets_on  # type: ignore[method-assign]
