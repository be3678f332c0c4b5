"""The contract under floods from three sides: kept, and by the reservation, not by the tier."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.contract.measure import Figures, capacity_of, figures, run, served
from bench.contract.scenario import (
    HOBBY,
    OWNER,
    PERCENT,
    TIMES,
    From,
    flood_rates,
    mean_cost,
    offered,
    plan,
    trace,
)
from tierfleet.admission.core import Core
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.trace import TraceRequest

WAIT_OK, PAID, THROUGHPUT = 0.999, 0.99, 0.97


@dataclass(frozen=True, slots=True)
class Flood:
    """One side: first come first served, the core without the contract, and with it."""

    side: From
    first_come: Figures
    without: Figures
    contract: Figures

    @property
    def throughput(self) -> float:
        """Over that of first come, first served."""
        return self.contract.served / self.first_come.served

    @property
    def kept(self) -> bool:
        """Whether the contract was, at no cost to the throughput."""
        kept = self.contract
        in_time = kept.wait_ok >= WAIT_OK and kept.paid_served >= PAID
        return in_time and self.throughput >= THROUGHPUT

    @property
    def needed(self) -> bool:
        """Whether both promises were missed without it; from below the tier may suffice."""
        bare = self.without
        missed = bare.wait_ok < WAIT_OK and bare.paid_served < PAID
        return missed or self.side is From.LOWER


@dataclass(frozen=True, slots=True)
class Load:
    """What the engine does in a second, and what it is asked for.

    Attributes:
        capacity: service tokens.
        mean: service tokens of the mean request.
        seconds: length.
    """

    capacity: int
    mean: float
    seconds: float

    @classmethod
    def probed(cls, seconds: float) -> "Load":
        """Of the requests of the floods."""
        full = trace(90, flood_rates(300))
        capacity = capacity_of(full, plan(1000, From.LOWER, reserved=False), range(30, 90))
        return cls(capacity, mean_cost(), seconds)

    def flooded(self) -> list[TraceRequest]:
        """The owner's bursts, which come to its rate on average, and the flood."""
        wanted = self.capacity * PERCENT / 100
        rate = wanted / self.mean
        for _ in range(4):
            own = trace(self.seconds, {OWNER: rate})
            rate *= wanted / offered(own, OWNER, self.seconds)
        return trace(self.seconds, {OWNER: rate, **self._flood})

    @property
    def _flood(self) -> dict[str, float]:
        return flood_rates(TIMES * self.capacity / self.mean)

    def idle(self) -> float:
        """Throughput with a contract that nobody uses, over that without one."""
        requests = trace(self.seconds, self._flood)
        contract = plan(self.capacity, From.LOWER)
        without = plan(self.capacity, From.LOWER, reserved=False)
        with_it = figures(run(contract, requests, Core), contract).served
        return with_it / figures(run(without, requests, Core), contract).served

    def floor(self, percent: int) -> tuple[float, float]:
        """A floor of retail under a flood of enterprise.

        Returns:
            What retail was served over what the floor promises (percent of the rate in the plan),
            and over all that was served (the engine may do more than the plan says).
        """
        requests = trace(self.seconds, {HOBBY: self.capacity / self.mean, **self._flood})
        kept = plan(self.capacity, From.SAME, reserved=False, floor=percent)
        result = run(kept, requests, Core)
        steady = range(60, int(self.seconds))
        own = served(result, steady, HOBBY)
        promised = self.capacity * percent // 100 * 10**6 * len(steady)
        return own / promised, own / served(result, steady)


def floods(
    capacity: int,
    trace: list[TraceRequest],
    done: Callable[[str], None],
    *,
    queue_seconds: int = 60,
) -> list[Flood]:
    """The same trace, with those who flood in each tier in turn.

    Args:
        capacity: service tokens that the engine does of it in a second.
        trace: of the owner and those who flood.
        done: told of each run.
        queue_seconds: that a request waits at most.
    """
    contract = plan(capacity, From.LOWER)
    first_come = figures(run(contract, trace, Fcfs), contract)
    done("first come, first served")
    found = []
    for side in From:
        contract = plan(capacity, side, queue_seconds=queue_seconds)
        bare = plan(capacity, side, reserved=False, queue_seconds=queue_seconds)
        without = figures(run(bare, trace, Core), contract)
        done(f"flood from {side}, without a contract")
        kept = figures(run(contract, trace, Core, drain=True), contract)
        done(f"flood from {side}, with it")
        found.append(Flood(side, first_come, without, kept))
    return found
