"""What people are told in a namespace that no operator serves."""

from e2e.world import H100, World, policy, pool, tenant
from tests.integration.operator.questions import asked, diff


def test_it_is_told_when_no_operator_has_answered_for_a_pool(fleet: World) -> None:
    fleet.apply(policy(), tenant("acme"), pool("llama", 2, H100))
    for said in (asked(fleet, "capacity"), diff(fleet, pool("llama", 3, H100))):
        assert "No operator has answered for InferencePool llama in namespace" in said.stdout
