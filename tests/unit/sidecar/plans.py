"""Plans for tests."""

from typing import Any

from tierfleet.plan import Plan, parse, sha256_hex

KEYS = {"acme": "sk-acme", "hobby": "sk-hobby", "stranger": "sk-stranger"}
ADMIN_TOKEN = "admin-token"
HOOK_TOKEN = "hook-token"


def document(**changes: Any) -> dict[str, Any]:
    """A plan by hand: two tiers, one reservation, one tenant without access."""
    base: dict[str, Any] = {
        "schemaVersion": "v1",
        "pool": {"namespace": "inference", "name": "llama"},
        "policy": "standard",
        "model": {"name": "llama", "aliases": ["default"]},
        "adminTokenSha256": sha256_hex(ADMIN_TOKEN),
        "hookTokenSha256": sha256_hex(HOOK_TOKEN),
        "tiers": [{"name": "enterprise", "priority": 100}, {"name": "retail", "priority": 0}],
        "groups": [
            {
                "name": "h100",
                "accelerator": "h100",
                "desired": 1,
                "serviceTokensPerSecond": 14000,
                "maxSequences": 2,
            }
        ],
        "reservations": [
            {
                "uid": "acme-1",
                "name": "acme",
                "tenants": ["acme"],
                "declared": {"percent": 30},
                "granted": 4200,
            }
        ],
        "tenants": [
            {"name": "acme", "tier": "enterprise", "keys": [sha256_hex(KEYS["acme"])]},
            {"name": "hobby", "tier": "retail", "keys": [sha256_hex(KEYS["hobby"])]},
            {
                "name": "stranger",
                "tier": "retail",
                "access": False,
                "keys": [sha256_hex(KEYS["stranger"])],
            },
        ],
    }
    return {**base, **changes}


def plan(**changes: Any) -> Plan:
    return parse(document(**changes))
