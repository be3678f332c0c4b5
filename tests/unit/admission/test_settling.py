"""What a request has cost in the end, and for whom."""

from typing import Any

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.flows import ASSUMED_OUTPUT_TOKENS
from tierfleet.admission.types import Outcome, Progress, Settled, ShedReason
from tierfleet.plan import MICRO

METERED: dict[str, Any] = {"limits": {"requestsPerMinute": 60, "tokensPerMinute": 10_000}}


def remaining(replica: Replica, tenant: str = "gold-0") -> tuple[int, int]:
    headroom = replica.core.headroom(replica.now, tenant)
    assert headroom.requests is not None
    assert headroom.tokens is not None
    return headroom.requests.remaining, headroom.tokens.remaining


def test_what_was_really_used_is_charged_and_billed() -> None:
    replica = Replica(burndown={"input": "1", "output": "4"})
    request = replica.send("gold-0", 100, max_tokens=50)
    replica.progress(Progress(request, cached_tokens=40, output_tokens=10))
    replica.end(request)
    cost = (60 + 4 + 40) * MICRO  # a cached token is a tenth
    assert replica.settled[request] == Settled(request, cost, cost, False, False)


def test_scheduling_and_billing_may_use_different_rates() -> None:
    replica = Replica(
        burndown={"input": "1", "output": "4"}, scheduling={"input": "1", "output": "1"}
    )
    request = replica.send("gold-0", 100, max_tokens=50)
    replica.progress(Progress(request, output_tokens=10))
    replica.end(request)
    settled = replica.settled[request]
    assert (settled.cost, settled.billed) == (110 * MICRO, 140 * MICRO)


def test_where_nobody_counted_the_estimate_is_the_cost_and_only_the_prompt_is_billed() -> None:
    replica = Replica(burndown={"input": "1", "output": "4"})
    request = replica.send("gold-0", 100, max_tokens=50)
    replica.end(request)
    settled = replica.settled[request]
    assert (settled.cost, settled.billed) == (300 * MICRO, 100 * MICRO)


def test_hanging_up_is_charged_what_was_produced() -> None:
    replica = Replica(burndown={"input": "1", "output": "4"})
    request = replica.send("gold-0", 100, max_tokens=50)
    replica.progress(Progress(request, output_tokens=10))
    replica.hang_up(request)
    assert replica.settled[request].cost == 140 * MICRO


def test_what_the_engine_failed_at_is_charged_what_it_has_produced() -> None:
    replica = Replica(burndown={"input": "1", "output": "4"})
    request = replica.send("gold-0", 100, max_tokens=50)
    replica.end(request, Outcome.FAILED)
    assert replica.settled[request].cost == 100 * MICRO


def test_what_the_engine_never_got_costs_nothing_and_gives_its_limits_back() -> None:
    replica = Replica(tiers=tiers(gold=METERED))
    before = remaining(replica)
    request = replica.send("gold-0", 100)
    replica.end(request, Outcome.UNSENT)
    assert remaining(replica) == before
    assert (replica.settled[request].cost, replica.settled[request].billed) == (0, 0)


def test_cancelled_while_it_waits_a_request_costs_nothing() -> None:
    replica = Replica(tiers=tiers(gold=METERED))
    replica.send("silver-0")
    before = remaining(replica)
    request = replica.send("gold-0", 100)
    assert remaining(replica) == (before[0] - 1, before[1] - 100)
    replica.hang_up(request)
    assert remaining(replica) == before
    assert request not in replica.settled


def test_cancelled_while_it_waits_a_conforming_request_makes_room_for_another() -> None:
    replica = Replica(reservations=[reservation()])
    replica.send("gold-0")
    cancelled = replica.send("bronze-0", 181)
    replica.hang_up(cancelled)
    again = replica.send("bronze-0")
    replica.end_oldest()
    assert replica.dispatch[again].conforming


def test_turned_away_by_a_full_queue_a_request_costs_nothing() -> None:
    replica = Replica(tiers=tiers(gold=METERED | {"queue": {"maxRequests": 0}}))
    replica.send("gold-0", 100)
    before = remaining(replica)
    assert replica.reason(replica.send("gold-0", 100)) is ShedReason.QUEUE_FULL
    assert remaining(replica) == before


def test_hanging_up_before_anything_was_counted_costs_the_estimate() -> None:
    replica = Replica(tiers=tiers(gold=METERED))
    replica.hang_up(replica.send("gold-0", 100, max_tokens=50))
    assert remaining(replica) == (59, 9_850)


def test_limits_are_settled_by_what_was_really_used() -> None:
    replica = Replica(tiers=tiers(gold=METERED))
    request = replica.send("gold-0", 100, max_tokens=50)
    assert remaining(replica) == (59, 9_850)
    replica.progress(Progress(request, output_tokens=70))
    assert remaining(replica) == (59, 9_830)
    replica.end_at_a_cost_of(request, 60, charged=100)
    assert remaining(replica) == (59, 10_000 - 60 - 71)


def test_a_refusal_for_tokens_gives_the_request_back() -> None:
    replica = Replica(9, tiers=tiers(gold=METERED))
    replica.send("gold-0", 9_990)
    before = remaining(replica)
    replica.send("gold-0", 100)
    assert remaining(replica) == before


def test_limits_hold_for_reserved_requests_too() -> None:
    replica = Replica(
        9,
        tiers=tiers(bronze={"limits": {"requestsPerMinute": 1}}),
        reservations=[reservation()],
    )
    replica.send("bronze-0")
    assert replica.send("bronze-0") in replica.shed


def test_the_label_that_the_true_cost_would_have_given_is_told_too() -> None:
    """165 were left at arrival, and that much it may cost more than was thought."""
    for cost, conforms in ((175, True), (176, False)):
        replica = Replica(reservations=[reservation()])
        request = replica.send("bronze-0", 10)
        replica.end_at_a_cost_of(request, cost, charged=10)
        assert replica.settled[request].conforming
        assert replica.settled[request].conforms_settled is conforms


def test_output_is_estimated_for_each_sequence() -> None:
    replica = Replica(9, tiers=tiers(gold=METERED))
    replica.send("gold-0", 100, max_tokens=None, sequences=2)
    assert remaining(replica) == (59, 10_000 - 100 - 2 * ASSUMED_OUTPUT_TOKENS)


def test_the_estimate_of_the_output_follows_what_a_tenant_really_gets() -> None:
    """20 of each sequence."""
    replica = Replica(9, tiers=tiers(gold=METERED))
    for _ in range(50):
        request = replica.send("gold-0", 0, max_tokens=None, sequences=2)
        replica.progress(Progress(request, output_tokens=40))
        replica.end(request)
    before = remaining(replica)
    replica.send("gold-0", 100, max_tokens=None)
    assert remaining(replica) == (before[0] - 1, before[1] - 120)


def test_cached_prompts_are_expected_of_who_has_had_them() -> None:
    """Nine of ten prompt tokens are cached: 19 of 100 are charged, so five conform, not two."""
    replica = Replica(reservations=[reservation(granted=1, burstWindowMilliseconds=60_000)])
    for _ in range(60):
        request = replica.send("bronze-0", 10)
        replica.progress(Progress(request, cached_tokens=9, output_tokens=1))
        replica.end(request)
    replica.wait(3_600_000)
    replica.send("gold-0")
    replica.many(9, "bronze-0", 100)
    labels = [replica.dispatch[request].conforming for request in _started(replica, 9)]
    assert labels.count(True) == 4


def _started(replica: Replica, count: int) -> list[int]:
    before = len(replica.started)
    replica.drain(count)
    return replica.started[before:]
