"""What one plan means for every request, worked out once when the plan comes into force. Pure."""

from urllib.parse import unquote_to_bytes

import msgspec

from tierfleet.plan import Plan
from tierfleet.sidecar import answers
from tierfleet.sidecar.answers import Answer
from tierfleet.sidecar.engines import ADAPTERS
from tierfleet.sidecar.headers import field_value
from tierfleet.sidecar.identify import Callers

MODELS = b"/v1/models"


class Rules:
    """A plan, ready for use.

    Attributes:
        plan: itself.
        callers: its tenants by key.
        fields: header lines that name it, for every answer.
        model: the name under which the engine knows it.
        priority_sign: of the `priority` that the engine is sent; 0 for none.
        tiers: names of the plan's tiers.
    """

    __slots__ = ("_models", "callers", "fields", "model", "plan", "priority_sign", "tiers")

    def __init__(self, plan: Plan, created: int) -> None:
        self.plan = plan
        self.callers = Callers(plan)
        self.model = plan.model.name
        adapter = ADAPTERS[plan.engine_type]
        self.priority_sign = adapter.priority_sign if plan.engine_priority else 0
        self.tiers = frozenset(tier.name for tier in plan.tiers)
        self.fields = b"x-tierfleet-policy: %b@%b\r\nx-tierfleet-plan: %b\r\n" % (
            field_value(plan.policy),
            field_value(plan.burndown.version),
            field_value(plan.version),
        )
        self._models = [
            {"id": name, "object": "model", "created": created, "owned_by": "tierfleet"}
            for name in (plan.model.name, *plan.model.aliases)
        ]

    def models(self, path: bytes) -> Answer:
        """To GET /v1/models, or to GET /v1/models/NAME."""
        if path == MODELS:
            return _json({"object": "list", "data": self._models})
        name = unquote_to_bytes(path[len(MODELS) + 1 :]).decode(errors="replace")
        for model in self._models:
            if model["id"] == name:
                return _json(model)
        return answers.no_such_model(name, self.plan.model)


def _json(document: object) -> Answer:
    return Answer(200, b"content-type: application/json\r\n", msgspec.json.encode(document))
