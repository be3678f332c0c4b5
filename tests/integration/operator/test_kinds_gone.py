"""The kinds are deleted under a running operator: it ends, and says at its next start why."""

from pathlib import Path

from e2e import crds
from e2e.cluster import start
from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS, World
from tests.integration.operator.process import Operator


def test_an_operator_whose_kinds_are_deleted_ends_instead_of_standing_by(tmp_path: Path) -> None:
    # Of its own: every other test needs the kinds.
    cluster = start("kinds-gone")
    try:
        crds.install(cluster)
        World(cluster, "inference").kubectl("create", "namespace", "inference")
        operator = Operator(cluster, tmp_path / "log", "--namespace=inference")
        operator.start()
        cluster.kubectl("delete", f"--filename={crds.CRDS}")
        wait_until(
            lambda: not operator.running, timeout=PATIENCE_SECONDS, why="the operator to end"
        )
        assert operator.stop() == 1
        operator.launch()
        wait_until(
            lambda: not operator.running, timeout=PATIENCE_SECONDS, why="the operator to refuse"
        )
        assert operator.stop() == 2
        assert "Install the kinds" in operator.log
    finally:
        cluster.stop()
