"""What a pool's children say, to compare."""

from typing import Any

from e2e.world import World

KINDS = "deployments,services,secrets,poddisruptionbudgets"
GIVEN_BY_THE_SERVER = {"clusterIP", "clusterIPs"}


def children(world: World, pool: str) -> dict[str, Any]:
    """What a pool's children say, by kind and name, as far as it is ours to say."""
    return {
        f"{child['kind']}/{child['metadata']['name']}": (
            child["metadata"]["labels"],
            child.get("data"),
            {k: v for k, v in child.get("spec", {}).items() if k not in GIVEN_BY_THE_SERVER},
        )
        for child in world.all(KINDS, f"--selector=tierfleet.dev/pool={pool}")
    }
