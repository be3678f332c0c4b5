"""Python that runs in a pod: our images have no shell to speak of."""

from e2e.scenarios.fleet import Fleet


def inside(
    fleet: Fleet, pod: str, code: str, *arguments: object, container: str = "sidecar"
) -> str:
    """What a piece of Python prints in a pod's container."""
    where = ("exec", pod, f"--container={container}", "--")
    program = ("/opt/tierfleet/bin/python", "-c", code, *map(str, arguments))
    return fleet.world.kubectl(*where, *program).strip()
