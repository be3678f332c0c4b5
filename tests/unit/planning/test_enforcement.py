"""Which plan do the replicas run, by what they said; and what people are told of it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    H100,
    NAMESPACE,
    NOW,
    changed,
    given,
    nodes,
    plan_of,
    policy,
    pool,
    replica,
    reported,
    reservation,
    world,
)
from tierfleet.api.conditions import Condition, Judgement
from tierfleet.plan import Plan
from tierfleet.planning import enforcement
from tierfleet.planning.published import Report
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import enforced

KEY = (NAMESPACE, "pool")


def replicas(*names: str, **more: Any) -> tuple[Any, ...]:
    return tuple(replica("pool", "h100", "h100", 1, name=n, ready=True, **more) for n in names)


def serving(*names: str, **more: Any) -> Snapshot:
    """A pool of three with a contract, of which these replicas are ready."""
    return world(
        pool(replicas=3),
        reservation("acme", 500),
        nodes=nodes(H100, 1),
        pods=replicas(*names),
        **more,
    )


def plan_with(requests: int, *contracts: Any) -> Plan:
    """A plan of that pool, another one for every number."""
    tier = {"name": "enterprise", "priority": 1, "limits": {"requestsPerMinute": requests}}
    made = plan_of(world(pool(replicas=3), policy(tier), *contracts, nodes=nodes(H100, 1))).plan
    assert made is not None
    return made


ACME = reservation("acme", 500)
OLD, NEW = plan_with(1, ACME), plan_with(2, ACME)
WITHOUT = plan_with(3)


def says(number: int, plan: Plan, **more: Any) -> Report:
    return Report(number, more.pop("starts", 0), NOW, plan.version, **more)


def silent(since: int, **more: Any) -> Report:
    return Report(1, 0, NOW - timedelta(seconds=since), silence="nobody is there.", **more)


SHARED = (
    "Each counts limits and contracts by its share of them, which is approximate where callers "
    "come to replicas unevenly: there is no ledger yet."
)


def pool_says(snapshot: Snapshot) -> Judgement:
    return enforced.of_pool(enforcement.of(snapshot, KEY))


def acme_says(snapshot: Snapshot) -> Judgement:
    return enforced.of_reservation("uid-acme", enforcement.of(snapshot, KEY))


def test_all_report_the_plan_in_force() -> None:
    state = given(serving("x", "y"), OLD, NEW)
    state = reported(state, {"x": says(1, NEW), "y": says(1, NEW)})
    found = enforcement.of(state, KEY)
    assert (found.ready, found.current, found.next_change) == (2, 2, None)
    assert pool_says(state) == (
        "True",
        "PerReplicaShares",
        f"2 of 2 ready replicas report plan {NEW.version}. {SHARED}",
    )
    assert acme_says(state)[:2] == ("True", "Enforced")


def test_a_single_replica_counts_exactly_and_no_share_is_told() -> None:
    group = NEW.groups[0].model_copy(update={"desired": 1})
    alone = Plan(**{**dict(NEW), "groups": (group,), "version": ""})
    state = reported(given(serving("x"), OLD, alone), {"x": says(1, alone)})
    assert pool_says(state) == (
        "True",
        "Enforced",
        f"1 of 1 ready replicas report plan {alone.version}.",
    )


def test_for_two_minutes_the_plan_before_will_do() -> None:
    said = {"x": says(1, NEW), "y": says(1, OLD)}
    early = reported(given(serving("x", "y"), OLD, NEW, ago=119), said)
    assert pool_says(early) == (
        "True",
        "PerReplicaShares",
        (
            f"1 of 2 ready replicas report plan {NEW.version}; the others are given it within "
            f"120 s. {SHARED}"
        ),
    )
    assert acme_says(early)[:2] == ("True", "Enforced"), "the plan before has it as well"
    found = enforcement.of(early, KEY)
    assert (found.current, found.next_change) == (1, NOW + timedelta(seconds=1))
    late = changed(early, now=NOW + timedelta(seconds=1))
    status, reason, message = pool_says(late)
    assert (status, reason) == ("False", "PlanOverdue")
    assert message == (
        f"1 of 2 ready replicas report plan {NEW.version}, which all are given within 120 s. "
        f"y is still at plan {OLD.version}. Look at its sidecar's log and at its node."
    )
    assert enforcement.of(late, KEY).next_change is None
    assert acme_says(late)[:2] == ("True", "Enforced"), "the same contract stands in both"


def test_a_replica_is_late_by_the_plan_that_followed_its_own() -> None:
    """Not by the newest one: plans that change each minute would hide it for ever."""
    state = given(serving("x", "y"), OLD, WITHOUT, NEW, ago=61)
    state = reported(state, {"x": says(2, NEW), "y": says(2, OLD)})
    assert pool_says(state)[:2] == ("False", "PlanOverdue")
    state = reported(state, {"y": says(2, WITHOUT)})
    assert pool_says(state)[:2] == ("True", "PerReplicaShares")


@pytest.mark.parametrize("ago", [10, 500])
def test_a_replica_that_refuses_the_plan_is_named_at_once_with_its_words(ago: int) -> None:
    why = "tiers.0.nice: it is not known.\n" + "x" * 1000
    state = given(serving("b", "a", "c"), OLD, NEW, ago=ago)
    state = reported(
        state,
        {"a": says(1, NEW), "b": says(1, OLD, refusal=why), "c": says(1, OLD, refusal="no")},
    )
    status, reason, message = pool_says(state)
    assert (status, reason) == ("False", "PlanRefused")
    assert message.startswith(
        f"2 of 3 ready replicas refuse plan {NEW.version}. b goes on with {OLD.version}: "
        "tiers.0.nice: it is not known. xxx"
    )
    assert len(message) < 600


def test_a_replica_that_is_silent_is_late_two_minutes_after_it_was_first_asked() -> None:
    state = given(serving("x", "y"), OLD, NEW)
    state = reported(state, {"x": says(1, NEW), "y": silent(119)})
    assert pool_says(state)[0] == "True"
    assert enforcement.of(state, KEY).next_change == NOW + timedelta(seconds=1)
    state = reported(state, {"y": silent(120)})
    status, reason, message = pool_says(state)
    assert (status, reason) == ("False", "PlanOverdue")
    assert "s. y has not reported (nobody is there.). Look" in message


def test_who_has_not_been_asked_yet_flips_nothing() -> None:
    state = reported(given(serving("x", "y"), OLD, NEW), {"x": says(1, NEW)})
    assert pool_says(state)[0] == "True"
    assert acme_says(state)[0] == "True"
    assert enforcement.of(state, KEY).next_change is None


def test_without_any_report_nothing_is_known() -> None:
    state = given(serving("x", "y"), OLD, NEW)
    nobody = "No ready replica has reported yet which version of the plan it runs."
    assert pool_says(state) == ("Unknown", "NoReports", nobody)
    assert acme_says(state) == pool_says(state)
    tried = reported(state, {"y": silent(500), "x": silent(1)})
    assert pool_says(tried)[:2] == ("Unknown", "NoReports")
    assert pool_says(tried).message == (
        f"{nobody} x: nobody is there. The operator has to reach the admin port of the pool's pods."
    )
    assert pool_says(serving("x"))[:2] == ("Unknown", "NoReports"), "there is no plan yet"


def test_what_a_replica_said_before_it_was_started_again_counts_no_more() -> None:
    state = changed(given(serving(), OLD, NEW), pods=replicas("x", starts=1))
    assert pool_says(reported(state, {"x": says(1, NEW)}))[:2] == ("Unknown", "NoReports")
    again = reported(state, {"x": says(1, NEW, starts=1)})
    assert enforcement.of(again, KEY).current == 1


def test_only_replicas_that_are_ready_and_stay_count() -> None:
    pods = (
        *replicas("x"),
        *replicas("gone", terminating=True),
        *replicas("over", finished=True),
        replica("pool", "h100", "h100", 1, name="starts"),
    )
    state = reported(changed(given(serving(), OLD, NEW), pods=pods), {"x": says(1, NEW)})
    found = enforcement.of(state, KEY)
    assert (found.ready, found.current) == (1, 1)
    assert pool_says(state)[0] == "True"


def test_an_equal_plan_of_before_is_another_one() -> None:
    """What was said of the first is not said of the third: there was another in between."""
    state = given(serving("x"), OLD, NEW, OLD, ago=60)
    state = reported(state, {"x": says(0, OLD)})
    found = enforcement.of(state, KEY)
    assert (found.current, found.next_change) == (0, None)
    assert found.late, "the second one is two minutes old"
    assert enforcement.of(reported(state, {"x": says(2, OLD)}), KEY).current == 1


def test_a_reservation_is_enforced_once_it_is_in_every_plan_that_is_reported() -> None:
    state = given(serving("x", "y"), WITHOUT, NEW, ago=60)
    state = reported(state, {"x": says(1, NEW), "y": says(1, WITHOUT)})
    assert pool_says(state)[0] == "True"
    assert acme_says(state)[:2] == ("Unknown", "RollingOut")
    state = changed(state, now=NOW + timedelta(seconds=60))
    assert acme_says(state) == pool_says(state)
    assert acme_says(state)[:2] == ("False", "PlanOverdue")
    assert acme_says(reported(state, {"y": says(1, NEW)}))[0] == "True"


def test_an_older_form_of_a_contract_will_do_as_long_as_the_plan_before() -> None:
    before = plan_with(1, reservation("acme", 400))
    state = given(serving("x", "y"), before, NEW, ago=60)
    state = reported(state, {"x": says(1, NEW), "y": says(1, before)})
    assert acme_says(state)[0] == "True"
    assert acme_says(changed(state, now=NOW + timedelta(seconds=60)))[0] == "False"


def test_a_plan_that_is_not_known_any_more_promises_nothing() -> None:
    state = reported(given(serving("x"), NEW, ago=60), {"x": says(0, OLD)})
    assert pool_says(state)[0] == "True"
    assert acme_says(state)[:2] == ("Unknown", "RollingOut")
    assert enforcement.of(state, KEY).next_change == NOW + timedelta(seconds=60)


def test_shadow_wins_over_reports() -> None:
    shadow = plan_of(
        world(pool(), policy(enforcement="Shadow"), reservation("acme", 5), nodes=nodes(H100, 1))
    ).plan
    assert shadow is not None
    state = reported(given(serving("x"), shadow), {"x": says(0, shadow)})
    assert pool_says(state)[:2] == acme_says(state)[:2] == ("False", "Shadow")
    assert enforcement.of(state, KEY).current == 1


def test_what_was_found_before_a_restart_stands_until_somebody_is_asked() -> None:
    def condition(status: str, reason: str) -> Condition:
        return Condition.model_validate(
            {"type": "Enforced", "status": status, "reason": reason, "lastTransitionTime": NOW}
            | {"message": f"It was {reason}."}
        )

    state = given(serving("x", "y"), NEW)
    found = enforcement.of(state, KEY)
    assert found.unasked
    for status, reason in (("True", "Enforced"), ("False", "PlanRefused")):
        kept = (status, reason, f"It was {reason}.")
        assert enforced.of_pool(found, condition(status, reason)) == kept
        assert enforced.of_reservation("uid-acme", found, condition(status, reason)) == kept
    for reason in ("Shadow", "NotAccepted", "Pending"):
        assert enforced.of_pool(found, condition("False", reason)).reason == "NoReports"
    known = enforcement.of(reported(state, {"y": silent(1)}), KEY)
    assert not known.unasked
    assert enforced.of_pool(known, condition("True", "Enforced")).reason == "NoReports"
    nobody = enforcement.of(given(serving(), NEW), KEY)
    assert not nobody.unasked
    assert enforced.of_pool(nobody, condition("True", "Enforced")).reason == "NoReports"
