"""`--set`: the same plan and engine, different in one thing. Pure.

`reservation.acme.percent=40` grants what the operator would: percents are of the total rate of all
desired replicas. Every other name is a field of the plan document (docs/plan-v1.md) or of the
engine, by its own name.
"""

import dataclasses
import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import yaml

from tierfleet.engine.config import EngineConfig, SchedulingPolicy
from tierfleet.plan import Plan, PlanError, parse, render

_LISTS = {
    "reservation": "reservations",
    "tier": "tiers",
    "tenant": "tenants",
    "group": "groups",
}
_RATES = ("percent", "serviceTokensPerSecond")
"""Of a reservation: each is what it declares, and what is granted follows from it."""
_ENGINE = tuple(field.name for field in dataclasses.fields(EngineConfig) if field.name != "cost")
_EXAMPLE = "Give something like reservation.acme.percent=40 or tier.pro.weight=3."


class ChangeError(ValueError):
    """A change cannot be made; the message is a sentence for the person who asked for it."""


def apply(plan: Plan, engine: EngineConfig, changes: Iterable[str]) -> tuple[Plan, EngineConfig]:
    """The plan and the engine with all changes made, in order.

    Raises:
        ChangeError: naming the change and what is wrong with it.
    """
    for change in changes:
        path, equals, text = change.partition("=")
        kind, _, rest = path.strip().partition(".")
        try:
            if not equals or not rest:
                raise ChangeError(f"that is not a change. {_EXAMPLE}")  # noqa: TRY301
            if kind == "engine":
                engine = _change_engine(engine, rest, text.strip())
            else:
                plan = _change_plan(plan, kind, rest, _value(text.strip()))
        except (ChangeError, PlanError) as error:
            raise ChangeError(f"--set {change}: {error}") from None
    return plan, engine


def _change_engine(engine: EngineConfig, name: str, text: str) -> EngineConfig:
    if name not in _ENGINE:
        raise ChangeError(f"an engine has no {name!r}, but {', '.join(_ENGINE)}.")
    changes: dict[str, Any] = {name: _size(engine, name, text)}
    try:
        return dataclasses.replace(engine, **changes)
    except ValueError as error:
        raise ChangeError(f"that engine cannot be: {error}") from None


def _size(engine: EngineConfig, name: str, text: str) -> int | SchedulingPolicy:
    is_policy = name == "scheduling_policy"
    try:
        return SchedulingPolicy(text) if is_policy else int(text)
    except ValueError:
        what = f"one of {', '.join(SchedulingPolicy)}" if is_policy else "a whole number"
        raise ChangeError(f"{name} is {what}, such as {getattr(engine, name)}.") from None


def _change_plan(plan: Plan, kind: str, rest: str, value: Any) -> Plan:
    if kind not in _LISTS:
        raise ChangeError(f"{kind!r} is not one of {', '.join(_LISTS)}, engine. {_EXAMPLE}")
    document = render(plan)
    del document["version"]
    items: list[dict[str, Any]] = document.get(_LISTS[kind], [])
    named = [item for item in items if f"{rest}.".startswith(f"{item['name']}.")]
    if not named:
        known = ", ".join(item["name"] for item in items) or "none"
        raise ChangeError(f"the plan has no such {kind}; it has: {known}.")
    # Names may have dots: the longest one that fits is meant.
    item = max(named, key=lambda item: len(item["name"]))
    field = rest[len(item["name"]) + 1 :]
    if field:
        _set_field(plan, item, field, value, is_reservation=kind == "reservation")
    elif value is None:
        items.remove(item)
    else:
        raise ChangeError(f"which field of it? {_EXAMPLE} {kind}.{rest}=null leaves it out.")
    return parse(document)


def _set_field(
    plan: Plan, item: dict[str, Any], field: str, value: Any, *, is_reservation: bool
) -> None:
    field = field.removeprefix("declared.") if is_reservation else field
    if is_reservation and field not in _RATES and (meant := get_close_matches(field, _RATES)):
        raise ChangeError(f"a reservation has no {field!r} (did you mean {meant[0]}?).")
    if is_reservation and field == "percent":
        item["declared"] = {"percent": value}
        item["granted"] = _rate(plan, value)
    elif is_reservation and field == "serviceTokensPerSecond":
        item["declared"] = {"serviceTokensPerSecond": value}
        item["granted"] = value
    else:
        *path, last = field.split(".")
        for step in path:
            inner = item.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ChangeError(f"{step} has no fields; set it as a whole.")
            item = inner
        if value is None:
            item.pop(last, None)
        else:
            item[last] = value


def _rate(plan: Plan, percent: Any) -> int:
    """Service tokens per second, as the operator grants them (`planning.promises.amount`)."""
    if not isinstance(percent, int) or not 1 <= percent <= 100:
        raise ChangeError("a percent is a whole number from 1 to 100.")
    unknown = [g.name for g in plan.groups if g.desired and not g.service_tokens_per_second]
    if unknown:
        raise ChangeError(
            f"a percent of what? The plan does not say the rate of group {unknown[0]}: add"
            f" --set group.{unknown[0]}.serviceTokensPerSecond=… before it, or set the"
            " reservation's serviceTokensPerSecond instead."
        )
    total = sum(group.desired * group.service_tokens_per_second for group in plan.groups)
    return total * percent // 100


def _value(text: str) -> Any:
    """Whole numbers, true, false and null as in JSON, lists as in YAML; all else is text."""
    try:
        value = yaml.safe_load(text) if text.startswith("[") else json.loads(text)
    except (ValueError, yaml.YAMLError):
        return text
    if isinstance(value, list):
        return value
    return value if value is None or isinstance(value, int) else text
