"""The benchmark of the contract measures what it says."""

import pytest

from bench.contract.measure import Labels, figures, run
from bench.contract.scenario import OWNER, From, flood_rates, offered, plan, trace
from tierfleet.simulator.baselines import Fcfs

CAPACITY = 35_000


def test_without_anybody_else_all_is_served_in_time() -> None:
    requests = trace(60, {OWNER: 2.0})
    contract, labels = plan(CAPACITY, From.LOWER), Labels()
    found = figures(run(contract, requests, labels), contract, labels)
    assert (found.wait_ok, found.paid_served) == (1.0, 1.0)
    assert 0 < found.conforming <= len(requests)


def test_first_come_first_served_misses_the_contract_under_a_flood() -> None:
    requests = trace(60, {OWNER: 6.0, **flood_rates(200)})
    contract = plan(CAPACITY, From.LOWER)
    found = figures(run(contract, requests, Fcfs), contract)
    assert found.wait_ok < 0.5
    assert found.paid_served < 0.5


def test_the_owner_offers_its_rate_on_average_and_twice_as_much_in_bursts() -> None:
    requests = trace(2000, {OWNER: 3.0})
    assert len(requests) / 2000 == pytest.approx(3.0, rel=0.1)
    seconds = [0] * 2000
    for request in requests:
        seconds[request.arrival // 10**9] += 1
    assert seconds.count(0) > 500
    assert offered(requests, OWNER, 2000) > 0
