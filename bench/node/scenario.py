"""What is on the node and who sends.

Two replicas of an H100 with 256 seats each, behind sidecars and without; an enterprise tenant that
streams within its contract, and retail tenants that ask for ten times of what both engines can do.
"""

from typing import Final

from bench.flood.scenario import MODEL, PERCENT, SHARE, TIMES, Clients
from e2e import bare
from e2e.images.build import tag
from e2e.nodes import GPU
from e2e.scenarios import fleet
from e2e.world import Document, reservation, tenant

REPLICAS: Final = 2
SEATS: Final = 256
"""Of an engine."""
PRESET: Final = "h100"
SPEED: Final = "0.5"
"""Of the engines: two cores carry two of them at half pace, their sidecars, the control plane and
the load, and have time to spare."""
_PACE: Final = ("--preset", PRESET, "--speed", SPEED)
REQUESTS: Final = 20.0
"""A second, that both engines end of these."""
WAIT: Final = 0.1
"""Seconds that the contract lets a request wait."""
_BURST: Final = 2000
"""Milliseconds of the guarantee that may be used at once. Requests come by chance, and each replica
holds half of the contract."""
POOL, STRAIGHT, ROOMY = "ours", "straight", "roomy"
_OWNER: Final = "acme"
_FLOODING: Final = tuple(f"retail-{number:02d}" for number in range(20))
_REQUESTED: Final = {"requests": {"cpu": "100m", "memory": "64Mi"}}
"""The same for every engine. Processor time is shared by it when there is not enough."""


def enterprise() -> Clients:
    """The owner of the contract."""
    return Clients("enterprise", _keys(_OWNER), REQUESTS * SHARE, stream=True)


def flood() -> Clients:
    """Retail, beyond all measure."""
    return Clients("retail", _keys(*_FLOODING), REQUESTS * TIMES, most=REPLICAS * SEATS * TIMES)


def steady(requests: int, at: tuple[str, ...]) -> Clients:
    """Retail that has always so many requests under way, the same number at each address."""
    return Clients("retail", _keys(*_FLOODING), steady=requests, at=at)


def tenants() -> list[Document]:
    """A Secret for each, and the policy that they belong to."""
    queue = {"maxRequests": REPLICAS * 2000, "maxWaitMilliseconds": 60_000}
    policy = {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "TierPolicy",
        "metadata": {"name": "standard"},
        "spec": {
            "tiers": [
                {"name": "enterprise", "priority": 100, "queue": queue},
                {"name": "retail", "priority": 0, "queue": queue},
            ]
        },
    }
    return [policy, tenant(_OWNER), *(tenant(name, "retail") for name in _FLOODING)]


def pool(capacity: float) -> list[Document]:
    """The pool of so many service tokens a second, and the contract on its part of them."""
    made = fleet.pool(
        POOL,
        REPLICAS,
        {
            "maxSequences": SEATS,
            "args": list(_PACE),
            "resources": _REQUESTED,
        },
        model={"name": MODEL, "source": f"hf://bench/{MODEL}"},
        sidecar={"image": tag("sidecar"), "resources": _REQUESTED},
    )
    (accelerator,) = made["spec"]["accelerators"]
    accelerator["capacity"] = {"serviceTokensPerSecond": int(capacity / REPLICAS)}
    contract = reservation(
        _OWNER,
        POOL,
        [_OWNER],
        {"percent": PERCENT},
        maxWaitMilliseconds=int(WAIT * 1000),
        burst={"windowMilliseconds": _BURST},
    )
    return [made, contract]


def engines(name: str, seats: int) -> list[Document]:
    """The same engines without sidecars, first come first served: a Deployment and a Service."""
    made = bare.engines(name, REPLICAS, MODEL, seats, *_PACE)
    (container,) = made[0]["spec"]["template"]["spec"]["containers"]
    container["resources"] = {**_REQUESTED, "limits": {GPU: "1"}}
    return made


def _keys(*tenants: str) -> tuple[str, ...]:
    return tuple(f"key-of-{name}" for name in tenants)
