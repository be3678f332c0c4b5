import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tierfleet.plan import PlanError, json_schema, micro, parse, render, sha256_hex

ROOT = Path(__file__).parents[3]

MINIMAL: dict[str, Any] = {
    "pool": {"name": "llama"},
    "model": {"name": "llama-3.3-70b", "aliases": ["default"]},
    "tiers": [{"name": "retail", "priority": 0}, {"name": "enterprise", "priority": 100}],
    "groups": [{"name": "h100", "accelerator": "h100", "desired": 2}],
    "tenants": [{"name": "acme", "tier": "enterprise", "keys": [sha256_hex("key")]}],
}


def test_a_plan_written_by_hand_gets_its_version_from_its_content() -> None:
    plan = parse(MINIMAL)
    assert plan.version
    assert parse(render(plan)) == plan
    assert parse({**MINIMAL, "enforcement": "Enforce"}).version == plan.version
    assert parse({**MINIMAL, "lendablePercent": 50}).version != plan.version


def test_the_order_of_input_does_not_change_the_version() -> None:
    shuffled = {**MINIMAL, "tiers": MINIMAL["tiers"][::-1]}
    assert parse(shuffled).version == parse(MINIMAL).version
    assert [tier.name for tier in parse(shuffled).tiers] == ["enterprise", "retail"]


def test_a_version_that_does_not_fit_the_content_is_refused() -> None:
    document = render(parse(MINIMAL)) | {"lendablePercent": 1}
    with pytest.raises(PlanError, match="does not fit the content"):
        parse(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tiers": []}, "tiers: at least one must be given"),
        ({"pool": "llama"}, "pool: must be a mapping of fields"),
        ({"tiers": 3}, "tiers: must be a list"),
        ({"surprise": 1}, "surprise: there is no such field"),
        (
            {"reservations": [{"uid": "u", "name": "r", "tenants": ["acme"], "granted": 1,
                               "declared": {"percent": 30}, "lendablePercent": 0}]},
            r"reservations.0.lendablePercent: .* \(did you mean lending.lendablePercent\?\)",
        ),
        ({"tenants": [{"name": "a", "tier": "gold"}]}, "'gold', which is not one of the tiers"),
        ({"tenants": [{"name": "a", "tier": "retail"}] * 2}, "tenant 'a' is listed twice"),
        ({"tiers": [{"name": "a", "priority": 1}] * 2}, "tier 'a' is listed twice"),
        (
            {"identification": {"anonymous": {"action": "Tier"}}},
            "identification.anonymous: tier must be set exactly when action is Tier",
        ),
        ({"burndown": {"input": "0.1234567"}}, "burndown.input"),
        ({"engineType": "vllm"}, "engineType: input should be 'VLLM'"),
        ({"enginePriority": True}, "enginePriority: a request cannot tell Custom a priority"),
        (
            {"reservations": [{"uid": "u", "name": "r", "tenants": ["acme"], "granted": 1,
                               "declared": {"percent": 30, "serviceTokensPerSecond": 5}}]},
            "exactly one of percent, serviceTokensPerSecond, prepaid",
        ),
        (
            {"reservations": [{"uid": "u", "name": "r", "tenants": ["acme"], "granted": 1,
                               "declared": {"percent": 30},
                               "term": {"start": "2026-01-01T00:00:00"}}]},
            "must carry a time zone",
        ),
    ],
)  # fmt: skip
def test_a_bad_plan_is_refused_with_the_path_and_the_reason(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        parse({**MINIMAL, **change})


def test_a_refusal_never_repeats_what_may_be_a_secret() -> None:
    with pytest.raises(PlanError) as refused:
        parse({**MINIMAL, "tenants": [{"name": "a", "tier": "retail", "keys": ["sk-clear"]}]})
    assert "sk-clear" not in str(refused.value)


def test_weights_are_whole_micro_units() -> None:
    assert micro("0.1") == 100_000
    assert micro("4") == 4_000_000
    assert micro("0.000001") == 1


def groups(*rows: tuple[str, int, int]) -> dict[str, Any]:
    return {
        **MINIMAL,
        "groups": [
            {"name": name, "accelerator": name, "desired": desired, "serviceTokensPerSecond": rate}
            for name, desired, rate in rows
        ],
    }


def test_a_replica_serves_its_own_rate_over_the_sum_of_all_desired() -> None:
    plan = parse(groups(("b200", 4, 24_000), ("h100", 2, 14_000)))
    assert plan.share("b200") == Fraction(24_000, 4 * 24_000 + 2 * 14_000)
    assert 4 * plan.share("b200") + 2 * plan.share("h100") == 1


def test_shares_go_by_replica_count_while_one_rate_is_unknown() -> None:
    plan = parse(groups(("b200", 4, 24_000), ("h100", 2, 0)))
    assert plan.share("b200") == plan.share("h100") == Fraction(1, 6)


def test_a_replica_that_is_no_longer_desired_counts_itself_in() -> None:
    plan = parse(groups(("b200", 1, 30_000), ("h100", 0, 10_000)))
    assert plan.share("h100") == Fraction(1, 4)


def test_an_unknown_group_is_named_beside_those_there_are() -> None:
    with pytest.raises(PlanError, match="no group 'tpu'; its groups are: h100"):
        parse(MINIMAL).share("tpu")


def test_the_committed_json_schema_is_the_models() -> None:
    committed = json.loads((ROOT / "docs" / "plan-v1.schema.json").read_text())
    assert committed == json_schema()
    jsonschema.Draft202012Validator.check_schema(committed)
    jsonschema.validate(render(parse(MINIMAL)), committed)
