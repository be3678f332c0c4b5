"""KV cache and long contexts."""

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.order import OVERTAKINGS
from tierfleet.admission.types import Progress

# KV cache: a request holds its prompt plus the output that is expected of it


def test_ordinary_work_fills_nine_tenths_of_the_kv_cache() -> None:
    replica = Replica(99, kv_tokens=1000)
    replica.many(20, "gold-0", 50)
    assert len(replica.running) == 18


def test_reserved_work_fills_97_percent_of_the_kv_cache() -> None:
    replica = Replica(99, kv_tokens=1000, reservations=[reservation(granted=9000)])
    replica.many(9, "gold-0", 100)
    within, beyond = replica.many(2, "bronze-0", 70)
    assert within in replica.running
    assert beyond in replica.waiting
    replica.end_oldest()
    assert beyond in replica.running


def test_borrowed_seats_stop_where_ordinary_work_does() -> None:
    replica = Replica(99, kv_tokens=1000, reservations=[reservation()])
    replica.end(replica.send("bronze-0", 160))
    running = replica.send("gold-0", 890)
    early = replica.send("bronze-0", 15)
    assert early in replica.waiting
    replica.end(running)
    assert replica.dispatch[early].borrowed


def test_an_empty_engine_takes_a_request_that_is_larger_than_its_share_of_the_cache() -> None:
    replica = Replica(99, kv_tokens=1000)
    assert replica.send("gold-0", 950) in replica.running
    assert replica.send("gold-0", 1) in replica.waiting


def test_output_beyond_what_was_expected_takes_more_of_the_cache() -> None:
    replica = Replica(99, kv_tokens=1000)
    long = replica.send("gold-0", 100, max_tokens=0)
    replica.progress(Progress(long, output_tokens=700))
    assert replica.send("gold-1", 200) in replica.waiting
    replica.end(long)
    assert not replica.waiting


def test_the_engines_gauge_corrects_what_is_counted() -> None:
    """900 are counted, and half of that is in use: prefixes are shared."""
    replica = Replica(99, kv_tokens=1000)
    replica.many(9, "gold-0", 100)
    waiting = replica.send("gold-0", 100)
    for _ in range(9):
        replica.engine(kv_permille=450)
    assert waiting in replica.running


def test_a_gauge_that_shows_nothing_opens_the_cache_only_so_far() -> None:
    replica = Replica(2, kv_tokens=1000)
    replica.send("gold-0", 500)
    for _ in range(99):
        replica.engine(kv_permille=0)
    assert replica.send("gold-0", 30_000) in replica.waiting


def two_guarantees() -> tuple[Replica, int, int]:
    """A reserved request that does not fit the cache, and what fills the cache."""
    plans = [
        reservation("large", granted=100_000),
        reservation("small", tenants=["silver-0"], granted=10_000),
    ]
    replica = Replica(99, kv_tokens=1000, reservations=plans)
    filling = replica.send("gold-0", 800)
    return replica, filling, replica.send("bronze-0", 500)


def test_what_does_not_fit_the_cache_is_passed_by_other_guarantees_eight_times() -> None:
    replica, filling, large = two_guarantees()
    for _ in range(OVERTAKINGS):
        replica.end(replica.send("silver-0"))
    late = replica.send("silver-0")
    assert late in replica.waiting
    replica.end(filling)
    assert replica.started[-2:] == [large, late]


def test_nothing_but_a_guarantee_passes_one_that_does_not_fit_the_cache() -> None:
    replica, _, large = two_guarantees()
    assert replica.send("gold-0") in replica.waiting
    assert large in replica.waiting


# Long contexts


def bounded() -> Replica:
    bound = {"aboveTokens": 1000, "maxConcurrentRequests": 1}
    return Replica(9, tiers=tiers(gold={"longContext": bound}))


def test_only_so_many_long_contexts_of_a_tier_run_at_once() -> None:
    replica = bounded()
    first, second = replica.many(2, "gold-0", 1001)
    assert replica.running == [first]
    replica.end(first)
    assert replica.running == [second]


def test_what_waits_behind_a_long_context_runs_when_that_is_cancelled() -> None:
    replica = bounded()
    replica.send("gold-0", 1001)
    parked = replica.send("gold-1", 1001)
    short = replica.send("gold-1")
    replica.hang_up(parked)
    assert short in replica.running


def test_long_contexts_of_a_reservation_do_not_count_against_its_tier() -> None:
    bound = {"aboveTokens": 100, "maxConcurrentRequests": 1}
    replica = Replica(9, tiers=tiers(bronze={"longContext": bound}), reservations=[reservation()])
    replica.send("bronze-0", 101)
    assert replica.is_reserved(replica.running[0])
    replica.wait(61_000)
    assert replica.send("bronze-1", 101) in replica.running


def test_a_long_context_that_waits_holds_up_no_other_tenant_and_no_other_tier() -> None:
    replica = bounded()
    first, second = replica.send("gold-0", 1001), replica.send("gold-0", 1001)
    others = [
        replica.send("gold-1", 1000),
        replica.send("silver-0", 1001),
        replica.send("silver-1", 1001),
    ]
    assert replica.running == [first, *others]
    assert replica.waiting == [second]


def test_a_long_context_that_hangs_up_makes_room_for_the_next() -> None:
    replica = bounded()
    first, second, third = replica.many(3, "gold-0", 1001)
    replica.hang_up(second)
    replica.hang_up(first)
    assert replica.running == [third]


def test_a_guarantees_prompt_that_fills_the_cache_runs_when_the_engine_is_empty() -> None:
    replica = Replica(2, kv_tokens=1000, reservations=[reservation(granted=10_000)])
    first = replica.send("gold-0", 100)
    large = replica.send("bronze-0", 990)
    assert large in replica.waiting
    replica.end(first)
    assert large in replica.running
    assert replica.is_reserved(large)
