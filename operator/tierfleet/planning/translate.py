"""From the words of the kinds to the words of the plan: they name the same things alike.

So the JSON form of one reads as the other. All defaults are written out, because they belong to the
kinds: a plan must not change its meaning when its own defaults do.
"""

from typing import TypeVar

from tierfleet.api.common import Model
from tierfleet.plan import Part

_P = TypeVar("_P", bound=Part)


def to_plan(part: Model, kind: type[_P]) -> _P:
    """The part of a kind's spec as that part of a plan.

    Raises:
        pydantic.ValidationError: it contradicts itself, which the API server would have refused.
    """
    return kind.model_validate(part.model_dump(mode="json", by_alias=True, exclude_none=True))
