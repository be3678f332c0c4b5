"""In which order, and how many at once, a pool's Deployments may change. Pure.

Budgets do not restrain rollouts, and each Deployment only knows its own pods: so a new pod template
goes to one Deployment of a pool at a time, each of which takes down `disruption.maxUnavailable`.
"""

from collections.abc import Callable, Iterable, Iterator

from tierfleet.controllers import child
from tierfleet.controllers.child import Child
from tierfleet.kube.resources import Raw

Live = Callable[[Raw], Child | None]
"""The Deployment as it is; None if there is none."""


def next_steps(deployments: Iterable[Raw], live: Live) -> Iterator[Raw]:
    """The Deployments that may be made as planned now: those that shrink before those that grow.

    Left out is one that would replace its pods while another one is doing so. One that is not as
    its spec says may always change: that is how a broken rollout is mended. And one whose number
    of replicas changes is not left out either: devices that were given up must be given up.
    """
    pairs = [(manifest, live(manifest)) for manifest in deployments]
    busy = {manifest["metadata"]["name"] for manifest, found in pairs if found and found.rolling}
    for manifest, found in sorted(pairs, key=_growth):
        name = manifest["metadata"]["name"]
        if found is not None and _replaces_pods(manifest, found):
            if busy - {name} and not found.rolling and found.replicas == _wanted(manifest):
                continue
            busy.add(name)
        yield manifest


def outdated(deployments: Iterable[Raw], live: Live) -> int:
    """Replicas that do not run the planned pod template, or are not known to."""
    pairs = ((manifest, live(manifest)) for manifest in deployments)
    return sum(
        found.outdated if found.pods_stamp == child.pods_stamp(manifest) else found.pods
        for manifest, found in pairs
        if found is not None
    )


def _replaces_pods(manifest: Raw, found: Child) -> bool:
    return found.replicas > 0 and found.pods_stamp != child.pods_stamp(manifest)


def _growth(pair: tuple[Raw, Child | None]) -> int:
    manifest, found = pair
    return _wanted(manifest) - (found.replicas if found else 0)


def _wanted(manifest: Raw) -> int:
    wanted: int = manifest["spec"]["replicas"]
    return wanted
