"""The plan document as a whole: consistent, versioned by its content, read and written. Pure."""

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tierfleet.plan.base import Name, Part, Percent, Sha256, sha256_hex
from tierfleet.plan.findings import explain
from tierfleet.plan.fleet import EngineType, Group, MeanCost, Model, PoolIdentity, share
from tierfleet.plan.policy import Burndown, Enforcement, Identification, Tenant, Tier
from tierfleet.plan.reservations import Reservation

SCHEMA_VERSION: Literal["v1"] = "v1"


class PlanError(ValueError):
    """The plan cannot be used; the message is a sentence for the person who wrote it."""


class Plan(Part):
    """A whole, consistent plan. `version` is a hash of the content: same content, same version.

    Lists are sorted when the plan is made (tiers by priority, tenants and groups by name,
    reservations by rank), so the version does not depend on the order of input. A `version` that
    is given must fit the content; one that is left out is filled in.

    Raises:
        pydantic.ValidationError: on construction from bad values; `parse` and `join` turn it into
            a `PlanError`.
    """

    schema_version: Literal["v1"] = SCHEMA_VERSION
    version: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")] = ""
    pool: PoolIdentity
    policy: Name = "standalone"
    model: Model
    engine_type: EngineType = EngineType.CUSTOM
    engine_priority: bool = False
    enforcement: Enforcement = Enforcement.ENFORCE
    burndown: Burndown = Burndown()
    scheduling: Burndown | None = None
    identification: Identification = Identification()
    lendable_percent: Percent = 100
    admin_token_sha256: Sha256 | None = None
    hook_token_sha256: Sha256 | None = None
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=16)]
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    mean_cost: MeanCost | None = None
    reservations: tuple[Reservation, ...] = ()
    tenants: tuple[Tenant, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _sorted(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for field, key in (("tiers", _tier_order), ("groups", _name_of), ("tenants", _name_of)):
            if isinstance(data.get(field), list | tuple):
                data[field] = sorted(data[field], key=key)
        if isinstance(data.get("reservations"), list | tuple):
            data["reservations"] = sorted(data["reservations"], key=_rank_order)
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _unique("tier", (tier.name for tier in self.tiers))
        _unique("group", (group.name for group in self.groups))
        _unique("reservation", (reservation.uid for reservation in self.reservations))
        _unique("tenant", (tenant.name for tenant in self.tenants))
        _unique_keys(self.tenants)
        tiers = {tier.name for tier in self.tiers}
        for tenant in self.tenants:
            if tenant.tier not in tiers:
                raise ValueError(
                    f"tenant {tenant.name!r} is in tier {tenant.tier!r}, {_not_a_tier(tiers)}"
                )
        anonymous = self.identification.anonymous.tier
        if anonymous is not None and anonymous not in tiers:
            raise ValueError(
                f"anonymous callers are given tier {anonymous!r}, {_not_a_tier(tiers)}"
            )
        for reservation in self.reservations:
            spill = reservation.spillover.tier
            if spill is not None and spill not in tiers:
                raise ValueError(
                    f"reservation {reservation.name!r} spills over to tier {spill!r}, "
                    f"{_not_a_tier(tiers)}"
                )
        if self.engine_priority and not self.engine_type.takes_priority:
            raise ValueError(
                f"enginePriority: a request cannot tell {self.engine_type} a priority; "
                "leave it out, or name the engine in engineType"
            )
        expected = _version(self)
        if not self.version:
            object.__setattr__(self, "version", expected)
        elif self.version != expected:
            raise ValueError(
                f"version {self.version} does not fit the content, which has {expected}; "
                "leave the field out of a plan that is written by hand"
            )
        return self

    def tier(self, name: str) -> Tier:
        """The tier of that name.

        Raises:
            KeyError: no such tier.
        """
        for tier in self.tiers:
            if tier.name == name:
                return tier
        raise KeyError(name)

    def group(self, name: str) -> Group:
        """The group of that name.

        Raises:
            PlanError: no such group, with the names there are.
        """
        for group in self.groups:
            if group.name == name:
                return group
        known = ", ".join(group.name for group in self.groups)
        raise PlanError(f"The plan has no group {name!r}; its groups are: {known}.")

    def share(self, group_name: str) -> Fraction:
        """Part of every fleet-wide rate that one replica of the group serves, in (0, 1].

        Raises:
            PlanError: no such group.
        """
        return share(self.groups, self.group(group_name))


def _unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} {name!r} is listed twice; names must be unique")
        seen.add(name)


def _unique_keys(tenants: Iterable[Tenant]) -> None:
    owners: dict[str, str] = {}
    for tenant in tenants:
        for key in tenant.keys:
            if key in owners:
                raise ValueError(
                    f"tenants {owners[key]!r} and {tenant.name!r} have one key; whoever sends it"
                    " can be one of them only"
                )
            owners[key] = tenant.name


def _not_a_tier(tiers: Iterable[str]) -> str:
    return f"which is not one of the tiers: {', '.join(sorted(tiers))}"


def _field(item: Any, name: str) -> Any:
    if isinstance(item, Mapping):
        return item.get(to_camel(name), item.get(name))
    return getattr(item, name, None)


def _name_of(item: Any) -> str:
    return str(_field(item, "name"))


def _tier_order(item: Any) -> tuple[int, str]:
    priority = _field(item, "priority")
    return (-priority if isinstance(priority, int) else 0, _name_of(item))


def _rank_order(item: Any) -> tuple[int, str]:
    rank = _field(item, "rank")
    return (rank if isinstance(rank, int) else 0, str(_field(item, "uid")))


def _version(plan: Plan) -> str:
    """Defaults are left out, so a field added later with a default changes no version."""
    content = plan.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"version"}
    )
    return sha256_hex(json.dumps(content, sort_keys=True, separators=(",", ":")))[:16]


def parse(document: Any) -> Plan:
    """A plan from a decoded JSON or YAML document, as a person writes it in one file.

    Raises:
        PlanError: with the path of what is wrong, and why.
    """
    if not isinstance(document, Mapping):
        raise PlanError("A plan must be a mapping with the fields of docs/plan-v1.md.")
    try:
        return Plan.model_validate(document)
    except ValidationError as error:
        raise PlanError(explain(error, Plan)) from error


def render(plan: Plan) -> dict[str, Any]:
    """The whole plan as one JSON-compatible document without defaults; `parse` reads it back."""
    content = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"schemaVersion": SCHEMA_VERSION, "version": plan.version, **content}


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the whole document: `docs/plan-v1.schema.json`."""
    schema = Plan.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
