"""What is asked of a run: were conforming requests in time, was all served that was paid for?"""

from dataclasses import dataclass

from bench.contract.scenario import GROUP, OWNER, burndown, engine
from tierfleet.admission.core import Core
from tierfleet.admission.interface import Admission
from tierfleet.admission.order import Choice
from tierfleet.admission.types import Dispatch, EngineLimits
from tierfleet.plan import Plan
from tierfleet.simulator.contracts import conforming
from tierfleet.simulator.log import End
from tierfleet.simulator.report import measure
from tierfleet.simulator.service import Price
from tierfleet.simulator.simulation import MakeCore, Result, Setup, simulate
from tierfleet.simulator.trace import SECOND, TraceRequest

IN_TIME = SECOND // 10
_TAIL_SECONDS = 30
"""Requests of the last seconds may still run at the end: they are left out of what is paid for."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run.

    Attributes:
        wait_ok: part of the conforming requests that waited 100 ms at most.
        conforming: number of them.
        paid_served: part of what was offered and guaranteed that was served in full.
        served: service tokens a second, of all tenants.
    """

    wait_ok: float
    conforming: int
    paid_served: float
    served: float


class Labels:
    """Makes cores whose labels are noted: which requests conform by the core's own word."""

    def __init__(self) -> None:
        self.conforming: set[int] = set()
        self.starts: dict[int, int] = {}

    def __call__(self, plan: Plan, limits: EngineLimits, seed: int) -> Admission:
        """A core."""
        labels = self

        class Noted(Core):
            def _dispatch(self, now: int, choice: Choice) -> Dispatch:
                decision = super()._dispatch(now, choice)
                labels.starts[decision.id - 1] = now
                if decision.conforming:
                    labels.conforming.add(decision.id - 1)
                return decision

        return Noted(plan, limits, seed)


def run(plan: Plan, trace: list[TraceRequest], core: MakeCore) -> Result:
    """The trace through the plan; what is unfinished at its end is cut off."""
    return simulate(Setup(plan, engine(), GROUP, drain=False), trace, core)


def figures(result: Result, contract: Plan, labels: Labels | None = None) -> Figures:
    """The figures of a run.

    Args:
        result: of `run`.
        contract: the plan with the contract, whether or not the run had it.
        labels: of the run; without them (no contract, nothing labelled) conforming is what a meter
            of the contract's rate and burst beside the core calls so.
    """
    if labels is None:
        setup = result.setup
        (owed,) = conforming(result.trace, contract, setup.part, setup.start)
        judged = set(owed)
    else:
        judged = labels.conforming
    waits = [result.log.wait[position] for position in judged]
    cut = result.horizon - _TAIL_SECONDS * SECOND
    price = Price(burndown())
    asked = served = 0
    for position, request in enumerate(result.trace):
        if request.tenant == OWNER and request.arrival < cut:
            asked += price.of(request)
            if result.log.end[position] == End.COMPLETED:
                served += price.of(request)
    guaranteed = contract.reservations[0].granted * 10**6 * cut // SECOND
    return Figures(
        sum(0 <= wait <= IN_TIME for wait in waits) / max(1, len(waits)),
        len(waits),
        min(1.0, served / max(1, min(asked, guaranteed))),
        measure(result, contract).served,
    )
