"""What can still be sold: it is said, then sold, and then it is gone."""

import json
from pathlib import Path

from e2e.world import (
    H100,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.operator.process import Operator
from tests.integration.operator.questions import account, asked


def test_what_is_said_to_be_left_can_be_sold_and_no_more(operator: Operator, fleet: World) -> None:
    fleet.apply(
        policy(),
        tenant("acme"),
        tenant("globex"),
        tenant("initech"),
        pool("llama", 4, H100),
        reservation("acme", "llama", ["acme"], {"percent": 30}),
    )
    fleet.wait_ready("llama", "h100:4")
    fleet.wait_for_condition("capres", "acme", "Ready", "True")
    (said,) = json.loads(asked(fleet, "capacity", "llama", "-o", "json").stdout)
    assert (said["sellable"], said["promisedNow"], said["leftThroughout"]) == (37800, 16800, 21000)
    (h100,) = said["accelerators"]
    assert (h100["oneMoreAdds"], h100["devicesFree"]) == (12600, False)
    assert "4 free nvidia.com/gpu on one node of NVIDIA-H100-80GB-HBM3" in h100["whatItTakes"]

    rate = said["largestServiceTokensPerSecond"]
    assert rate == 21000
    more = {"serviceTokensPerSecond": rate + 1}
    fleet.apply(reservation("globex", "llama", ["globex"], more))
    fleet.wait_for_condition("capres", "globex", "Accepted", "False", "InsufficientCapacity")
    fleet.apply(reservation("initech", "llama", ["initech"], {"serviceTokensPerSecond": rate}))
    fleet.wait_for_condition("capres", "initech", "Accepted", "True")
    table = asked(fleet, "capacity").stdout
    assert f"{fleet.namespace}/llama  37800     0         0" in table


def test_a_pool_that_is_not_there_is_told_and_a_right_that_is_missing(
    fleet: World, tmp_path: Path
) -> None:
    nothing = asked(fleet, "capacity", "llama")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert f"There is no InferencePool llama in namespace {fleet.namespace}." in nothing.stderr
    nobody = account(fleet, tmp_path, "nobody")
    refused = asked(fleet, "capacity", account=nobody)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "You may not list tierpolicies.tierfleet.dev in namespace" in refused.stderr
