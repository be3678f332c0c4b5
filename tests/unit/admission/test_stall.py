"""An engine that does not get on."""

import pytest

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.types import Progress, ShedReason


def stalled() -> tuple[Replica, int]:
    """An engine with four seats that has one request and told of no token for 10 seconds."""
    replica = Replica(4)
    running = replica.send("gold-0")
    replica.engine(tokens=5)
    replica.wait(5_000)
    replica.engine(tokens=5)
    replica.wait(5_000)
    return replica, running


def test_an_engine_that_gets_on_with_nothing_is_sent_nothing() -> None:
    replica, _ = stalled()
    assert replica.send("gold-0") in replica.waiting


def test_an_engine_whose_tokens_move_has_not_stalled() -> None:
    replica = Replica(4)
    replica.send("gold-0")
    replica.engine(tokens=5)
    replica.wait(9_000)
    replica.engine(tokens=6)
    replica.wait(9_000)
    assert replica.send("gold-0") in replica.running


def test_an_engine_that_tells_no_tokens_is_judged_only_while_an_answer_flows() -> None:
    replica = Replica(4)
    request = replica.send("gold-0")
    replica.wait(60_000)
    assert replica.send("gold-0") in replica.running
    replica.first_byte(request)
    replica.wait(10_000)
    assert replica.send("gold-0") in replica.waiting


def test_metrics_that_cannot_be_read_any_more_say_nothing_of_the_engine() -> None:
    replica = Replica(4)
    replica.send("gold-0")
    replica.engine(tokens=5)
    replica.wait(11_000)
    assert replica.send("gold-0") in replica.running


def test_an_engine_without_work_has_not_stalled() -> None:
    replica, running = stalled()
    replica.end(running)
    replica.wait(60_000)
    assert replica.send("gold-0") in replica.running


@pytest.mark.parametrize("sign", ["tokens", "end", "progress"])
def test_what_waits_is_sent_as_soon_as_the_engine_gets_on_again(sign: str) -> None:
    replica, running = stalled()
    waiting = replica.send("gold-0")
    replica.wait(5_000)
    match sign:
        case "tokens":
            replica.engine(tokens=6)
        case "end":
            replica.end(running)
        case _:
            replica.progress(Progress(running, output_tokens=1))
    assert waiting in replica.running


def test_what_waits_too_long_for_a_stalled_engine_is_told_so() -> None:
    replica, _ = stalled()
    waiting = replica.send("gold-0")
    replica.wait(30_000)
    assert replica.reason(waiting) is ShedReason.ENGINE_STALLED


def test_a_floor_earns_nothing_while_the_engine_has_stalled() -> None:
    """1,500 behind is 15 s at 100 a second, and 10 of the 20 that pass are of the stall."""
    replica = Replica(tiers=tiers(bronze={"minimumPercent": 10}))
    replica.end(replica.send("bronze-0", 1500))
    running = replica.send("gold-0")
    replica.engine(tokens=5)
    replica.send("gold-0")
    waiting = replica.send("bronze-0")
    replica.wait(10_000)
    replica.engine(tokens=5)
    replica.wait(10_000)
    replica.end(running)
    assert waiting in replica.waiting


@pytest.mark.parametrize("meanwhile", ["nothing", "one arrives", "a plan leaves it out"])
def test_a_guarantee_earns_at_all_times_but_those_of_a_stall(meanwhile: str) -> None:
    """2,000 behind is 20 s: 10 before the stall, 15 that do not count, 10 after it."""
    plans = [reservation(granted=100)]
    replica = Replica(4, reservations=plans)
    first = replica.send("bronze-0", 2050)
    replica.engine(tokens=5)
    replica.wait(5_000)
    replica.engine(tokens=5)
    replica.wait(5_000)
    replica.send("gold-0")
    replica.wait(14_000)
    if meanwhile != "nothing":
        replica.hang_up(replica.send("bronze-0"))
    if meanwhile == "a plan leaves it out":
        replica.replan()
        replica.replan(reservations=plans)
    replica.wait(1_000)
    if meanwhile != "nothing":
        replica.hang_up(replica.send("bronze-0"))
    replica.engine(tokens=6)
    replica.end(first)
    replica.wait(5_000)
    replica.engine(tokens=7)
    replica.wait(4_999)
    early = replica.send("bronze-0", 0)
    assert not replica.is_reserved(early)
    replica.end(early)
    replica.wait(1)
    assert replica.is_reserved(replica.send("bronze-0"))


def test_a_stall_that_ends_while_nothing_waits_is_over_for_guarantees_too() -> None:
    replica = Replica(2, reservations=[reservation()])
    first = replica.send("bronze-0", 5000)
    replica.first_byte(first)
    second = replica.send("gold-0")
    waiting = replica.send("gold-0")
    replica.wait(12_000)
    replica.hang_up(waiting)
    replica.end(first)
    replica.end(second)
    replica.wait(3_600_000)
    assert replica.dispatch[replica.send("bronze-0")].conforming
