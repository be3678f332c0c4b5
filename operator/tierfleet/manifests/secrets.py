"""The Secrets of a pool: the plan in its parts, and the tokens of the admin port."""

import base64
from collections.abc import Mapping
from typing import NamedTuple, Self

from tierfleet import plan as plans
from tierfleet.api import InferencePool
from tierfleet.manifests import metadata, names
from tierfleet.manifests.metadata import Raw
from tierfleet.plan.parts import INDEX, SHARDS, shard_part

ADMIN = "admin"
HOOK = "hook"


class Tokens(NamedTuple):
    """The bearers that a pool's sidecars ask for, in clear.

    Attributes:
        admin: for `/planz`, `/queuez` and `/drain`.
        hook: for `/drain` only; it stands in the pod template, where more people can read it.
    """

    admin: str
    hook: str

    @classmethod
    def of(cls, data: Mapping[str, bytes]) -> Self | None:
        """The tokens of an existing Secret; None if one is missing, empty or not ASCII."""
        try:
            admin, hook = (data[name].decode("ascii") for name in (ADMIN, HOOK))
        except (KeyError, UnicodeDecodeError):
            return None
        return cls(admin, hook) if admin and hook else None


def tokens(pool: InferencePool, values: Tokens) -> Raw:
    """The tokens: made once and then kept, because the hook token is part of the pod template."""
    content = {ADMIN: values.admin.encode(), HOOK: values.hook.encode()}
    return _secret(pool, names.tokens(pool.metadata.name), content)


def plan(pool: InferencePool, document: plans.Plan) -> tuple[Raw, ...]:
    """The parts of the plan, one Secret each; the index comes last."""
    parts = plans.split(document)
    return tuple(
        _secret(pool, name, {part: parts[part]})
        for part, name in reversed(part_names(pool.metadata.name).items())
    )


def part_names(pool: str) -> dict[str, str]:
    """The name of the Secret of each part of the plan, the index first."""
    return {INDEX: names.plan_index(pool)} | {
        shard_part(shard): names.plan_shard(pool, shard) for shard in SHARDS
    }


def _secret(pool: InferencePool, name: str, content: Mapping[str, bytes]) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata.of(pool, name, "plan"),
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in content.items()},
    }
