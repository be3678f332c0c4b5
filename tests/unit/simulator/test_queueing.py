"""The simulated queue against queueing theory: an engine with c seats is an M/M/c queue."""

import heapq
import math
from random import Random

import pytest

from tests.unit.simulator.worlds import SECOND, engine, plan, setup
from tierfleet.admission.core import Core
from tierfleet.simulator import TraceRequest, measure, simulate
from tierfleet.simulator.baselines import Fcfs, Vtc
from tierfleet.simulator.simulation import MakeCore

STEP = SECOND // 50
TOKENS = 50  # a second


def erlang_c(servers: int, load: float) -> float:
    """Probability of having to wait, `load` in Erlang (Gross and Harris, section 3.3)."""
    terms = [load**n / math.factorial(n) for n in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last)


def poisson(rate: float, count: int, seed: int) -> list[TraceRequest]:
    """Exponential gaps, and outputs that are as near to exponential as whole tokens can be."""
    random = Random(seed)
    at = 0.0
    requests = []
    for _ in range(count):
        at += random.expovariate(rate)
        output = math.ceil(math.log(1 - random.random()) / math.log(1 - 1 / TOKENS))
        requests.append(TraceRequest(int(at * SECOND), "hobby", 1, max(1, output)))
    return requests


def exact(trace: list[TraceRequest], servers: int) -> list[int]:
    """Waits of the same requests at servers that do not work in steps (Kiefer and Wolfowitz)."""
    free = [0] * servers
    waits = []
    for request in trace:
        begin = max(heapq.heappop(free), request.arrival)
        waits.append(begin - request.arrival)
        heapq.heappush(free, begin + request.output_tokens * STEP)
    return waits


def test_waits_at_one_seat_are_exact() -> None:
    trace = poisson(0.7, 1000, seed=1)
    result = simulate(setup(engine=engine(seats=1, step=STEP)), trace, Fcfs)
    assert list(result.log.wait) == exact(trace, 1)
    assert max(result.log.wait) > 5 * SECOND


@pytest.mark.parametrize("make_core", [Fcfs, Vtc, Core])
def test_with_more_seats_each_waits_for_the_step_under_way_as_well(make_core: MakeCore) -> None:
    trace = poisson(3, 2000, seed=1)
    # Without a promise: for one, seats would be held back.
    result = simulate(
        setup(plan=plan(reservations=[]), engine=engine(seats=4, step=STEP)), trace, make_core
    )
    expected = exact(trace, 4)
    assert sum(expected) <= sum(result.log.wait) <= sum(expected) + len(trace) * STEP


def test_the_mean_wait_is_that_of_erlang_within_a_tenth() -> None:
    trace = poisson(2.4, 20_000, seed=3)
    result = simulate(setup(engine=engine(seats=4, step=STEP)), trace, Fcfs)
    report = measure(result)
    wait = report.tiers[1].wait.mean
    assert wait == pytest.approx(1000 * erlang_c(4, 2.4) / (4 - 2.4), rel=0.1)
    assert sum(w > 0 for w in result.log.wait) / len(trace) == pytest.approx(
        erlang_c(4, 2.4), rel=0.05
    )
    assert report.utilisation.seats == pytest.approx(2.4 / 4, rel=0.02)
