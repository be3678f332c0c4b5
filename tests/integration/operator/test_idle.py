"""Idle means idle."""

import time
from pathlib import Path

import pytest

from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import (
    PATIENCE_SECONDS,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.operator.process import Operator, Request, running

QUIET_SECONDS = 3.0


def is_allowed(request: Request) -> bool:
    """A watch that is opened again, or the renewal of the lease."""
    return request["verb"] == "watch" or "/leases/tierfleet-operator" in request["requestURI"]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(10, id="10 s"),
        # Past the minute at which bookmarks come and at which a silent watch is opened again.
        pytest.param(75, id="75 s", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_an_idle_operator_asks_for_nothing_but_its_lease_and_its_watches(
    cluster: Cluster, fleet: World, tmp_path: Path, seconds: int
) -> None:
    with running(cluster, tmp_path / "log", f"--namespace={fleet.namespace}") as operator:
        fleet.apply(
            policy(),
            tenant("acme"),
            pool("llama", 6),
            pool("waits", 9),
            reservation("acme", "llama", ["acme"], {"percent": 20}),
            reservation("more", "llama", ["acme"], {"percent": 100}),
        )
        fleet.wait_ready("llama", "b200:4 h100:2")
        fleet.wait_for_condition("tpool", "waits", "Placed", "False", "InsufficientDevices")
        fleet.wait_for_condition("capres", "acme", "Ready", "True")
        fleet.wait_for_condition("capres", "more", "Ready", "False")
        settled = _settled(operator)
        time.sleep(seconds)
        asked = list(operator.requests())[settled:]
    assert [request["requestURI"] for request in asked if not is_allowed(request)] == []
    assert any("/leases/" in request["requestURI"] for request in asked), "the audit log is blind"


def _settled(operator: Operator) -> int:
    """How many requests there were when it had come to rest."""
    last = {"count": -1, "since": 0.0}

    def quiet() -> int | None:
        asked = list(operator.requests())
        count = sum(not is_allowed(request) for request in asked)
        if count != last["count"]:
            last.update(count=count, since=time.monotonic())
        return len(asked) if time.monotonic() - last["since"] >= QUIET_SECONDS else None

    found = wait_until(
        quiet, timeout=PATIENCE_SECONDS, why=f"{QUIET_SECONDS:g} s without a request"
    )
    assert found is not None
    return found
