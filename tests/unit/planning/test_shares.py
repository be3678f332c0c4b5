"""Shrink before grow, rule by rule; the property tests have them all at once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.unit.planning.world import NAMESPACE, NOW
from tierfleet.plan import Group
from tierfleet.planning import shares
from tierfleet.planning.published import Published, Recorded, Report, may_run, taken_in
from tierfleet.planning.snapshot import Pod, Snapshot

KEY = (NAMESPACE, "pool")
LONG_AGO = NOW - timedelta(hours=1)


def pod(name: str, on: str = "a", *, ready: bool = True, **more: Any) -> Pod:
    more = {"node": "gpu-0", "address": "10.0.0.1"} | more
    return Pod(NAMESPACE, name, name, pool=KEY, accelerator=on, ready=ready, **more)


def leaving(name: str, seconds: int = 300) -> Pod:
    gone_by = NOW + timedelta(seconds=seconds)
    return pod(name, ready=False, terminating=True, gone_by=gone_by)


def counted(desired: int, deployed: int, *pods: Pod) -> int:
    return shares.counted({"a": desired}, {"a": deployed}, pods, NOW)["a"]


def plan(**desired: int) -> Recorded:
    """Accelerators do 1000 each, but `b` does 3000."""
    return Recorded(
        version=str(desired),
        groups=tuple(
            Group(
                name=name,
                accelerator=name,
                desired=count,
                service_tokens_per_second=3000 if name == "b" else 1000,
            )
            for name, count in desired.items()
        ),
    )


def published(*plans: tuple[Recorded, int]) -> tuple[Published, ...]:
    """The plans, each since so many seconds ago."""
    return tuple(
        Published(number, recorded, NOW - timedelta(seconds=ago))
        for number, (recorded, ago) in enumerate(plans)
    )


def state(
    plans: tuple[Published, ...],
    deployed: Mapping[str, int],
    *pods: Pod,
    said: Mapping[str, Report] | None = None,
    now: datetime = NOW,
) -> Snapshot:
    return Snapshot(
        now=now,
        pods=pods,
        replicas={KEY: deployed},
        published={KEY: plans},
        reports=said or {},
    )


def says(number: int, recorded: Recorded, starts: int = 0) -> Report:
    return Report(number, starts, NOW, recorded.version)


def test_a_plan_counts_whoever_is_there_or_is_to_come() -> None:
    ready = [pod("x"), pod("y")]
    assert counted(2, 2, *ready) == 2
    assert counted(4, 2, *ready) == 4, "that is to come"
    assert counted(1, 2, *ready) == 2, "the Deployment asks for them"
    assert counted(1, 1, *ready) == 2, "nobody has taken it down yet"
    assert counted(1, 3) == 3, "they may be made at any moment"


def test_those_that_leave_count_until_they_are_gone_or_their_time_is_over() -> None:
    assert counted(1, 1, pod("x"), leaving("y")) == 2
    assert counted(1, 1, pod("x"), leaving("y", seconds=1)) == 2
    assert counted(1, 1, pod("x"), leaving("y", seconds=0)) == 1, "its node is lost"
    assert counted(1, 1, pod("x"), pod("y", finished=True)) == 1
    assert counted(1, 1, pod("x"), pod("y", on="b")) == 1
    unknown = pod("y", ready=False, terminating=True)
    assert counted(1, 1, pod("x"), unknown) == 2


def test_a_rollout_counts_nobody_twice() -> None:
    rolling = (pod("x"), leaving("old"), pod("new", ready=False))
    assert counted(2, 2, *rolling) == 2
    assert counted(2, 2, pod("x"), pod("new"), leaving("old")) == 3, "it serves already"


def test_the_first_replicas_wait_for_nobody() -> None:
    new = state(published((plan(a=2, b=1), 0)), {})
    assert shares.allowed(new, KEY, {"a": 2, "b": 1}) == {"a": 2, "b": 1}


def test_who_is_there_stays_though_the_deployment_is_not_known() -> None:
    """Somebody took its label away, or deleted it."""
    just = published((plan(a=2), 10))
    assert shares.allowed(state(just, {}, *TWO), KEY, {"a": 2}) == {"a": 2}
    orphans = (leaving("x"), leaving("y"))
    assert shares.allowed(state(just, {}, *orphans), KEY, {"a": 2}) == {"a": 2}
    assert shares.allowed(state(just, {}, *TWO), KEY, {"a": 3}) == {"a": 2}
    assert shares.allowed(state(just, {}, *TWO), KEY, {"a": 1}) == {"a": 1}


def test_without_a_plan_nothing_is_added() -> None:
    assert shares.allowed(state((), {"a": 1}), KEY, {"a": 2}) == {"a": 1}


def test_fewer_are_allowed_at_once() -> None:
    serving = state(published((plan(a=3), 0)), {"a": 3}, *(pod(n) for n in "xyz"))
    assert shares.allowed(serving, KEY, {"a": 1}) == {"a": 1}
    assert shares.allowed(serving, KEY, {"a": 0}) == {"a": 0}


SMALL, LARGE = plan(a=2), plan(a=4)
GROWING = published((SMALL, 3600), (LARGE, 60))
TWO = (pod("x"), pod("y"))


def grown(*pods: Pod, said: Mapping[str, Report] | None = None, after: int = 0) -> int:
    now = NOW + timedelta(seconds=after)
    snapshot = state(GROWING, {"a": 2}, *pods, said=said, now=now)
    return shares.allowed(snapshot, KEY, {"a": 4})["a"]


def test_more_are_allowed_once_all_report_the_plan_that_counts_them() -> None:
    both = {"x": says(1, LARGE), "y": says(1, LARGE)}
    assert grown(*TWO) == 2
    assert grown(*TWO, said={"x": says(1, LARGE)}) == 2
    assert grown(*TWO, said=both | {"y": says(1, SMALL)}) == 2
    assert grown(*TWO, said=both) == 4


def test_after_two_minutes_those_that_never_report_are_waited_for_no_longer() -> None:
    refusing = {"x": says(1, LARGE), "y": says(1, SMALL)}
    assert grown(*TWO, said=refusing, after=59) == 2
    assert grown(*TWO, said=refusing, after=60) == 4
    assert grown(*TWO, after=60) == 4
    serving = state(GROWING, {"a": 2}, *TWO)
    assert shares.next_change(serving, KEY) == NOW + timedelta(seconds=60)
    assert shares.next_change(state(published((LARGE, 500)), {}, *TWO), KEY) is None


def test_one_that_starts_may_be_ready_before_it_has_the_plan() -> None:
    report = {"x": says(1, LARGE)}
    assert grown(pod("x"), pod("new", ready=False), said=report) == 2
    mounted = pod("new", ready=False, address="")
    assert grown(pod("x"), mounted, said=report) == 2, "its kubelet may have read one before"
    assert grown(pod("x"), pod("new", ready=False, node=None), said=report) == 4, "it reads it yet"


def test_one_that_leaves_goes_on_with_its_plan() -> None:
    plans = published((plan(a=3), 3600), (plan(a=5), 60))
    report = {"x": says(1, plan(a=5)), "y": says(1, plan(a=5))}
    going = state(plans, {"a": 2}, *TWO, leaving("z"), said=report)
    assert shares.allowed(going, KEY, {"a": 5}) == {"a": 3}, "in its place another one may come"
    gone = state(plans, {"a": 2}, *TWO, said=report)
    assert shares.allowed(gone, KEY, {"a": 5}) == {"a": 5}


def test_what_was_said_before_a_sidecar_was_started_again_counts_no_more() -> None:
    said = {"x": says(1, LARGE), "y": says(1, LARGE)}
    again = (pod("x"), pod("y", starts=1))
    assert grown(*again, said=said) == 2
    assert grown(*again, said=said | {"y": says(1, LARGE, starts=1)}) == 4


def test_after_a_restart_nothing_is_known_of_the_plans_before() -> None:
    just = published((LARGE, 10))
    assert shares.allowed(state(just, {"a": 2}, *TWO), KEY, {"a": 4}) == {"a": 2}
    said = {"x": says(0, LARGE), "y": says(0, LARGE)}
    assert shares.allowed(state(just, {"a": 2}, *TWO, said=said), KEY, {"a": 4}) == {"a": 4}
    later = state(just, {"a": 2}, *TWO, now=NOW + timedelta(seconds=110))
    assert shares.allowed(later, KEY, {"a": 4}) == {"a": 4}


def test_it_grows_as_far_as_every_plan_that_may_be_run_counts() -> None:
    """A plan that follows the next one: what the first allows is not held back."""
    three = published((plan(a=2), 3600), (plan(a=3), 90), (plan(a=6), 10))
    said = {"x": says(2, plan(a=3)), "y": says(2, plan(a=6))}
    growing = state(three, {"a": 2}, *TWO, said=said)
    assert shares.allowed(growing, KEY, {"a": 6}) == {"a": 3}


def test_room_in_the_sum_alone_is_no_room() -> None:
    """One has a tenth and the other a half: three more would fit, until a plan of five follows."""
    ten = published((plan(a=2), 3600), (plan(a=10), 10))
    half = state(ten, {"a": 2}, *TWO, said={"x": says(1, plan(a=10))})
    assert shares.allowed(half, KEY, {"a": 10}) == {"a": 2}


def test_a_move_counts_both_sides_and_adds_after_the_reports() -> None:
    desired = {"a": 1, "b": 1}
    assert shares.counted(desired, {"a": 3, "b": 0}, [pod(n) for n in "xyz"], NOW) == {
        "a": 3,
        "b": 1,
    }
    before, move, after = plan(a=3, b=0), plan(a=3, b=1), plan(a=1, b=1)
    serving = [pod(n) for n in "xyz"]
    said = {n: says(1, move) for n in "xyz"}
    moving = published((before, 3600), (move, 20))
    assert shares.allowed(state(moving, {"a": 3}, *serving), KEY, desired) == {"a": 1, "b": 0}
    told = state(moving, {"a": 3}, *serving, said=said)
    assert shares.allowed(told, KEY, desired) == {"a": 1, "b": 1}
    gone = state((*moving, Published(2, after, NOW)), {"a": 1}, pod("x"), said=said)
    assert shares.allowed(gone, KEY, desired) == {"a": 1, "b": 1}, "both plans count them"


def test_replicas_that_are_asked_for_and_not_made_yet_take_their_room() -> None:
    five = published((plan(a=5), 3600))
    coming = state(five, {"a": 4}, pod("x"))
    assert shares.allowed(coming, KEY, {"a": 5}) == {"a": 5}
    beside = state(published((plan(a=4, c=2), 3600)), {"a": 4}, pod("x"), leaving("y"))
    assert shares.allowed(beside, KEY, {"a": 4, "c": 5}) == {"a": 4, "c": 2}


def test_room_is_given_once() -> None:
    """The plan before counts three, so one may come: on the accelerator that is preferred."""
    plans = published((plan(a=2, c=1), 3600), (plan(a=3, c=2), 60))
    serving = state(plans, {"a": 2}, *TWO)
    assert shares.allowed(serving, KEY, {"a": 3, "c": 2}) == {"a": 3, "c": 0}
    assert shares.allowed(serving, KEY, {"a": 2, "c": 2}) == {"a": 2, "c": 1}


def test_a_plan_is_forgotten_two_minutes_after_the_next_one() -> None:
    first = taken_in((), plan(a=1), 0, LONG_AGO)
    second = taken_in(first, plan(a=2), 1, NOW)
    assert [one.number for one in second] == [0, 1]
    soon = taken_in(second, plan(a=3), 2, NOW + timedelta(seconds=119))
    assert [one.number for one in soon] == [0, 1, 2]
    later = taken_in(second, plan(a=3), 2, NOW + timedelta(seconds=120))
    assert [one.number for one in later] == [1, 2]
    same = taken_in(second, plan(a=2), 5, NOW + timedelta(seconds=120))
    assert same == second, "what is written again is no other plan"
    assert taken_in(second, Recorded(), 5, NOW) == ()


def test_a_replica_may_run_what_it_said_or_what_followed() -> None:
    one, two = plan(a=1), plan(a=2)
    plans = published((one, 100), (two, 80), (one, 60))
    assert may_run(None, plans, NOW) == [None, one, two, one]
    assert may_run(says(2, two), plans, NOW) == [two, one]
    assert may_run(says(1, one), plans, NOW) == [one, two, one], "it spoke of the first"
    assert may_run(says(2, one), plans, NOW) == [one]
    assert may_run(None, plans, NOW + timedelta(seconds=40)) == [two, one]
    assert may_run(says(1, one), plans, NOW + timedelta(seconds=60)) == [one]
    assert may_run(None, (), NOW) == [None]
