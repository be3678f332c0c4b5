"""What is asked of a run: were conforming requests in time, was all served that was paid for?"""

from dataclasses import dataclass

from bench.contract.scenario import GROUP, OWNER, burndown, engine
from tierfleet.plan import MICRO, Plan
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.contracts import conforming
from tierfleet.simulator.log import NEVER, End
from tierfleet.simulator.report import measure
from tierfleet.simulator.service import Price
from tierfleet.simulator.simulation import MakeCore, Result, Setup, simulate
from tierfleet.simulator.trace import SECOND, TraceRequest

IN_TIME = SECOND // 10
_SERVED = (End.COMPLETED, End.UNSERVED)
"""Of what got a seat: it was answered, or ran at the end."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run.

    Attributes:
        wait_ok: part of the conforming requests that waited 100 ms at most.
        conforming: number of them.
        paid_served: part of what was paid for that was served.
        served: service tokens a second, of all tenants.
    """

    wait_ok: float
    conforming: int
    paid_served: float
    served: float


def run(
    plan: Plan, trace: list[TraceRequest], core: MakeCore, seconds: float | None = None
) -> Result:
    """The trace through the plan; what is unfinished at its end, or then, is cut off."""
    horizon = None if seconds is None else int(seconds * SECOND)
    return simulate(Setup(plan, engine(), GROUP, drain=False, horizon=horizon), trace, core)


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

    Conforming is what the core called so at arrival; of a run in which it labelled nothing (no
    contract, first come first served) what a meter of the contract's rate and burst calls so.
    Paid for is what a server of just the guaranteed rate would have begun for the owner alone;
    served is what got a seat until then and kept it.

    Args:
        result: of `run`.
        contract: the plan with the contract, whether or not the run had it.
    """
    setup, log = result.setup, result.log
    (judged,) = conforming(result.trace, contract, setup.part, setup.start)
    if any(log.conforming):
        judged = [position for position, label in enumerate(log.conforming) if label]
    waits = [log.wait[position] for position in judged]
    rate = contract.reservations[0].granted * MICRO
    price = Price(burndown())
    asked = done = 0
    paid = rate * result.horizon // SECOND
    for position, request in enumerate(result.trace):
        if request.tenant == OWNER:
            # Service curve of a rate: the least of A(s) + r·(t - s), A what was asked for until s.
            paid = min(paid, asked + rate * (result.horizon - request.arrival) // SECOND)
            asked += price.of(request)
            if log.wait[position] != NEVER and log.end[position] in _SERVED:
                done += price.of(request)
    return Figures(
        sum(0 <= wait <= IN_TIME for wait in waits) / max(1, len(waits)),
        len(waits),
        min(1.0, done / max(1, min(asked, paid))),
        measure(result, contract).served,
    )
