"""The memory of planning: what the plan in force says was accepted, granted and measured.

It is recorded in the plan itself (reservations with rank and time, groups with the time of their
rate), because the plan is what is enforced; `status` only mirrors it. It must not know how the plan
is stored.
"""

import json

from pydantic import TypeAdapter, ValidationError

from tierfleet import plan
from tierfleet.planning import traffic
from tierfleet.planning.published import NOTHING_RECORDED, Recorded

_RESERVATIONS = TypeAdapter(tuple[plan.Reservation, ...])
_GROUPS = TypeAdapter(tuple[plan.Group, ...])
_MEAN_COST = TypeAdapter(plan.MeanCost | None)


def read(index: bytes) -> Recorded:
    """What the index of a plan (`plan.INDEX`) says; nothing if it cannot be read.

    A damaged record cannot be told from none: what it promised is judged anew, in the order of
    creation.
    """
    try:
        document = json.loads(index)
        return Recorded(
            version=str(document["version"]),
            reservations=_RESERVATIONS.validate_python(document.get("reservations", ())),
            groups=_GROUPS.validate_python(document.get("groups", ())),
            shadow=document.get("enforcement") == plan.Enforcement.SHADOW,
            policy=str(document.get("policy", "")),
            mean_cost=traffic.recorded(
                _MEAN_COST.validate_python(document.get("meanCost")),
                plan.Burndown.model_validate(document.get("burndown", {})),
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError, ValidationError):
        return NOTHING_RECORDED


def of(document: plan.Plan) -> Recorded:
    """What the index of this plan would say."""
    return Recorded(
        version=document.version,
        reservations=document.reservations,
        groups=document.groups,
        shadow=document.enforcement is plan.Enforcement.SHADOW,
        policy=document.policy,
        mean_cost=traffic.recorded(document.mean_cost, document.burndown),
    )
