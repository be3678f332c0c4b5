"""Tenants from Secrets that people made: what is right counts, what is wrong is said."""

from collections.abc import Sequence

import pytest

from tests.unit.planning.world import policy, secret, world
from tierfleet.plan import Group, Model, Plan, PoolIdentity, Tier, sha256_hex, split
from tierfleet.plan.parts import INDEX
from tierfleet.planning import tenants
from tierfleet.planning.tenancy import Tenancy, TenantSecret


def of(*secrets: TenantSecret) -> Tenancy:
    found = policy()
    return tenants.of(world(found, tenants=secrets), found)


def told(tenancy: Tenancy) -> Sequence[tuple[str, str]]:
    return [(problem.reason, problem.message) for problem in tenancy.problems]


def keys(tenancy: Tenancy) -> dict[str, tuple[str, ...]]:
    return {tenant.name: tenant.keys for tenant in tenancy.tenants}


def test_a_tenant_has_the_keys_of_all_its_secrets() -> None:
    found = of(
        secret("acme", "enterprise", "old"),
        secret("acme", "enterprise", "new", "old", name="acme-2", age=1),
    )
    assert keys(found) == {"acme": tuple(sorted((sha256_hex("old"), sha256_hex("new"))))}
    assert told(found) == []


def test_of_two_tiers_the_older_secret_wins_and_all_keys_work() -> None:
    found = of(
        secret("acme", "retail", "new", name="young", age=1),
        secret("acme", "enterprise", "old", name="old", age=9),
    )
    assert [(tenant.tier, len(tenant.keys)) for tenant in found.tenants] == [("enterprise", 2)]
    assert told(found) == [
        (
            "TenantConflict",
            (
                "Secret 'old' puts tenant 'acme' into tier 'enterprise' and Secret 'young' into "
                "tier 'retail': the older one, 'old', wins. Make their labels tierfleet.dev/tier "
                "the same."
            ),
        )
    ]


def test_a_key_of_two_tenants_is_refused_and_the_rest_works() -> None:
    found = of(secret("acme", "enterprise", "same", "own"), secret("hobby", "retail", "same"))
    assert keys(found) == {"acme": (sha256_hex("own"),), "hobby": ()}
    assert told(found) == [
        (
            "DuplicateKey",
            (
                "Tenants 'acme' (Secret 'acme') and 'hobby' (Secret 'hobby') have the same key, so "
                "it is refused; their other keys work. Give each of them a key of its own."
            ),
        )
    ]


def test_a_tier_that_the_policy_does_not_have_is_named_and_its_keys_are_refused() -> None:
    found = of(secret("acme", "gold"), secret("hobby", "retail"))
    assert list(keys(found)) == ["hobby"]
    assert told(found)[0][0] == "UnknownTier"
    assert "tier 'gold', which is not one of enterprise, pro, retail" in told(found)[0][1]


def test_what_could_not_be_read_of_a_secret_is_said_and_the_rest_counts() -> None:
    found = of(secret("acme", problems=("has entry x, which must be a key",)))
    assert len(keys(found)["acme"]) == 1
    assert told(found) == [("InvalidSecret", "Secret 'acme' has entry x, which must be a key.")]


def test_a_secret_without_a_tenant_makes_none() -> None:
    nameless = secret("", "", name="odd", problems=("has no label tierfleet.dev/tenant",))
    assert keys(of(nameless)) == {}


def test_a_tenant_has_the_weight_of_its_oldest_secret_or_that_of_its_tier() -> None:
    found = of(
        secret("acme", weight=3),
        secret("acme", "enterprise", "second", name="acme-2", age=1),
        secret("hobby", "retail"),
    )
    assert {tenant.name: tenant.weight for tenant in found.tenants} == {"acme": 3, "hobby": None}
    assert told(found) == []


@pytest.mark.parametrize(("older", "younger", "says"), [(3, 5, "3"), (None, 1, "none")])
def test_of_two_weights_the_older_secret_wins(older: int | None, younger: int, says: str) -> None:
    found = of(secret("acme", weight=older), secret("acme", name="young", age=1, weight=younger))
    assert [tenant.weight for tenant in found.tenants] == [older]
    assert told(found) == [
        (
            "TenantConflict",
            (
                f"Secret 'young' gives tenant 'acme' weight {younger}, but Secret 'acme' is older "
                f"and decides: it gives {says}. Make their annotations tierfleet.dev/weight the "
                "same."
            ),
        )
    ]


def test_the_newest_tenants_are_dropped_when_a_part_of_the_plan_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tenants, "SHARD_BYTES", 20_000)
    huge = secret("huge", "retail", *(f"h-{n}" for n in range(3000)), age=2000)
    many = [
        secret(
            f"tenant-{i:05}", "enterprise", *(f"{i}-{n}" for n in range(20)), age=i, weight=10_000
        )
        for i in range(100)
    ]
    found = of(*many, huge)
    kept = {tenant.name for tenant in found.tenants}
    dropped = 101 - len(kept)
    assert 0 < dropped < 100
    assert {"huge", "tenant-00099"} <= kept
    assert "tenant-00000" not in kept
    assert told(found)[0][0] == "TooManyTenants"
    assert f"no room for {dropped} of the newest tenants" in told(found)[0][1]
    document = Plan(
        pool=PoolIdentity(name="p"),
        model=Model(name="m"),
        tiers=(Tier(name="enterprise", priority=1), Tier(name="retail", priority=0)),
        groups=(Group(name="g", accelerator="g", desired=1),),
        tenants=found.tenants,
    )
    largest = max(len(part) for name, part in split(document).items() if name != INDEX)
    assert 15_000 < largest <= 20_000
