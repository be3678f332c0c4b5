"""Shadow: first come, first served, and what Enforce would have done."""

from datetime import timedelta

from tests.property.admission.driver import WALL
from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.types import Outcome, ShedReason


def test_in_shadow_requests_go_first_come_first_served() -> None:
    replica = Replica(enforcement="Shadow", reservations=[reservation()])
    first = replica.send("silver-0")
    rest = [replica.send(tenant) for tenant in ("bronze-1", "gold-0", "bronze-0", "gold-1")]
    replica.drain(4)
    assert replica.started == [first, *rest]


def test_in_shadow_each_dispatch_says_whom_enforce_would_have_sent() -> None:
    replica = Replica(enforcement="Shadow")
    running = replica.send("silver-0")
    bronze, gold = replica.send("bronze-0"), replica.send("gold-0")
    replica.end(running)
    assert replica.dispatch[running].instead_of is None
    assert replica.dispatch[bronze].instead_of == gold
    replica.end(bronze)
    assert replica.dispatch[gold].instead_of is None


def test_in_shadow_nobody_is_refused_and_each_dispatch_says_who_would_have_been() -> None:
    limited = tiers(gold={"limits": {"requestsPerMinute": 1}, "queue": {"maxRequests": 0}})
    replica = Replica(2, enforcement="Shadow", tiers=limited)
    first, second, third = replica.many(3, "gold-0")
    replica.end(first)
    assert not replica.shed
    refused = [replica.dispatch[one].refused for one in (first, second, third)]
    assert refused == [None, ShedReason.REQUEST_LIMIT, ShedReason.REQUEST_LIMIT]


def test_in_shadow_a_guarantee_that_is_owed_still_pays_for_its_requests() -> None:
    replica = Replica(9, enforcement="Shadow", reservations=[reservation()])
    first, second = replica.many(2, "bronze-0", 200)
    assert replica.is_reserved(first)
    assert not replica.is_reserved(second)


def test_in_shadow_too_a_reservation_pays_for_no_more_than_it_earns() -> None:
    """100 requests of 100 at once, and 20 s: 300 a second, 330 saved, one more of each balance."""
    replica = Replica(enforcement="Shadow", reservations=[reservation()])
    own = replica.many(100, "bronze-0", 100)
    for _ in range(100):
        replica.wait(200)
        if replica.running:
            replica.end_oldest()
    reserved = [one for one in own if one in replica.dispatch and replica.is_reserved(one)]
    assert 50 <= len(reserved) <= (300 * 20 + 330 + 200) // 100


def test_in_shadow_no_seat_is_held_back_and_none_stays_empty() -> None:
    keeps = reservation(lending={"lendablePercent": 0})
    replica = Replica(10, enforcement="Shadow", reservations=[keeps])
    replica.many(10, "gold-0")
    assert len(replica.running) == 10


def test_shadow_gives_back_no_limit_that_it_did_not_take() -> None:
    replica = Replica(
        9, enforcement="Shadow", tiers=tiers(gold={"limits": {"tokensPerMinute": 1000}})
    )
    replica.send("gold-0", 900)
    over = replica.send("gold-0", 900)
    before = replica.core.headroom(0, "gold-0")
    replica.end(over, Outcome.UNSENT)
    assert replica.core.headroom(0, "gold-0") == before


def test_in_shadow_a_deadline_that_is_over_is_not_waited_for() -> None:
    replica = Replica(enforcement="Shadow")
    replica.send("gold-0")
    replica.wait(10)
    late = replica.send("gold-0", deadline=5_000_000)
    assert late in replica.shed


def test_shadow_throws_nobody_out() -> None:
    replica = Replica(
        1,
        enforcement="Shadow",
        tiers=tiers(silver={"preemption": "Anytime"}),
        reservations=[reservation(lending={"reclaim": "Abort"})],
    )
    replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(1000)
    assert not replica.thrown


def test_shadow_says_whom_enforce_would_turn_away_for_a_full_queue() -> None:
    """The same who are shed there: the newest of who has most waiting, whoever came last."""
    queue = tiers(gold={"queue": {"maxRequests": 3}})
    shadow, enforce = (Replica(enforcement=mode, tiers=queue) for mode in ("Shadow", "Enforce"))
    for replica in (shadow, enforce):
        replica.many(6, "gold-0")
        replica.many(2, "gold-1")
        replica.many(2, "gold-0")
        replica.many(2, "gold-1", 25)
    shadow.drain(11)
    refused = [one for one, sent in shadow.dispatch.items() if sent.refused]
    assert sorted(refused) == sorted(enforce.shed)
    assert {shadow.dispatch[one].refused for one in refused} == {ShedReason.QUEUE_FULL}


def test_shadow_gives_back_the_limits_of_whom_enforce_would_turn_away() -> None:
    limits = {"requestsPerMinute": 10, "tokensPerMinute": 1000}
    queue = tiers(gold={"queue": {"maxRequests": 1}, "limits": limits})
    shadow, enforce = (Replica(enforcement=mode, tiers=queue) for mode in ("Shadow", "Enforce"))
    for replica in (shadow, enforce):
        replica.many(4, "gold-0", 100)
    left = shadow.core.headroom(0, "gold-0")
    assert left == enforce.core.headroom(0, "gold-0")
    shadow.drain(3)
    assert shadow.core.headroom(0, "gold-0") == left


def test_what_only_shadow_let_wait_is_served_when_enforce_comes() -> None:
    queue = tiers(gold={"queue": {"maxRequests": 1}})
    replica = Replica(enforcement="Shadow", tiers=queue)
    sent = replica.many(4, "gold-0")
    replica.replan(tiers=queue)
    more = replica.send("gold-0")
    replica.drain(3)
    assert replica.started == sent
    assert list(replica.shed) == [more]


def test_shadow_says_when_enforce_would_have_sent_nobody() -> None:
    bounded = tiers(gold={"limits": {"maxConcurrentRequests": 1}})
    replica = Replica(2, enforcement="Shadow", tiers=bounded)
    first, second = replica.many(2, "gold-0")
    assert [replica.dispatch[one].held for one in (first, second)] == [False, True]


def test_shadow_finds_whom_enforce_would_turn_away_after_a_term_has_ended() -> None:
    """Its requests compete in their own tier from then on, not where they had spilled over to."""
    end = (WALL + timedelta(seconds=1)).isoformat()
    contract = reservation(
        tenants=["gold-0"],
        spillover={"action": "Shared", "tier": "bronze"},
        term={"start": None, "end": end},
    )
    queue = tiers(gold={"queue": {"maxRequests": 2}})
    replica = Replica(enforcement="Shadow", tiers=queue, reservations=[contract])
    replica.send("silver-0", 1000)
    replica.send("gold-0", 1000)
    spilled = replica.many(2, "gold-0")
    replica.wait(2_000)
    replica.send("gold-1", 1)
    replica.drain(4)
    refused = [one for one, sent in replica.dispatch.items() if sent.refused]
    assert refused == spilled
