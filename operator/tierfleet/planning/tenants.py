"""Who may call: the tenants of a policy, put together from its Secrets.

Secrets are made by people one by one, so every one of them can be wrong; what is right in the rest
counts all the same. It must not know how the Secrets are found or decoded.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tierfleet import plan
from tierfleet.api import TierPolicy
from tierfleet.api.tierpolicy import PolicyReason
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.tenancy import Problem, Tenancy, TenantSecret

SHARD_BYTES = 1_000_000
"""Most bytes of tenants in one part of a plan: a Secret holds 1 MiB (core/v1 MaxSecretSize)."""


def of(snapshot: Snapshot, policy: TierPolicy) -> Tenancy:
    """The tenants of the policy."""
    known = snapshot.tenancies.get(policy.key)
    if known is not None:
        return known
    return put_together(snapshot.tenants_of(policy.key), policy)


def put_together(found: Iterable[TenantSecret], policy: TierPolicy) -> Tenancy:
    """The tenants of the policy that these Secrets name.

    The oldest Secret of each decides tier, weight and access.
    """
    tiers = {tier.name for tier in policy.spec.tiers}
    secrets = sorted(found, key=lambda s: (s.created, s.name))
    problems = [p for secret in secrets for p in _own_problems(secret, tiers)]
    of_tenant: dict[str, list[TenantSecret]] = defaultdict(list)
    for secret in secrets:
        if secret.tenant and secret.tier in tiers:
            of_tenant[secret.tenant].append(secret)
    refused: set[str] = set()
    for problem, key in _duplicates(of_tenant):
        refused.add(key)
        problems.append(problem)
    tenants = []
    for name, own in of_tenant.items():
        problems += _conflicts(name, own)
        keys = {key for secret in own for key in secret.keys} - refused
        tenants.append(
            plan.Tenant(name=name, tier=own[0].tier, weight=own[0].weight, keys=tuple(keys))
        )
    kept, dropped = _within_bounds(tenants)
    if dropped:
        problems.append(_overflow(dropped))
    return Tenancy(
        tenants=tuple(sorted(kept, key=lambda tenant: tenant.name)),
        labels={tenant.name: of_tenant[tenant.name][0].labels for tenant in kept},
        problems=tuple(problems),
    )


def _own_problems(secret: TenantSecret, tiers: set[str]) -> Iterator[Problem]:
    for problem in secret.problems:
        yield Problem(PolicyReason.INVALID_SECRET, f"Secret {secret.name!r} {problem}.")
    if secret.tier and secret.tier not in tiers:
        yield Problem(
            PolicyReason.UNKNOWN_TIER,
            f"Secret {secret.name!r} puts tenant {secret.tenant!r} into tier {secret.tier!r}, "
            f"which is not one of {', '.join(sorted(tiers))}: its keys are refused. "
            "Correct its label tierfleet.dev/tier.",
        )


def _duplicates(of_tenant: Mapping[str, Sequence[TenantSecret]]) -> Iterator[tuple[Problem, str]]:
    """Keys that more than one tenant has: nobody could say who is calling."""
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for name, secrets in of_tenant.items():
        for secret in secrets:
            for key in secret.keys:
                owners[key].setdefault(name, secret.name)
    for key, secret_of in owners.items():
        if len(secret_of) > 1:
            names = " and ".join(f"{name!r} (Secret {s!r})" for name, s in secret_of.items())
            yield (
                Problem(
                    PolicyReason.DUPLICATE_KEY,
                    f"Tenants {names} have the same key, so it is refused; their other keys work. "
                    "Give each of them a key of its own.",
                ),
                key,
            )


def _conflicts(name: str, secrets: Sequence[TenantSecret]) -> Iterator[Problem]:
    oldest, *others = secrets
    for other in others:
        if other.tier != oldest.tier:
            yield Problem(
                PolicyReason.TENANT_CONFLICT,
                f"Secret {oldest.name!r} puts tenant {name!r} into tier {oldest.tier!r} and Secret "
                f"{other.name!r} into tier {other.tier!r}: the older one, {oldest.name!r}, wins. "
                "Make their labels tierfleet.dev/tier the same.",
            )
        # One without the annotation, such as a second key during a rotation, says nothing.
        if other.weight not in {None, oldest.weight}:
            yield Problem(
                PolicyReason.TENANT_CONFLICT,
                f"Secret {other.name!r} gives tenant {name!r} weight {other.weight}, but Secret "
                f"{oldest.name!r} is older and decides: it gives {oldest.weight or 'none'}. Make "
                "their annotations tierfleet.dev/weight the same.",
            )


def _within_bounds(
    tenants: Sequence[plan.Tenant],
) -> tuple[list[plan.Tenant], list[plan.Tenant]]:
    """The tenants that a plan has room for, the oldest first, and the others."""
    at_most = sum(_entry_bytes(tenant) + _KEY_BYTES * len(tenant.keys) for tenant in tenants)
    if at_most <= SHARD_BYTES:
        return list(tenants), []
    used: Counter[str] = Counter()
    kept, dropped = [], []
    for tenant in tenants:
        entry = _entry_bytes(tenant)
        keys = Counter(key[0] for key in tenant.keys) or {plan.sha256_hex(tenant.name)[0]: 0}
        size = {shard: entry + count * _KEY_BYTES for shard, count in keys.items()}
        if all(used[shard] + more <= SHARD_BYTES for shard, more in size.items()):
            kept.append(tenant)
            used.update(size)
        else:
            dropped.append(tenant)
    return kept, dropped


def _entry_bytes(tenant: plan.Tenant) -> int:
    """Upper bound of a tenant's line in a part, without its keys."""
    return 80 + len(tenant.name) + len(tenant.tier)


_KEY_BYTES = 68
"""64 hex digits, two quotes and a comma, and one for good measure."""


def _overflow(dropped: Sequence[plan.Tenant]) -> Problem:
    return Problem(
        PolicyReason.TOO_MANY_TENANTS,
        f"There is no room for {len(dropped)} of the newest tenants, such as "
        f"{dropped[-1].name!r}: their keys are refused. Move tenants to another TierPolicy, with "
        "pools of its own.",
    )
