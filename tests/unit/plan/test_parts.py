import json

import pytest

from tierfleet.plan import MixedPartsError, Plan, PlanError, join, parse, render, sha256_hex, split


def plan(tenants: int, *, limit: int = 60) -> Plan:
    return parse(
        {
            "pool": {"name": "llama"},
            "model": {"name": "llama"},
            "tiers": [{"name": "retail", "priority": 0, "limits": {"requestsPerMinute": limit}}],
            "groups": [{"name": "h100", "accelerator": "h100", "desired": 1}],
            "tenants": [
                {
                    "name": f"t{i}",
                    "tier": "retail",
                    "keys": [sha256_hex(f"old-{i}"), sha256_hex(f"new-{i}")][: i % 3],
                }
                for i in range(tenants)
            ],
        }
    )


@pytest.mark.parametrize("tenants", [0, 1, 100])
def test_a_plan_survives_the_journey_through_its_parts(tenants: int) -> None:
    assert join(split(plan(tenants))) == plan(tenants)


def test_parts_of_two_versions_are_told_from_a_bad_plan() -> None:
    old, new = split(plan(50)), split(plan(51))
    with pytest.raises(MixedPartsError, match=r"tenants-.\.json is not the part"):
        join({**new, **{name: data for name, data in old.items() if name != "index.json"}})


@pytest.mark.parametrize("lost", ["index.json", "tenants-7.json"])
def test_a_missing_part_means_wait(lost: str) -> None:
    parts = split(plan(50))
    del parts[lost]
    with pytest.raises(MixedPartsError):
        join(parts)


def test_an_index_that_is_not_json_is_a_bad_plan_and_not_a_mixed_one() -> None:
    with pytest.raises(PlanError, match=r"index\.json is not JSON") as refused:
        join({**split(plan(1)), "index.json": b"{"})
    assert not isinstance(refused.value, MixedPartsError)


@pytest.mark.parametrize("shard", [b"{}", b"[1]", b'[{"name": "a", "keys": 5}]', b"[{}]", b"null"])
def test_a_shard_of_the_wrong_shape_is_a_bad_plan(shard: bytes) -> None:
    parts = split(plan(1))
    index = json.loads(parts["index.json"])
    index["parts"]["tenants-0.json"] = sha256_hex(shard)
    with pytest.raises(PlanError, match=r"tenants"):
        join({**parts, "index.json": json.dumps(index).encode(), "tenants-0.json": shard})


def test_a_changed_limit_changes_the_index_alone() -> None:
    before, after = split(plan(50)), split(plan(50, limit=61))
    assert [name for name in before if before[name] != after[name]] == ["index.json"]


def test_the_index_is_readable_and_carries_no_tenant() -> None:
    text = split(plan(3))["index.json"].decode()
    assert '"requestsPerMinute": 60' in text
    assert '"t1"' not in text
    assert render(plan(3))["version"] in text
