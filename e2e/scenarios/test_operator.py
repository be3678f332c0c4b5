"""The operator and the API server go and come back: serving goes on, and nothing is done twice."""

import contextlib
from collections.abc import Iterator

from e2e.installed import NAMESPACE as SYSTEM
from e2e.installed import RELEASE
from e2e.scenarios.clients import Clients
from e2e.scenarios.conftest import Serve
from e2e.scenarios.fleet import START_SECONDS, Fleet, pool
from e2e.scenarios.test_changes import restarts
from e2e.scenarios.test_load import STEADY
from e2e.wait import wait_until
from e2e.world import World

RELEASE_OBJECT = "tierfleet-operator"
SELECTOR = f"--selector=app.kubernetes.io/instance={RELEASE}"


def system(fleet: Fleet) -> World:
    """The namespace of the operator."""
    return World(fleet.world.cluster, SYSTEM)


def leader(fleet: Fleet) -> str:
    """The pod that holds the Lease."""
    lease = system(fleet).get("lease", "tierfleet-operator")
    return str(lease["spec"].get("holderIdentity", "")).rpartition("_")[0]


@contextlib.contextmanager
def without_operators(fleet: Fleet) -> Iterator[None]:
    """All operators killed at once, and none started in their place until the end."""
    pods = [pod["metadata"]["name"] for pod in system(fleet).all("pods", SELECTOR)]
    assert len(pods) == 2
    system(fleet).kubectl("scale", "deployment", RELEASE_OBJECT, "--replicas=0")
    try:
        system(fleet).kubectl("delete", "pod", *pods, "--grace-period=0", "--force")
        yield
    finally:
        system(fleet).kubectl("scale", "deployment", RELEASE_OBJECT, "--replicas=2")


def more_answers(clients: Clients) -> None:
    """Return once clients have many more answers: serving goes on."""
    before = clients.served()
    wait_until(lambda: clients.served() > before + 60, timeout=START_SECONDS, why="60 more answers")


def test_killed_operators_are_missed_by_nobody_and_catch_up(fleet: Fleet, serve: Serve) -> None:
    followed = serve(pool("orphaned", 2))
    before = restarts(fleet, "orphaned")
    clients = fleet.clients("orphaned")
    with clients.calling(*STEADY):
        with without_operators(fleet):
            more_answers(clients)
            fleet.world.kubectl("scale", "tpool/orphaned", "--replicas=1")
            more_answers(clients)
            assert restarts(fleet, "orphaned") == before, "nobody is there to do it"
        fleet.up("orphaned", 1)
    assert [a for a in clients.attempts if not a.served] == []
    assert followed.agree(clients.attempts).outcomes() == {"served": len(clients.attempts)}


def test_the_lead_is_handed_over_and_the_next_one_goes_on(fleet: Fleet, serve: Serve) -> None:
    followed = serve(pool("handed", 1))
    first = leader(fleet)
    clients = fleet.clients("handed")
    with clients.calling(*STEADY):
        system(fleet).kubectl("delete", "pod", first, "--wait=false")
        wait_until(
            lambda: leader(fleet) not in {"", first},
            timeout=START_SECONDS,
            why=f"another one than {first} to lead",
        )
        fleet.world.kubectl("scale", "tpool/handed", "--replicas=2")
        fleet.up("handed", 2)
    assert [a for a in clients.attempts if not a.served] == []
    followed.agree(clients.attempts)


def test_the_api_server_is_restarted_while_serving_goes_on(fleet: Fleet, serve: Serve) -> None:
    followed = serve(pool("cut-off", 2))
    before = restarts(fleet, "cut-off")
    clients = fleet.clients("cut-off")
    with clients.calling(*STEADY):
        fleet.world.cluster.control_plane.restart("kube-apiserver")
        more_answers(clients)
        assert restarts(fleet, "cut-off") == before
        fleet.world.kubectl("scale", "tpool/cut-off", "--replicas=1")
        fleet.up("cut-off", 1)
    assert [a for a in clients.attempts if not a.served] == []
    assert followed.agree(clients.attempts).outcomes() == {"served": len(clients.attempts)}
