"""What people are shown of a running sidecar."""

import json

from tests.unit.sidecar.plans import plan
from tierfleet.sidecar.overview import describe_plan, queue_text


def test_the_plan_is_shown_with_this_replicas_part_of_every_rate() -> None:
    groups = [
        {
            "name": name,
            "accelerator": name,
            "desired": desired,
            "serviceTokensPerSecond": rate,
            "maxSequences": 2,
        }
        for name, desired, rate in (("h100", 1, 10_000), ("b200", 1, 30_000))
    ]
    shown = describe_plan(plan(groups=groups), "h100", 1_700_000_000.0, "")
    assert shown["share"] == "1/4"
    assert isinstance(shown["reservations"], list)
    assert shown["reservations"][0]["grantedHere"] == 1050
    assert shown["tenantsByTier"] == {"enterprise": 1, "retail": 2}
    assert shown["since"] == "2023-11-14T22:13:20+00:00"


def test_nothing_derived_from_a_secret_is_shown() -> None:
    document = plan()
    shown = json.dumps(describe_plan(document, "h100", 0.0, ""))
    hashes = [key for tenant in document.tenants for key in tenant.keys]
    for secret in (*hashes, document.admin_token_sha256, document.hook_token_sha256):
        assert secret is not None
        assert secret not in shown


def test_long_names_stay_apart_in_the_queue_that_people_read() -> None:
    one = {"id": "r1", "tenant": "t" * 63, "tier": "e" * 40, "waitedMilliseconds": 1500.0}
    shown = queue_text({"waiting": [one | {"waitsFor": "no-seat"}], "notShown": 7})
    *_, row, more = shown.splitlines()
    assert row.split() == ["1.5", "s", "no-seat", "e" * 40, "t" * 63, "r1"]
    assert more == "and 7 more"
