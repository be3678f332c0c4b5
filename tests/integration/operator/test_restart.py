"""The operator dies and comes back."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from e2e import nodes
from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import B200, H100, PATIENCE_SECONDS, World, policy, pool, reservation, tenant
from tests.integration.operator import answers
from tests.integration.operator.oversold import oversold
from tests.integration.operator.process import Operator, running
from tests.integration.operator.recorder import recording

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
NEW = {"image": "vllm/vllm-openai:v0.33.0"}


@contextlib.contextmanager
def without_election(cluster: Cluster, world: World, log: Path) -> Iterator[Operator]:
    options = (f"--namespace={world.namespace}", "--no-leader-elect")
    with running(cluster, log, *options) as operator:
        yield operator


def writes(operator: Operator, world: World) -> list[str]:
    """What operators wrote in the namespace so far, leases not counted."""
    return [
        f"{request['verb']} {request['requestURI']}"
        for request in operator.requests()
        if request["verb"] in WRITES
        and f"/namespaces/{world.namespace}/" in request["requestURI"]
        and "/leases" not in request["requestURI"]
    ]


def specs(world: World) -> dict[str, Any]:
    return {d["metadata"]["name"]: d["spec"] for d in world.all("deployments")}


def images(world: World) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in world.pods("llama")]


def test_killed_in_the_middle_of_a_rollout_it_ends_where_it_would_have_ended(
    cluster: Cluster, fleet: World, tmp_path: Path
) -> None:
    with without_election(cluster, fleet, tmp_path / "log") as operator:
        fleet.apply(policy(), tenant("acme"), pool("llama", 4, H100, load="1s"))
        fleet.wait_ready("llama", "h100:4")
        tokens = fleet.get("secret", "llama-tokens")["data"]
        fleet.apply(pool("llama", 4, H100, load="1s", engine=NEW))
        for updated in (1, 3):
            wait_until(
                lambda n=updated: images(fleet).count(NEW["image"]) >= n,  # type: ignore[misc]
                timeout=PATIENCE_SECONDS,
                why=f"{updated} pods to run the new image",
            )
            operator.kill()
            operator.start()
        wait_until(
            lambda: images(fleet) == [NEW["image"]] * 4,
            timeout=PATIENCE_SECONDS,
            why="the rollout to end",
        )
        fleet.wait_ready("llama", "h100:4")
        after = specs(fleet)
        assert fleet.get("secret", "llama-tokens")["data"] == tokens

    # An operator that has never been killed finds nothing to do.
    with without_election(cluster, fleet, tmp_path / "fresh") as fresh:
        before = writes(fresh, fleet)
        fleet.apply(tenant("late", "retail"))
        wait_until(
            lambda: fleet.status("tpol", "standard").get("tenantCount") == 2,
            timeout=PATIENCE_SECONDS,
            why="the fresh operator to have looked at everything",
        )
        done = writes(fresh, fleet)[len(before) :]
        assert specs(fleet) == after
        assert not [write for write in done if "/deployments/" in write]
        assert len([write for write in done if "/secrets/" in write]) <= 2


def test_started_again_it_asks_the_replicas_and_writes_nothing(
    cluster: Cluster, fleet: World, tmp_path: Path
) -> None:
    with without_election(cluster, fleet, tmp_path / "log"):
        fleet.apply(
            policy(),
            tenant("acme"),
            pool("llama", 2, H100),
            reservation("of-llama", "llama", ["acme"], {"percent": 30}),
        )
        fleet.wait_ready("llama", "h100:2")
        fleet.wait_for_condition("capres", "of-llama", "Enforced", "True")
    with without_election(cluster, fleet, tmp_path / "again") as again:
        before = writes(again, fleet)
        asked = len(answers.of(cluster).asked(fleet.namespace))
        # What it knows of another pool it has asked for after those of the first.
        fleet.apply(pool("later", 1, B200))
        fleet.wait_for_condition("tpool", "later", "Enforced", "True")
        done = writes(again, fleet)[len(before) :]
    assert len(answers.of(cluster).asked(fleet.namespace)) > asked
    assert [write for write in done if "llama" in write] == []


def test_killed_while_it_makes_a_pool_it_makes_the_rest_of_it(
    cluster: Cluster, fleet: World, tmp_path: Path
) -> None:
    with without_election(cluster, fleet, tmp_path / "log") as operator:
        fleet.apply(policy(), pool("llama", 2, H100))
        wait_until(
            lambda: fleet.all("secrets", "--selector=tierfleet.dev/pool=llama"),
            timeout=PATIENCE_SECONDS,
            why="the first child",
        )
        operator.kill()
        operator.start()
        fleet.wait_ready("llama", "h100:2")


def test_one_that_has_lost_its_lease_ends_and_says_why(
    cluster: Cluster, fleet: World, tmp_path: Path
) -> None:
    operator = Operator(cluster, tmp_path / "log", f"--namespace={fleet.namespace}")
    operator.start()
    fleet.kubectl(
        *("patch", "lease", "tierfleet-operator", "--type=merge"),
        '-p={"spec":{"holderIdentity":"another"}}',
    )
    wait_until(
        lambda: not operator.running,
        timeout=PATIENCE_SECONDS,
        why="the operator to end",
    )
    assert operator.stop() == 1
    assert "another operator may lead" in operator.log
    assert "Traceback" not in operator.log
    assert fleet.get("lease", "tierfleet-operator")["spec"]["holderIdentity"] == "another"


def test_of_two_operators_one_acts_and_the_other_takes_over(
    cluster: Cluster, fleet: World, tmp_path: Path
) -> None:
    first = Operator(cluster, tmp_path / "first", f"--namespace={fleet.namespace}")
    first.start()
    second = Operator(cluster, tmp_path / "second", f"--namespace={fleet.namespace}")
    second.launch()
    try:
        wait_until(
            lambda: "Waiting to lead" in second.log,
            timeout=PATIENCE_SECONDS,
            why="the second operator to wait",
        )
        fleet.apply(policy(), pool("llama", 1, H100))
        fleet.wait_ready("llama", "h100:1")
        assert first.stop() == 0
        second.wait_ready()
        fleet.kubectl("scale", "tpool", "llama", "--replicas=2")
        fleet.wait_ready("llama", "h100:2")
        # A leader that is killed releases nothing: the next one waits for its lease to run out.
        second.kill()
        first.start()
        fleet.kubectl("scale", "tpool", "llama", "--replicas=1")
        fleet.wait_ready("llama", "h100:1")
    finally:
        for operator in (first, second):
            if operator.running:
                assert operator.stop() == 0, operator.log


def test_a_leader_that_loses_its_lease_in_the_middle_of_a_change_leaves_the_rest_to_the_next(
    cluster: Cluster, world: World, tmp_path: Path
) -> None:
    cluster.add_nodes([nodes.h100(f"h100-{number}", devices=4) for number in range(2)])
    first, second = (
        Operator(cluster, tmp_path / name, f"--namespace={world.namespace}")
        for name in ("first", "second")
    )
    first.start()
    second.launch()
    try:
        world.apply(
            policy(),
            tenant("acme"),
            tenant("globex"),
            pool("llama", 2, H100, load="1s"),
            reservation("acme", "llama", ["acme"], {"percent": 30}),
            reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 4_000}),
        )
        world.wait_ready("llama", "h100:2")
        wait_until(
            lambda: "Waiting to lead" in second.log,
            timeout=PATIENCE_SECONDS,
            why="the second operator to wait",
        )
        with recording(world, tmp_path) as recorder:
            # A replica more, one contract smaller, and one larger than what there is can do.
            world.apply(
                pool("llama", 3, H100, load="1s"),
                reservation("acme", "llama", ["acme"], {"percent": 20}),
                reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 16_000}),
            )
            wait_until(
                lambda: len(list(recorder.plans("llama"))) > 1,
                timeout=PATIENCE_SECONDS,
                why="the first to have begun",
            )
            world.kubectl(
                *("patch", "lease", "tierfleet-operator", "--type=merge"),
                '-p={"spec":{"holderIdentity":"another"}}',
            )
            second.wait_ready()
            assert first.stop() == 1
            assert world.placement("llama") == "h100:2"
            # Only now the rest can be done at all.
            cluster.add_nodes([nodes.h100("h100-2", devices=4)])
            world.wait_ready("llama", "h100:3")
            for name, granted in (("acme", 8_400), ("globex", 16_000)):
                wait_until(
                    lambda n=name, g=granted: world.status("capres", n).get("granted") == g,  # type: ignore[misc]
                    timeout=PATIENCE_SECONDS,
                    why=f"{name} to be granted {granted}",
                )
            assert oversold(recorder, "llama") == []
            assert recorder.most_devices({"llama-h100": 4}) <= 12
    finally:
        for operator in (first, second):
            if operator.running:
                assert operator.stop() == 0, operator.log


def test_a_namespace_that_is_not_there_is_waited_for_and_told_with_the_next_step(
    cluster: Cluster, world: World, tmp_path: Path
) -> None:
    name = f"{world.namespace}-later"
    operator = Operator(cluster, tmp_path / "log", f"--namespace={name}")
    operator.launch()
    try:
        wait_until(
            lambda: "could not be created" in operator.log,
            timeout=PATIENCE_SECONDS,
            why="the operator to ask for its Lease",
        )
        world.kubectl("create", "namespace", name)
        operator.wait_ready()
    finally:
        operator.stop()
        world.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")
    for said in (
        f"create it with `kubectl create namespace {name}`",
        f"The Lease {name}/tierfleet-operator could not be created",
    ):
        assert operator.log.count(said) == 1, operator.log
    assert " ERROR " not in operator.log, operator.log
