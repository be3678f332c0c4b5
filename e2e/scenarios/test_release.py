"""The release goes and comes back under load; its own test passes on a real node."""

from e2e.helm import CHART, Helm
from e2e.installed import NAMESPACE as SYSTEM
from e2e.installed import RELEASE, settings
from e2e.scenarios.conftest import NAMESPACE, Serve
from e2e.scenarios.fleet import Fleet, pool
from e2e.scenarios.test_changes import restarts
from e2e.scenarios.test_load import STEADY
from e2e.scenarios.test_operator import leader, more_answers, system


def test_uninstalled_and_installed_again_under_load_it_adopts_every_pod(
    fleet: Fleet, serve: Serve
) -> None:
    helm = Helm.of(fleet.world.cluster)
    followed = serve(pool("adopted", 2))
    before = restarts(fleet, "adopted")
    clients = fleet.clients("adopted")
    try:
        with clients.calling(*STEADY):
            helm.run("uninstall", RELEASE, f"--namespace={SYSTEM}", "--wait")
            more_answers(clients)
            assert fleet.world.get("tpool", "adopted")
            helm.run("install", RELEASE, str(CHART), *settings([NAMESPACE]))
            fleet.world.apply(pool("adopted", 2, template={"labels": {}}))
            fleet.up("adopted", 2)
            more_answers(clients)
    finally:
        helm.run("upgrade", "--install", RELEASE, str(CHART), *settings([NAMESPACE]))
    assert restarts(fleet, "adopted") == before
    assert [a for a in clients.attempts if not a.served] == []
    assert followed.agree(clients.attempts).outcomes() == {"served": len(clients.attempts)}


def test_what_helm_test_runs_finds_the_leader(fleet: Fleet) -> None:
    # The cluster has no DNS to find the operator's Service by, so it is told an address.
    test = (CHART / "files" / "leader.py").read_text()
    first = leader(fleet)
    address = system(fleet).get("pod", first)["status"]["podIP"]
    command = ("/opt/tierfleet/bin/python", "-c", test, address, "8081", "60")
    said = system(fleet).kubectl("exec", first, "--", *command)
    assert said == f"{address} leads, of 1 ready replicas.\n"
