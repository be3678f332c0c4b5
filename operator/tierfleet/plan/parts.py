"""How a plan travels through Kubernetes Secrets: an index and 16 shards of tenants.

A tenant with one key is about 140 bytes, so one Secret (1 MiB at most) would hold some 7,500; the
shards hold 16 times that. All parts are mounted as one projected volume, and the kubelet updates
them one Secret at a time: the index therefore carries the digest of every shard, and a set of
parts is a plan only as a whole.

Pure: this file must not know about files, volumes or the Kubernetes API.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tierfleet.plan.base import sha256_hex
from tierfleet.plan.document import Plan, PlanError, parse, render

Entry = dict[str, Any]
"""A tenant as it stands in a part."""

INDEX = "index.json"
SHARDS = tuple("0123456789abcdef")


def shard_part(shard: str) -> str:
    """Name of the part that holds the tenants of one shard (a lower-case hex digit)."""
    return f"tenants-{shard}.json"


NAMES = (INDEX, *(shard_part(shard) for shard in SHARDS))


class MixedPartsError(PlanError):
    """The parts belong to two versions: an update is under way, so read again in a moment."""


def split(plan: Plan) -> dict[str, bytes]:
    """The plan as named parts (`NAMES`), each the content of one Secret; `join` is the inverse."""
    document = render(plan)
    tenants = document.pop("tenants", ())
    shards = {shard_part(name): _dump(own) for name, own in _by_shard(tenants).items()}
    document["parts"] = {name: sha256_hex(data) for name, data in shards.items()}
    return {INDEX: json.dumps(document, indent=1).encode() + b"\n", **shards}


def join(parts: Mapping[str, bytes]) -> Plan:
    """The plan that these parts make up.

    Raises:
        MixedPartsError: a part is missing, or is not the one that the index names.
        PlanError: the parts fit together, but not into a valid plan.
    """
    if INDEX not in parts:
        raise MixedPartsError(f"There is no {INDEX}.")
    document = _load(INDEX, parts[INDEX])
    if not isinstance(document, dict) or not isinstance(document.get("parts"), dict):
        raise PlanError(f"{INDEX} must be a mapping with the digests of its parts.")
    tenants: list[dict[str, Any]] = []
    known: dict[str, dict[str, Any]] = {}
    for name, digest in sorted(document.pop("parts").items()):
        if name not in parts or sha256_hex(parts[name]) != digest:
            raise MixedPartsError(f"{name} is not the part that the {INDEX} here names.")
        for entry in _entries(name, parts[name]):
            # A tenant with keys in several shards is one tenant. What is wrong with an entry is
            # found, and said with its path, when the whole is read.
            first = known.setdefault(str(entry.get("name")), entry)
            if first is entry:
                tenants.append(entry)
            else:
                first["keys"] = [*first.get("keys", ()), *entry.get("keys", ())]
    return parse({**document, "tenants": tenants})


def _by_shard(tenants: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Tenants by the first hex digit of each key; one without a key by the digest of its name."""
    shards: dict[str, list[Entry]] = {shard: [] for shard in SHARDS}
    for tenant in tenants:
        keys: dict[str, list[str]] = {}
        for key in tenant.get("keys", ()):
            keys.setdefault(key[0], []).append(key)
        if not keys:
            shards[sha256_hex(tenant["name"])[0]].append(tenant)
        for shard, own in keys.items():
            shards[shard].append({**tenant, "keys": own})
    return shards


def _dump(tenants: list[Entry]) -> bytes:
    """One tenant a line, so that a diff of two versions names the tenants that changed."""
    return b"[" + b",\n ".join(map(msgspec.json.encode, tenants)) + b"]\n"


def _entries(name: str, data: bytes) -> list[Entry]:
    entries = _load(name, data)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PlanError(f"{name} must be a list of tenants.")
    if not all(isinstance(entry.get("keys", []), list) for entry in entries):
        raise PlanError(f"{name} must give each tenant's keys as a list.")
    return entries


def _load(name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise PlanError(f"{name} is not JSON: {error}.") from error
