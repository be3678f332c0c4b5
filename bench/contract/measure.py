"""What is asked of a run: were conforming requests in time, was all served that was paid for?"""

from dataclasses import dataclass

from bench.contract.scenario import GROUP, OWNER, burndown, engine
from tierfleet.plan import MICRO, Plan
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.log import NEVER, End
from tierfleet.simulator.report import measure
from tierfleet.simulator.service import Price
from tierfleet.simulator.simulation import MakeCore, Result, Setup, simulate
from tierfleet.simulator.trace import SECOND, TraceRequest

_SERVED = (End.COMPLETED, End.UNSERVED)
"""Of what got a seat: it was answered, or ran at the end."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run.

    Attributes:
        wait_ok: part of the conforming requests that got a seat within 100 ms, by the core's label.
        conforming: number of them.
        true_wait_ok: the same of those that conform by their true cost.
        true_conforming: number of them.
        paid_served: part of what was paid for that was served.
        served: service tokens a second, of all tenants.
    """

    wait_ok: float
    conforming: int
    true_wait_ok: float
    true_conforming: int
    paid_served: float
    served: float


def run(
    plan: Plan,
    trace: list[TraceRequest],
    core: MakeCore,
    seconds: float | None = None,
    *,
    drain: bool = False,
) -> Result:
    """The trace through the plan; measured is what comes until its end, or until then.

    What is unfinished then is cut off; with `drain` it goes on, so that nothing ends unlabelled.
    """
    horizon = None if seconds is None else int(seconds * SECOND)
    return simulate(Setup(plan, engine(), GROUP, drain=drain, horizon=horizon), trace, core)


def capacity_of(trace: list[TraceRequest], plan: Plan, seconds: range) -> int:
    """Service tokens that the engine does in a second, first come first served, in that time.

    The trace must keep it busy from beginning to end.
    """
    result = run(plan, trace, Fcfs, seconds.stop)
    return served(result, seconds) // len(seconds) // 10**6


def served(result: Result, seconds: range, tenant: str | None = None) -> int:
    """Micro service tokens of a tenant, or of everybody, in those seconds."""
    bins = result.service.bins
    tenants = bins if tenant is None else (tenant,)
    return sum(bins[one].get(second, 0) for one in tenants for second in seconds)


def figures(result: Result, contract: Plan) -> Figures:
    """The figures of a run.

    Conforming is what the core called so at arrival, shed or not; of a run in which it labelled
    nothing (no contract, first come first served) what conforms by its true cost. What still waits
    when a run is cut off has no label yet and is judged by its true cost too; it is missed if it
    has waited longer than the bound, and not counted if it has not.
    Paid for is what a server of just the guaranteed rate would have begun for the owner alone;
    served is what got a seat until then and kept it.

    Args:
        result: of `run`.
        contract: the plan with the contract, whether or not the run had it.
    """
    log = result.log
    report = measure(result, contract)
    (row,) = report.reservations
    judged = row.by_label or row.by_true_cost
    rate = contract.reservations[0].granted * MICRO
    price = Price(burndown())
    asked = done = 0
    paid = rate * result.horizon // SECOND
    for position, request in enumerate(result.trace):
        if request.tenant == OWNER:
            # Service curve of a rate: the least of A(s) + r·(t - s), A what was asked for until s.
            paid = min(paid, asked + rate * (result.horizon - request.arrival) // SECOND)
            asked += price.of(request)
            seated = log.wait[position] != NEVER and log.end[position] in _SERVED
            if seated and request.arrival + log.wait[position] <= result.horizon:
                done += price.of(request)
    return Figures(
        judged.attained,
        judged.conforming,
        row.by_true_cost.attained,
        row.by_true_cost.conforming,
        min(1.0, done / max(1, min(asked, paid))),
        report.served,
    )
