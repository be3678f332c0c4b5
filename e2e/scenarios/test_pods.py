"""What a pod is on a real node: its order, its probes, what it may and who reaches it."""

import json
from typing import Any

from e2e.scenarios.clients import Group
from e2e.scenarios.exec import inside
from e2e.scenarios.fleet import START_SECONDS, Fleet, pool
from e2e.wait import wait_until
from e2e.world import tenant

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""


def the_pod(fleet: Fleet, name: str) -> dict[str, Any]:
    """The one pod of a pool."""
    (pod,) = fleet.world.pods(name)
    return pod


def test_the_sidecar_is_up_before_the_engine_and_both_before_the_pod_is_ready(fleet: Fleet) -> None:
    fleet.world.apply(pool("ordered", 1))
    fleet.up("ordered", 1)
    status = the_pod(fleet, "ordered")["status"]
    (sidecar,), (engine,) = status["initContainerStatuses"], status["containerStatuses"]
    assert (sidecar["name"], sidecar["ready"]) == ("sidecar", True)
    assert (engine["name"], engine["ready"]) == ("engine", True)
    assert sidecar["state"]["running"]["startedAt"] <= engine["state"]["running"]["startedAt"]
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert engine["state"]["running"]["startedAt"] <= ready["lastTransitionTime"]


def test_the_engine_is_reached_through_the_sidecar_only(fleet: Fleet) -> None:
    fleet.world.apply(pool("guarded", 2))
    fleet.up("guarded", 2)
    one, other = fleet.world.pods("guarded")
    name, address = one["metadata"]["name"], other["status"]["podIP"]
    assert inside(fleet, name, CONNECT, "127.0.0.1", 8000) == "connected", "its own engine"
    assert inside(fleet, name, CONNECT, address, 8000) == "ConnectionRefusedError"
    assert inside(fleet, name, CONNECT, address, 8080) == "connected"


def test_a_pod_may_nothing_and_carries_no_token(fleet: Fleet) -> None:
    fleet.world.apply(pool("bare", 1))
    fleet.up("bare", 1)
    name = the_pod(fleet, "bare")["metadata"]["name"]
    facts = """
import json, os, pathlib
def writes(path):
    try:
        pathlib.Path(path, "probe").write_text("")
        return True
    except OSError:
        return False
print(json.dumps({
    "user": os.getuid(),
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount"),
    "capabilities": [l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")],
    "seccomp": [l.split()[1] for l in open("/proc/self/status") if l.startswith("Seccomp:")],
    "writes": [p for p in ("/", "/opt/tierfleet", "/etc", "/tmp") if writes(p)],
}))
"""
    for container, writable in (("sidecar", []), ("engine", ["/tmp"])):
        found = json.loads(inside(fleet, name, facts, container=container))
        assert found == {
            "user": 65532,
            "token": False,
            "capabilities": ["0000000000000000"] * 5,
            "seccomp": ["2"],
            "writes": writable,
        }, container


def test_a_pod_that_breaks_the_standard_is_refused_and_the_pool_is_not_ready(fleet: Fleet) -> None:
    fleet.world.apply(
        pool("loose", 1, {"securityContext": {"runAsUser": 0, "runAsNonRoot": False}})
    )
    condition = wait_until(
        lambda: next(
            (
                c
                for d in fleet.world.all("deployments", "--selector=tierfleet.dev/pool=loose")
                for c in d["status"].get("conditions", [])
                if c["type"] == "ReplicaFailure"
            ),
            None,
        ),
        timeout=START_SECONDS,
        why="the Deployment to be refused its pod",
    )
    assert "restricted" in condition["message"]
    assert fleet.world.pods("loose") == []
    assert fleet.world.condition("tpool", "loose", "Ready")["status"] == "False"


def test_a_changed_secret_reaches_the_sidecar_without_a_restart(fleet: Fleet) -> None:
    fleet.world.apply(pool("fed", 1))
    fleet.up("fed", 1)
    pod = the_pod(fleet, "fed")
    clients = fleet.clients("fed")
    stranger = Group("key-of-newcomer")
    assert clients.ask(stranger).status == 401
    fleet.world.apply(tenant("newcomer"))
    wait_until(
        lambda: clients.ask(stranger).served, timeout=START_SECONDS, why="the new tenant's key"
    )
    after = the_pod(fleet, "fed")
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    (sidecar,) = after["status"]["initContainerStatuses"]
    assert sidecar["restartCount"] == 0


def test_a_pod_that_cannot_start_says_why_where_the_person_looks(fleet: Fleet) -> None:
    # A registry that is nowhere: the node's own images are not asked for it.
    fleet.world.apply(
        pool("no-image", 1, {"image": "localhost:1/engine:none"}),
        pool("crashes", 1, {"args": ["--no-such-option"]}),
    )
    for name, told in (
        ("no-image", "the image localhost:1/engine:none of container engine cannot be pulled"),
        ("crashes", "container engine ends with status 2 again and again"),
    ):
        wait_until(
            lambda n=name: (
                fleet.world.condition("tpool", n, "Ready").get("reason") == "CannotStart"
            ),  # type: ignore[misc]
            timeout=START_SECONDS,
            why=f"{name} to say what is wrong: {fleet.describe(name)}",
        )
        assert told in fleet.world.condition("tpool", name, "Ready")["message"]
    fleet.remove("no-image", "crashes")
