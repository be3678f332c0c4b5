"""What the core takes from its plan: whom it serves, its part of the fleet, what it cannot obey."""

import pytest

from tests.unit.admission.replica import Replica, plan_of, reservation, tiers
from tierfleet.admission.core import Core
from tierfleet.admission.supported import unsupported
from tierfleet.admission.types import EngineLimits, ShedReason
from tierfleet.plan import PlanError


def test_callers_that_the_plan_does_not_serve_are_told_apart() -> None:
    replica = Replica(tenants=[{"name": "barred", "tier": "gold", "access": False}])
    reasons = [replica.reason(replica.send(tenant)) for tenant in ("barred", "nobody", None)]
    assert reasons == [ShedReason.NO_ACCESS, ShedReason.UNKNOWN_TENANT, ShedReason.UNKNOWN_TENANT]


def test_anonymous_callers_get_the_tier_that_the_plan_gives_them() -> None:
    anonymous = {"action": "Tier", "tier": "bronze"}
    replica = Replica(identification={"anonymous": anonymous})
    assert replica.dispatch[replica.send(None)].tier == "bronze"


def test_a_replica_takes_its_share_of_queues_and_of_concurrency() -> None:
    limited = tiers(gold={"limits": {"maxConcurrentRequests": 4}, "queue": {"maxRequests": 6}})
    groups = [{"name": "h100", "accelerator": "h100", "desired": 2}]
    replica = Replica(9, tiers=limited, groups=groups)
    replica.many(9, "gold-0")
    assert (len(replica.running), len(replica.waiting), len(replica.shed)) == (2, 3, 4)


def test_a_plan_without_the_group_is_refused_and_the_old_one_stays() -> None:
    replica = Replica()
    other = EngineLimits("b200", 1)
    with pytest.raises(PlanError, match="no group 'b200'"):
        replica.core.replan(0, plan_of(), other)
    with pytest.raises(PlanError, match="no group 'b200'"):
        Core(plan_of(), other)
    assert replica.send("gold-0") in replica.running


def test_what_cannot_be_obeyed_is_said_with_its_path() -> None:
    asked = {
        "tiers": tiers(gold={"minimumPercent": 10}),
        "reservations": [reservation(lending={"lendablePercent": 50})],
    }
    of_unknown_rate = [{"name": "h100", "accelerator": "h100", "desired": 1}]
    messages = unsupported(plan_of(groups=of_unknown_rate, **asked))
    assert {message.split(":")[0] for message in messages} == {
        "tiers[gold].minimumPercent",
        "reservations[contract].lending.lendablePercent",
    }
    assert unsupported(plan_of(**asked)) == ()
    assert unsupported(plan_of(reservations=[reservation()])) == ()
