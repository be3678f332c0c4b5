"""From what became of every request to the figures of a report. It must not know how it is shown.

Waits are of requests that got a seat, times to the first token of those that got one: what was
shed is counted, not averaged away as zero.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import ceil

from tierfleet.plan import MICRO, Plan
from tierfleet.simulator.contracts import conforming, labelled
from tierfleet.simulator.figures import (
    Attainment,
    Report,
    ReservationRow,
    Row,
    Spread,
    Utilisation,
)
from tierfleet.simulator.kept import objectives, paid_served
from tierfleet.simulator.log import NEVER, REASONS, End, Label
from tierfleet.simulator.service import Price
from tierfleet.simulator.simulation import Result
from tierfleet.simulator.trace import SECOND, TraceRequest, tenants_of

_MILLISECOND = 1_000_000
NO_TIER = "-"
"""Of callers that the plan does not know."""
_POINTS = 240
"""Most points of a curve over time."""


def measure(result: Result, contract: Plan | None = None) -> Report:
    """The figures of a run.

    Args:
        result: of `simulate`.
        contract: a plan whose reservations are judged instead of those of the run's own plan:
            what would have been owed to them.
    """
    return _Reporter(result, contract or result.setup.plan).report()


class _Reporter:
    def __init__(self, result: Result, contract: Plan) -> None:
        self._result = result
        self._log = result.log
        self._contract = contract
        self._seconds = result.horizon / SECOND
        self._price = Price(contract.burndown)
        self._of: dict[str | None, list[int]] = {t: [] for t in tenants_of(result.trace)}
        for position, request in enumerate(result.trace):
            self._of[request.tenant].append(position)
        self._served = result.service.total(self._of)

    def report(self) -> Report:
        setup = self._result.setup
        groups = _by_tier(setup.plan, self._of)
        tiers = tuple(self._row(name, name, tenants) for name, tenants in groups.items())
        step = max(1, ceil(self._seconds / _POINTS))
        return Report(
            seconds=self._seconds,
            finished=max(self._log.ended, default=0) / SECOND,
            replicas=setup.replicas,
            seats=setup.seats,
            requests=len(self._result.trace),
            served=self._per_second(self._served),
            utilisation=self._utilisation(),
            tiers=tiers,
            tenants=tuple(
                self._row(tenant or "(anonymous)", name, [tenant])
                for name, tenants in groups.items()
                for tenant in tenants
            ),
            reservations=self._reservations(),
            objectives=tuple(
                chain.from_iterable(
                    objectives(self._result, row, self._positions(groups[row.name]), self._price)
                    for row in tiers
                    if row.requests
                )
            ),
            timeline_seconds=step,
            timeline={name: self._timeline(tenants, step) for name, tenants in groups.items()},
            waits={name: self._curve(tenants) for name, tenants in groups.items()},
        )

    def _row(self, name: str, tier: str, tenants: Sequence[str | None]) -> Row:
        log = self._log
        positions = self._positions(tenants)
        ends = [0] * len(End)
        shed: dict[str, int] = {}
        for position in positions:
            ends[log.end[position]] += 1
            if log.end[position] == End.SHED:
                reason = REASONS[log.reason[position]].value
                shed[reason] = shed.get(reason, 0) + 1
        served = self._result.service.total(tenants)
        return Row(
            name=name,
            tier=tier,
            requests=len(positions),
            completed=ends[End.COMPLETED],
            shed=dict(sorted(shed.items())),
            evicted=ends[End.EVICTED],
            hung_up=ends[End.HUNG_UP],
            refused=ends[End.REFUSED],
            unserved=ends[End.UNSERVED],
            requeued=sum(map(log.aborts.__getitem__, positions)) - ends[End.EVICTED],
            reserved=sum(map(log.reserved.__getitem__, positions)),
            wait=_spread(map(log.wait.__getitem__, positions)),
            ttft=_spread(map(log.ttft.__getitem__, positions)),
            offered=self._offered(tenants),
            served=self._per_second(served),
            share=served / self._served if self._served else 0.0,
            output_tokens=sum(map(log.output.__getitem__, positions)),
        )

    def _reservations(self) -> tuple[ReservationRow, ...]:
        setup, plan = self._result.setup, self._contract
        part = plan.share(setup.group) * setup.replicas
        trace, labels = self._result.trace, self._log.label
        owed = conforming(trace, plan, part, setup.start)
        taken = labelled(trace, plan, setup.start, labels, owed)
        rows = []
        for reservation, by_true_cost, by_label in zip(plan.reservations, owed, taken, strict=True):
            limit = reservation.max_wait_milliseconds * _MILLISECOND
            guaranteed = float(reservation.granted * part)
            offered = self._offered(reservation.tenants)
            served = self._per_second(self._result.service.total(reservation.tenants))
            paid = paid_served(
                self._result,
                self._positions(reservation.tenants),
                self._price,
                reservation.granted * part,
            )
            rows.append(
                ReservationRow(
                    name=reservation.name,
                    guaranteed=guaranteed,
                    offered=offered,
                    served=served,
                    paid_served=paid,
                    max_wait=float(reservation.max_wait_milliseconds),
                    by_true_cost=self._attainment(by_true_cost, limit),
                    by_label=self._attainment(by_label, limit)
                    if Label.CONFORMING in labels
                    else None,
                )
            )
        return tuple(rows)

    def _attainment(self, positions: Iterable[int], limit: int) -> Attainment:
        waits = [self._log.wait[p] for p in positions if not self._left_in_time(p, limit)]
        in_time = sum(NEVER < wait <= limit for wait in waits)
        return Attainment(
            conforming=len(waits),
            in_time=in_time,
            attained=in_time / len(waits) if waits else 1.0,
            wait=_spread(waits),
        )

    def _left_in_time(self, position: int, limit: int) -> bool:
        """Whether it left without a seat while the promise could still be kept."""
        log = self._log
        return (
            log.end[position] in (End.HUNG_UP, End.UNSERVED)
            and log.wait[position] == NEVER
            and log.ended[position] - self._result.trace[position].arrival <= limit
        )

    def _utilisation(self) -> Utilisation:
        usage, setup = self._result.usage, self._result.setup
        # One a second; after its last request a replica is not looked at, and idle.
        seconds = len(usage) * self._result.horizon // SECOND
        samples = max(sum(u.samples for u in usage), seconds)
        return Utilisation(
            seats=sum(u.seats for u in usage) / samples / setup.seats,
            kv=sum(u.kv_permille for u in usage) / samples / 1000,
            busy=sum(u.busy for u in usage) / self._result.horizon / len(usage),
            computed_tokens=sum(u.tokens for u in usage),
            steps=sum(u.steps for u in usage),
            preemptions=sum(u.preemptions for u in usage),
        )

    def _timeline(self, tenants: Sequence[str | None], step: int) -> list[float]:
        amounts = [0] * ceil(self._seconds / step)
        for tenant in tenants:
            for number, amount in self._result.service.bins.get(tenant, {}).items():
                if number // step < len(amounts):
                    amounts[number // step] += amount
        return [amount / MICRO / step for amount in amounts]

    def _curve(self, tenants: Sequence[str | None]) -> list[float]:
        waits = sorted(
            self._log.wait[p] for p in self._positions(tenants) if self._log.wait[p] >= 0
        )
        return [_percentile(waits, percent) for percent in range(101)] if waits else []

    def _positions(self, tenants: Iterable[str | None]) -> list[int]:
        return [position for tenant in tenants for position in self._of.get(tenant, ())]

    def _offered(self, tenants: Iterable[str | None]) -> float:
        trace: Sequence[TraceRequest] = self._result.trace
        return self._per_second(
            sum(
                self._price.of(trace[position])
                for position in self._positions(tenants)
                if trace[position].arrival <= self._result.horizon
            )
        )

    def _per_second(self, micro_tokens: int) -> float:
        return micro_tokens / MICRO / self._seconds


def _by_tier(plan: Plan, tenants: Iterable[str | None]) -> dict[str, list[str | None]]:
    """The plan's tiers in its order, and who of the trace is in them."""
    tier_of: dict[str | None, str] = {tenant.name: tenant.tier for tenant in plan.tenants}
    if plan.identification.anonymous.tier is not None:
        tier_of[None] = plan.identification.anonymous.tier
    groups: dict[str, list[str | None]] = {tier.name: [] for tier in plan.tiers}
    for tenant in sorted(tenants, key=lambda name: name or ""):
        groups.setdefault(tier_of.get(tenant, NO_TIER), []).append(tenant)
    return groups


def _spread(nanoseconds: Iterable[int]) -> Spread:
    values = sorted(value for value in nanoseconds if value != NEVER)
    if not values:
        return Spread(0)
    return Spread(
        count=len(values),
        mean=sum(values) / len(values) / _MILLISECOND,
        p50=_percentile(values, 50),
        p90=_percentile(values, 90),
        p99=_percentile(values, 99),
        max=values[-1] / _MILLISECOND,
    )


def _percentile(values: Sequence[int], percent: int) -> float:
    """By the nearest rank, of sorted nanoseconds, in milliseconds."""
    return values[max(0, -(-percent * len(values) // 100) - 1)] / _MILLISECOND
