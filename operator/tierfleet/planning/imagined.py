"""Facts that are not at hand, taken as one would wish them: devices for every replica, tenants.

For plans that are looked at and never carried out. It must not decide anything itself: what it
imagines goes through the same grant and the same judgement as what is real.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from tierfleet.api import GROUP, InferencePool
from tierfleet.api.inferencepool import Access
from tierfleet.api.scheduling import Affinity
from tierfleet.plan import sha256_hex
from tierfleet.planning.snapshot import Node, Snapshot
from tierfleet.planning.tenancy import TenantSecret

_HOME = f"{GROUP}/imagined"
"""Label of an imagined node: whose replica it is for."""


def with_devices(snapshot: Snapshot) -> Snapshot:
    """Nodes of its own for every replica that a pool may want on any accelerator.

    Only to grant from: its pools run nowhere else, so that none takes what is meant for another.
    """
    nodes = {node.name: node for pool in snapshot.pools.values() for node in _nodes(pool)}
    pools = {key: _at_home(pool) for key, pool in snapshot.pools.items()}
    return replace(snapshot, pools=pools, nodes=nodes, pods=(), leader_worker_sets=True)


def with_tenants(snapshot: Snapshot, namespaces: Collection[str]) -> Snapshot:
    """In these namespaces every tenant that a reservation names is known, and may use every pool.

    In the highest tier, so that no contract is refused for where it spills over.
    """
    if not namespaces:
        return snapshot
    found: dict[tuple[str, str, str], TenantSecret] = {}
    for reservation in snapshot.reservations.values():
        namespace = reservation.key[0]
        pool = snapshot.pools.get((namespace, reservation.spec.pool_ref.name))
        name = pool.spec.policy_ref.name if pool else ""
        policy = snapshot.policies.get((namespace, name))
        if pool is None or policy is None or namespace not in namespaces:
            continue
        highest = max(policy.spec.tiers, key=lambda tier: tier.priority)
        for tenant in reservation.spec.tenants:
            found[(namespace, name, tenant)] = TenantSecret(
                namespace=namespace,
                name=tenant,
                created=snapshot.now,
                policy=name,
                tenant=tenant,
                tier=highest.name,
                keys=(sha256_hex(f"imagined {namespace} {name} {tenant}"),),
            )
    pools = {
        key: _open_to_all(pool) if key[0] in namespaces else pool
        for key, pool in snapshot.pools.items()
    }
    known = tuple(secret for secret in snapshot.tenants if secret.namespace not in namespaces)
    return replace(snapshot, pools=pools, tenants=(*known, *found.values()))


def _home(pool: InferencePool, accelerator: str) -> str:
    return "/".join((*pool.key, accelerator))


def _nodes(pool: InferencePool) -> Iterator[Node]:
    replicas = pool.spec.most_replicas
    for accelerator in pool.spec.accelerators:
        home = _home(pool, accelerator.name)
        most = accelerator.max_replicas
        count = replicas if most is None else min(most, replicas)
        for number in range(count * accelerator.nodes_per_replica):
            yield Node(
                name=f"{home}/{number}",
                labels={_HOME: home, accelerator.product_label: accelerator.products[0]},
                allocatable={accelerator.resource: accelerator.devices_per_replica},
            )


def _at_home(pool: InferencePool) -> InferencePool:
    accelerators = tuple(
        accelerator.model_copy(update={"node_selector": {_HOME: _home(pool, accelerator.name)}})
        for accelerator in pool.spec.accelerators
    )
    template = pool.spec.template.model_copy(update={"affinity": Affinity()})
    spec = pool.spec.model_copy(update={"accelerators": accelerators, "template": template})
    return pool.model_copy(update={"spec": spec})


def _open_to_all(pool: InferencePool) -> InferencePool:
    spec = pool.spec.model_copy(update={"access": Access()})
    return pool.model_copy(update={"spec": spec})
