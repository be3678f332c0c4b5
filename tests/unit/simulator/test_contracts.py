"""Which requests a reservation owes a seat, as a whole and where they come to."""

import random
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

import pytest

from tierfleet.plan import Plan, parse
from tierfleet.simulator.contracts import conforming
from tierfleet.simulator.trace import SECOND, TraceRequest

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
RATE: Final = 300
"""Service tokens a second of the contract, for each replica."""
COST: Final = 100
LOAD: Final = 0.85
REQUESTS: Final = 20_000


def plan(replicas: int, burst: int) -> Plan:
    return parse(
        {
            "pool": {"name": "llama"},
            "model": {"name": "llama"},
            "burndown": {"input": "1", "output": "0"},
            "tiers": [{"name": "gold", "priority": 1}],
            "groups": [
                {
                    "name": "h100",
                    "accelerator": "h100",
                    "desired": replicas,
                    "serviceTokensPerSecond": 1000,
                }
            ],
            "tenants": [{"name": "acme", "tier": "gold"}],
            "reservations": [
                {
                    "uid": "contract",
                    "name": "contract",
                    "tenants": ["acme"],
                    "declared": {"percent": 30},
                    "granted": RATE * replicas,
                    "burstWindowMilliseconds": burst,
                }
            ],
        }
    )


def spread(replicas: int) -> tuple[list[TraceRequest], list[list[TraceRequest]]]:
    """Requests that come by chance, all of them and those of each replica, chosen by chance."""
    chance = random.Random(1)
    now, whole = 0.0, []
    each: list[list[TraceRequest]] = [[] for _ in range(replicas)]
    for _ in range(REQUESTS):
        now += chance.expovariate(LOAD * RATE * replicas / COST)
        request = TraceRequest(int(now * SECOND), "acme", COST, 1)
        whole.append(request)
        each[chance.randrange(replicas)].append(request)
    return whole, each


@pytest.mark.parametrize(("replicas", "expected"), [(2, 0.89), (4, 0.92), (16, 0.98)])
def test_where_requests_come_to_more_of_them_conform_than_of_one_replica_alone(
    replicas: int, expected: float
) -> None:
    """Of a contract of one replica just as many would without the root (`plan.burst_window`)."""
    contract = plan(replicas, 500)
    whole, each = spread(replicas)
    there = sum(len(conforming(one, contract, Fraction(1, replicas), START)[0]) for one in each)
    alone = len(conforming(spread(1)[0], plan(1, 500), Fraction(1), START)[0])
    together = len(conforming(whole, contract, Fraction(1), START)[0])
    assert alone / REQUESTS == pytest.approx(0.85, abs=0.01)
    assert there / REQUESTS == pytest.approx(expected, abs=0.01)
    assert there < together
    # Each with its share of the burst and not the root of it: what the plan of one says.
    shares = plan(1, 500)
    shared = sum(len(conforming(one, shares, Fraction(1), START)[0]) for one in each)
    assert shared / REQUESTS == pytest.approx(0.85, abs=0.01)


def test_one_that_serves_all_has_the_burst_as_it_is_written() -> None:
    requests = [TraceRequest(number, "acme", COST, 1) for number in range(6)]
    (owed,) = conforming(requests, plan(1, 1000), Fraction(1), START)
    assert owed == [0, 1, 2, 3]
