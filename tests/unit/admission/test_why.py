"""What a request is said to wait for."""

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.types import WaitReason


def test_what_runs_and_what_is_unknown_waits_for_nothing() -> None:
    replica = Replica(1)
    running = replica.send("gold-0")
    assert replica.core.why(running) is None
    assert replica.core.why(99) is None


def test_for_a_seat() -> None:
    replica = Replica(1)
    running, waiting = replica.many(2, "gold-0")
    assert replica.core.why(waiting) is WaitReason.NO_SEAT
    replica.end(running)
    assert replica.core.why(waiting) is None


def test_for_one_of_its_tenant_to_end() -> None:
    replica = Replica(4, tiers=tiers(gold={"limits": {"maxConcurrentRequests": 1}}))
    _, waiting = replica.many(2, "gold-0")
    assert replica.core.why(waiting) is WaitReason.CONCURRENCY_LIMIT


def test_for_a_long_context_to_end() -> None:
    bound = {"aboveTokens": 100, "maxConcurrentRequests": 1}
    replica = Replica(4, tiers=tiers(gold={"longContext": bound}))
    _, waiting = replica.many(2, "gold-0", 101)
    assert replica.core.why(waiting) is WaitReason.LONG_CONTEXTS


def test_for_room_in_the_kv_cache_and_behind_what_waits_for_it() -> None:
    replica = Replica(4, kv_tokens=1000)
    replica.send("gold-0", 800)
    large = replica.send("gold-0", 200)
    small = replica.send("silver-0", 10)
    assert replica.core.why(large) is WaitReason.KV_CACHE
    assert replica.core.why(small) is WaitReason.OTHERS_FIRST


def test_for_seats_that_are_not_kept_for_what_is_reserved() -> None:
    replica = Replica(4, reservations=[reservation(lending={"lendablePercent": 0})])
    waiting = replica.many(4, "gold-0")[-1]
    assert replica.running
    assert replica.core.why(waiting) is WaitReason.HELD_BACK


def test_for_an_engine_that_has_stalled() -> None:
    replica = Replica(4)
    replica.send("gold-0")
    replica.engine(tokens=5)
    replica.wait(5_000)
    replica.engine(tokens=5)
    replica.wait(5_000)
    assert replica.core.why(replica.send("gold-0")) is WaitReason.ENGINE_STALLED
