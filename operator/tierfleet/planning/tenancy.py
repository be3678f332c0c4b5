"""What is known of a policy's tenants: Secret by Secret, and put together.

Data only; it must not know how one becomes the other (`tenants.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tierfleet import plan
from tierfleet.api.tierpolicy import PolicyReason


@dataclass(frozen=True, slots=True)
class TenantSecret:
    """A Secret that makes a tenant known to a policy in its namespace.

    Attributes:
        policy: value of the label `tierfleet.dev/policy`.
        tenant: value of the label `tierfleet.dev/tenant`.
        tier: value of the label `tierfleet.dev/tier`.
        weight: of the annotation `tierfleet.dev/weight`; None without it, or while it is wrong.
        keys: SHA-256 of each key, lower-case hex; the clear ones never get here.
        problems: what is wrong with it, each a phrase such as `has no label tierfleet.dev/tier`;
            what is right in it counts all the same.
    """

    namespace: str
    name: str
    created: datetime
    policy: str
    tenant: str
    tier: str
    weight: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Problem(NamedTuple):
    """Something wrong with tenants, as a sentence with the next step."""

    reason: PolicyReason
    message: str


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The tenants of a policy.

    Attributes:
        tenants: by name, each with the keys that are valid.
        labels: of each tenant's oldest Secret; `access.tenantSelector` of a pool goes by them.
        problems: what is wrong, with the person's next step.
    """

    tenants: tuple[plan.Tenant, ...] = ()
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
