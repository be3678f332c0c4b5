"""The device grant: which pool gets which devices, for a whole group of pools at once.

Pools that share nodes are granted together, one after the other from one inventory, because two
grants side by side would give the same free device twice. The grant is computed from nodes and
pods alone: a planned pod that got no device holds none, so it is taken back by the next grant, and
what already runs stays where it is. Rules and their reasons: `docs/planning.md`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime

from tierfleet.api import InferencePool
from tierfleet.api.conditions import Status
from tierfleet.api.inferencepool import ScalingMode
from tierfleet.planning import acceptance, ahead, capacity, scaling
from tierfleet.planning.inventory import Inventory, Offer
from tierfleet.planning.placement import AcceleratorPlacement, Placement
from tierfleet.planning.preference import Standing, place
from tierfleet.planning.snapshot import Node, PoolKey, Snapshot

Product = tuple[str, str]
"""A node label and its value."""


def device_groups(
    pools: Collection[InferencePool],
    nodes: Iterable[Node],
    asked: Callable[[InferencePool], set[Product]] = lambda _: set(),
) -> tuple[frozenset[PoolKey], ...]:
    """The pools in groups that want none of each other's devices, in the order of their keys.

    Connected components of pools that share a product (label and value), or whose products are
    labels of the same node. What a pool does not want any more, but has `asked` for and not given
    up, counts as well. In O(m log m) of m products (union-find with halved paths, Tarjan and
    van Leeuwen, JACM 1984), because every new pool asks anew.
    """
    wanted = {pool.key: products(pool) | asked(pool) for pool in pools}
    parent: dict[Product, Product] = {}

    def root(product: Product) -> Product:
        while (above := parent.setdefault(product, product)) != product:
            parent[product] = product = parent[above]
        return product

    for bond in [*wanted.values(), *_on_one_node(set().union(*wanted.values()), nodes)]:
        first, *others = map(root, bond)
        for other in others:
            parent[other] = first
    groups: dict[Product, set[PoolKey]] = defaultdict(set)
    for key, (product, *_) in wanted.items():
        groups[root(product)].add(key)
    return tuple(sorted(map(frozenset, groups.values()), key=min))


def products(pool: InferencePool) -> set[Product]:
    """What the pool may run on."""
    return set().union(*products_of(pool).values())


def products_of(pool: InferencePool) -> Mapping[str, frozenset[Product]]:
    """What each accelerator of the pool may be, by its name."""
    return {
        accelerator.name: frozenset((accelerator.product_label, p) for p in accelerator.products)
        for accelerator in pool.spec.accelerators
    }


def _on_one_node(wanted: Collection[Product], nodes: Iterable[Node]) -> set[frozenset[Product]]:
    """Products that are names of the same devices; a node has one value of a label."""
    names = {label for label, _ in wanted}
    if len(names) < 2:
        return set()
    found = (
        frozenset(
            product for label in names if (product := (label, node.labels.get(label, ""))) in wanted
        )
        for node in nodes
    )
    return {here for here in found if len(here) > 1}


def grant(
    snapshot: Snapshot, group: Collection[PoolKey], settled: Collection[PoolKey] = frozenset()
) -> Mapping[PoolKey, Placement]:
    """The placement of every pool of the group that the snapshot has.

    The `settled` ones have had `Placement.movable` replicas for long enough: some of them move now.

    Never more than the devices that are free, plus those of the pool's own pods. It depends on
    the facts only, not on their order, and the placement of what it has planned is itself.
    """
    inventory = Inventory(snapshot)
    pools = [snapshot.pools[key] for key in group if key in snapshot.pools]
    return {
        pool.key: _placed(snapshot, pool, inventory, settled)
        for pool in sorted(pools, key=lambda pool: _precedence(snapshot, pool))
    }


def _precedence(snapshot: Snapshot, pool: InferencePool) -> tuple[int, int, datetime, PoolKey]:
    """Smaller is first: what was promised, then weight, then age, then the name."""
    return (
        -_promised(snapshot, pool),
        -pool.spec.placement_weight,
        pool.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC),
        pool.key,
    )


def _promised(snapshot: Snapshot, pool: InferencePool) -> int:
    """Service tokens per second that contracts guarantee, were the pool placed as it likes.

    Percents are of that ideal and not of what is placed: the order must not depend on its result.
    Those that begin soon count, or the engine could not be there in time.
    """
    rates = capacity.rates(snapshot, pool)
    ideal = capacity.of(pool, capacity.preferred(pool), rates).total
    return ahead.promised(snapshot, pool, ideal)


def _placed(
    snapshot: Snapshot, pool: InferencePool, inventory: Inventory, settled: Collection[PoolKey]
) -> Placement:
    offers = [inventory.offer(pool, accelerator) for accelerator in pool.spec.accelerators]
    replicas = snapshot.replicas.get(pool.key, {})
    if pool.metadata.deletion_timestamp is not None:
        # Nothing is made of a pool that is going: what it has it keeps until it is gone.
        return _held(pool, replicas, offers)
    if acceptance.of_pool(snapshot, pool).status is not Status.TRUE:
        return _held(pool, replicas, offers)
    live = (p for p in snapshot.pods_of(pool.key) if p.ready and not (p.terminating or p.finished))
    ready = Counter(pod.accelerator for pod in live if pod.accelerator is not None)
    rates = capacity.rates(snapshot, pool)
    wanted = scaling.wanted(snapshot, pool)
    policy = snapshot.policies[(pool.key[0], pool.spec.policy_ref.name)]
    percent = sum(tier.minimum_percent for tier in policy.spec.tiers)

    def enough(desired: Mapping[str, int]) -> bool:
        able = capacity.of(pool, desired, rates)
        # Of what nobody knows the rate, no number is known to be enough. Percents and floors ask
        # for nothing, but what is promised beside them is served after them.
        first = ahead.promised(snapshot, pool, able.total) + able.total * percent // 100
        return bool(able.unknown) or not wanted.floor or able.sellable >= first

    return place(pool, offers, Standing(replicas, ready, pool.key in settled), wanted, enough)


def _held(pool: InferencePool, replicas: Mapping[str, int], offers: Iterable[Offer]) -> Placement:
    """A pool that is not accepted keeps what it has, also while one of its pods restarts."""
    for offer in offers:
        offer.take(replicas.get(offer.accelerator.name, 0))
    automatic = pool.spec.scaling.mode is ScalingMode.AUTOMATIC
    return Placement(
        sum(replicas.values()) if automatic else pool.spec.replicas,
        tuple(
            AcceleratorPlacement(accelerator.name, replicas.get(accelerator.name, 0))
            for accelerator in pool.spec.accelerators
        ),
    )
