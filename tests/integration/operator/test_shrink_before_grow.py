"""A pool grows after its replicas have taken smaller shares; each test has its own operator."""

from pathlib import Path

from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, World, policy, pool
from tests.integration.operator import answers
from tests.integration.operator.process import running


def names(fleet: World) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in fleet.pods("llama"))


def asked_for(fleet: World) -> int:
    replicas: int = fleet.get("deployment", "llama-h100")["spec"]["replicas"]
    return replicas


def test_it_grows_only_after_those_that_serve_have_taken_smaller_shares(
    cluster: Cluster, fleet: World, tmp_path: Path
) -> None:
    said = answers.of(cluster)
    options = (f"--namespace={fleet.namespace}", "--no-leader-elect")
    with running(cluster, tmp_path / "log", *options) as operator:
        fleet.apply(policy(), pool("llama", 2, H100))
        fleet.wait_ready("llama", "h100:2")
        fleet.wait_for_condition("tpool", "llama", "Enforced", "True")
        held, old = names(fleet)[0], fleet.status("tpool", "llama")["plan"]["version"]
        said.stays_at(fleet.namespace, held, old)
        fleet.kubectl("scale", "tpool", "llama", "--replicas=4")

        def waits() -> bool:
            plan = fleet.status("tpool", "llama")["plan"]
            return bool(plan["version"] != old and plan["enforcedReplicas"] == 1)

        wait_until(waits, timeout=PATIENCE_SECONDS, why="the other one to report the larger plan")
        assert asked_for(fleet) == 2
        # Who comes after it knows no more than what is in the cluster, and waits as well.
        operator.kill()
        count = len(said.asked(fleet.namespace))
        operator.start()
        wait_until(
            lambda: len(said.asked(fleet.namespace)) >= count + 4,
            timeout=PATIENCE_SECONDS,
            why="the next operator to have asked",
        )
        assert asked_for(fleet) == 2
        said.obeys(fleet.namespace, held)
        fleet.wait_ready("llama", "h100:4")
        fleet.wait_for_condition("tpool", "llama", "Enforced", "True")

        # Fewer is written at once, and the plan counts the leaving ones until they are gone.
        fleet.kubectl("scale", "tpool", "llama", "--replicas=1")
        fleet.wait_ready("llama", "h100:1")
        fleet.wait_for_condition("tpool", "llama", "Enforced", "True")
