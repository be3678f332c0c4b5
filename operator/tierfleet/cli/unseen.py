"""What no operator has answered yet, as sentences: a cluster may have none for a namespace."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tierfleet.api import Key
from tierfleet.planning.snapshot import Snapshot

_NAMED = 3


def unseen(snapshot: Snapshot, keys: Iterable[Key]) -> Iterator[str]:
    """A sentence for each namespace in which pools have a status that is older than they are.

    Pools that the snapshot does not have, or that are being deleted, are left out.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        pool = snapshot.pools.get(key)
        # One that is being deleted has a new generation that nobody answers.
        if pool is None or pool.metadata.deletion_timestamp is not None:
            continue
        if pool.status.observed_generation < pool.metadata.generation:
            found[key[0]].append(key[1])
    for namespace, pools in found.items():
        others = len(pools) - _NAMED
        named = ", ".join(pools[:_NAMED]) + (f" and {others} more" if others > 0 else "")
        yield (
            f"No operator has answered for InferencePool {named} in namespace {namespace} as it is "
            "now, so this is what one would do. If that stays so, see that an operator runs and "
            "watches the namespace (watchNamespaces of its chart)."
        )
