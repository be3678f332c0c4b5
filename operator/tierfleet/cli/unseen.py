"""What is not as it seems, as sentences: nobody has answered, or a record is of other objects."""

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


def strangers(snapshot: Snapshot) -> Iterator[str]:
    """A sentence for each pool whose plan on record has contracts of other objects of that name."""
    for key, record in sorted(snapshot.recorded.items()):
        given = {r.metadata.name: r.metadata.uid for r in snapshot.reservations_of(key)}
        others = [c.name for c in record.reservations if given.get(c.name, c.uid) != c.uid]
        if others:
            yield (
                f"The plan of InferencePool {'/'.join(key)} on record has contracts of other "
                f"objects than these, by their uid: {', '.join(others)} are judged anew. Take them "
                "as the cluster has them: kubectl get capres -o yaml."
            )
