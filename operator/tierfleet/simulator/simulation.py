"""A trace through one replica or several: what is called from code.

    result = simulate(Setup(plan, engine_config, group="h100"), trace, Core)
    print(measure(result).tiers[0].wait)

Several replicas get the requests in turn, as a Service without affinity spreads connections; they
share nothing else, so they are run one after the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

from tierfleet.admission.interface import Admission
from tierfleet.admission.types import EngineLimits
from tierfleet.engine.config import EngineConfig
from tierfleet.engine.model import Engine
from tierfleet.plan import Plan
from tierfleet.simulator.log import Log
from tierfleet.simulator.pace import Pace, Usage
from tierfleet.simulator.replica import Replica
from tierfleet.simulator.service import Price, Service
from tierfleet.simulator.trace import SECOND, TraceRequest

MakeCore = Callable[[Plan, EngineLimits, int], Admission]
"""Makes a core from the plan, the limits of its engine and a seed."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a trace is run through.

    Attributes:
        plan: in force from beginning to end.
        engine: of each replica; its seats are the smaller of its own and the group's.
        group: the plan's group that the replicas are of.
        replicas: that share the trace; each serves its share of the plan's rates.
        seed: of the cores, plus the number of the replica.
        start: time of day at which the trace begins, with a zone; terms go by it.
        horizon: nanoseconds that are measured; None: until the last arrival, at least 1 s.
        drain: whether what waits or runs at the horizon is still served.
        progress: nanoseconds between two reports of tokens to the core.
    """

    plan: Plan
    engine: EngineConfig
    group: str
    replicas: int = 1
    seed: int = 0
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    horizon: int | None = None
    drain: bool = True
    progress: int = SECOND // 5

    @property
    def seats(self) -> int:
        """Of one replica."""
        return min(self.engine.max_num_seqs, self.plan.group(self.group).max_sequences)

    @property
    def part(self) -> Fraction:
        """Of every fleet-wide rate that the simulated replicas serve together."""
        return self.plan.share(self.group) * self.replicas


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run, request by request; `measure` makes figures of it.

    Attributes:
        setup: as it was run.
        trace: as it was run; row n of `log` is its request n.
        log: what became of each request.
        service: what was served to whom, second by second.
        usage: of each replica's engine.
        horizon: nanoseconds that are measured.
    """

    setup: Setup
    trace: Sequence[TraceRequest]
    log: Log
    service: Service = field(default_factory=lambda: Service(SECOND))
    usage: list[Usage] = field(default_factory=list)
    horizon: int = 0


def simulate(
    setup: Setup,
    trace: Sequence[TraceRequest],
    make_core: MakeCore,
    watch: Callable[[], None] = lambda: None,
) -> Result:
    """Run a trace, which must be in order of arrival.

    Args:
        setup: what it is run through.
        trace: every request of it ends exactly once in the result.
        make_core: called once per replica.
        watch: called at the end of each request, once for each of the trace.

    Raises:
        tierfleet.plan.PlanError: the plan has no such group.
    """
    horizon = setup.horizon
    if horizon is None:
        horizon = max(trace[-1].arrival, SECOND) if trace else SECOND
    result = Result(setup, trace, Log(len(trace)), horizon=horizon)
    kv_tokens = setup.engine.num_blocks * setup.engine.block_size
    limits = EngineLimits(setup.group, setup.seats, kv_tokens)
    pace = Pace(setup.start, horizon, setup.drain, setup.progress)
    for number in range(setup.replicas):
        replica = Replica(
            make_core(setup.plan, limits, setup.seed + number),
            Engine(setup.engine),
            trace=trace,
            positions=range(number, len(trace), setup.replicas),
            price=Price(setup.plan.burndown),
            pace=pace,
            log=result.log,
            watch=watch,
        )
        replica.run()
        result.service.merge(replica.service)
        result.usage.append(replica.usage)
    return result
