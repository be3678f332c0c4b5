"""A real node with the engines on it, behind sidecars and without, and where each is reached.

It must not know what is sent to them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from bench.node import scenario
from bench.node.scenario import POOL, REPLICAS, ROOMY, SEATS, STRAIGHT
from e2e.bare import PORT as ENGINE_PORT
from e2e.installed import install
from e2e.realcluster import RealCluster, start_real
from e2e.scenarios.fleet import Fleet
from e2e.world import POOL_LABEL, World

NAMESPACE = "inference"
_DATA_PORT, _ADMIN_PORT = 8080, 9090


@dataclass(frozen=True)
class Target:
    """Replicas behind one Service.

    Attributes:
        url: of the Service.
        pods: base URL of each replica, past the Service.
        admins: of each replica's sidecar; none without sidecars.
    """

    url: str
    pods: tuple[str, ...]
    admins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """A cluster whose node has the operator and, as they are asked for, engines."""

    real: RealCluster
    world: World

    def straight(self) -> Target:
        """Bring up engines that callers reach directly.

        Raises:
            KubectlError: they do not come up.
        """
        return self._engines(STRAIGHT, SEATS)

    def roomy(self) -> Target:
        """Bring up the same with twice the seats, so that one is always free.

        Raises:
            KubectlError: they do not come up.
        """
        return self._engines(ROOMY, 2 * SEATS)

    def ours(self, capacity: float) -> Target:
        """Bring up a pool of so many service tokens a second, with the contract in force.

        Raises:
            AssertionError: it does not come up.
        """
        self.world.apply(*scenario.pool(capacity))
        Fleet(self.real, self.world).up(POOL, REPLICAS)
        self.world.wait_for_condition("capres", "acme", "Ready", "True")
        addresses = self._addresses(f"{POOL_LABEL}={POOL}")
        return Target(
            self.real.url(NAMESPACE, POOL),
            tuple(f"http://{address}:{_DATA_PORT}" for address in addresses),
            tuple(f"http://{address}:{_ADMIN_PORT}" for address in addresses),
        )

    def _engines(self, name: str, seats: int) -> Target:
        self.world.apply(*scenario.engines(name, seats))
        self.world.kubectl("rollout", "status", f"deployment/{name}", "--timeout=100s")
        return Target(
            self.real.url(NAMESPACE, name),
            tuple(f"http://{ip}:{ENGINE_PORT}" for ip in self._addresses(f"app={name}")),
        )

    def _addresses(self, selector: str) -> list[str]:
        pods = self.world.all("pods", f"--selector={selector}")
        return sorted(pod["status"]["podIP"] for pod in pods)


@contextmanager
def staged(console: Console) -> Iterator[Stage]:
    """A cluster with a real node, the operator and the tenants; it is gone afterwards.

    Raises:
        UnableError: this machine cannot run a real node; the message says why.
        AssertionError, RuntimeError, subprocess.CalledProcessError: something does not come up.
    """
    real = start_real("bench", console=console)
    try:
        real.cluster.kubectl("create", "namespace", NAMESPACE)
        install(real.cluster, [NAMESPACE])
        world = World(real.cluster, NAMESPACE)
        world.apply(*scenario.tenants())
        yield Stage(real, world)
    finally:
        real.cluster.stop()
