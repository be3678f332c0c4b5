"""What plans are made from, listed once with the rights of whoever asks, and tried changes of it.

For commands that look and write nothing. What may be missing is left out and told; without nodes
and pods nothing can be said. It must not know what is made of it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from tierfleet.api.common import POLICY_LABEL
from tierfleet.kube import project, three_way
from tierfleet.kube.client import Client
from tierfleet.kube.cluster import ClusterError, ForbiddenError, NotFoundError, Query
from tierfleet.kube.resources import (
    DEPLOYMENTS,
    LEADER_WORKER_SETS,
    NODES,
    OURS,
    PODS,
    POOLS,
    SECRETS,
    Key,
    Raw,
    ResourceType,
    key_of,
)
from tierfleet.manifests import labels, names

_AT_ONCE = 20
"""Requests for records at a time."""


class RefusedError(Exception):
    """A right is missing that nothing can be said without, or a change is refused; it says why."""


@dataclass
class Live:
    """Objects as they are.

    Attributes:
        objects: by type and key.
        secretless: namespaces whose Secrets may not be read: neither tenants nor records.
        leader_worker_sets: the cluster knows that kind.
        notes: what is not known, as sentences.
    """

    objects: dict[tuple[ResourceType, Key], Raw] = field(default_factory=dict)
    secretless: set[str] = field(default_factory=set)
    leader_worker_sets: bool = True
    notes: list[str] = field(default_factory=list)

    def take(self, type_: ResourceType, objects: Iterable[Raw]) -> None:
        """Take in objects of a list, whose items do not say what they are."""
        for raw in objects:
            about = {"apiVersion": type_.api_version, "kind": type_.kind}
            self.objects[(type_, key_of(raw))] = raw | about


async def look(client: Client, namespaces: Collection[str]) -> Live:
    """All that may be seen: of the whole cluster, or else of these namespaces.

    Raises:
        RefusedError: a right is missing that nothing can be said without.
        ClusterError: the server does not answer.
    """
    live = Live()
    for type_ in OURS:
        live.take(type_, await _of_ours(client, type_, namespaces, live))
    # Of the pods of a cluster most use no devices.
    pods = Query(PODS, fields=project.NOT_FINISHED)
    for query, keep in ((Query(NODES), _any), (pods, lambda raw: project.pod(raw) is not None)):
        try:
            live.take(query.type, await _all(client, query, keep))
        except ForbiddenError as error:
            raise RefusedError(
                f"You may not list {query.type.plural}, without which nobody can tell where there "
                f"are devices: {_said(error)} Ask for it, or choose another --context."
            ) from None
    live.leader_worker_sets = await _serves(client, LEADER_WORKER_SETS)
    served = sorted({key[0] for type_, key in live.objects if type_ == POOLS} | {*namespaces})
    for namespace in served:
        await _secrets(client, namespace, live)
        await _replicas(client, DEPLOYMENTS, namespace, live)
        if live.leader_worker_sets and _on_several_nodes(namespace, live):
            await _replicas(client, LEADER_WORKER_SETS, namespace, live)
    return live


async def _serves(client: Client, type_: ResourceType) -> bool:
    try:
        await client.discover(type_.api_version)
    except NotFoundError:
        return False
    return True


def _on_several_nodes(namespace: str, live: Live) -> bool:
    """Whether a pool there has replicas of several nodes: others need no right to look for them."""
    pools = (
        raw for (type_, key), raw in live.objects.items() if (type_, key[0]) == (POOLS, namespace)
    )
    return any(
        accelerator.get("nodesPerReplica", 1) > 1
        for pool in pools
        for accelerator in pool["spec"]["accelerators"]
    )


async def _replicas(client: Client, type_: ResourceType, namespace: str, live: Live) -> None:
    """What the replicas of the namespace's pools are made from."""
    try:
        live.take(type_, await _all(client, Query(type_, namespace, labels=labels.POOL)))
    except ForbiddenError as error:
        live.notes.append(
            f"You may not list {type_.plural} in namespace {namespace}, so the replicas that "
            f"a pool has are counted by its pods: {_said(error)}"
        )


async def tried(client: Client, live: Live, given: Iterable[Raw], manager: str | None) -> list[Raw]:
    """What the server would store if these were applied; nothing is written.

    In the way that each has been applied before: by kubectl on its own side, or by the manager that
    applied it on the server's side; `manager` is one to take for the latter.

    Raises:
        RefusedError: the server refuses one, in its own words, or does not let us try.
        ClusterError: the server does not answer.
    """
    return [await _tried(client, live, raw, manager) for raw in given]


async def _tried(client: Client, live: Live, raw: Raw, manager: str | None) -> Raw:
    type_ = next(t for t in (*OURS, SECRETS) if t.kind == raw["kind"])
    there = live.objects.get((type_, key_of(raw)))
    patch = three_way.patch_for(there, raw) if there and manager is None else None
    try:
        if patch is None:
            return await client.try_apply(type_, raw, manager=manager or _applier(there))
        return await client.try_merge(type_, key_of(raw), patch)
    except ForbiddenError as error:
        raise RefusedError(
            f"{_named(type_, raw)} cannot be tried: {_said(error)} Trying takes the right to patch "
            f"{type_.plural}, and to create one that is not there."
        ) from None
    except ClusterError as error:
        if not error.status:
            raise
        raise RefusedError(f"{_named(type_, raw)} is refused: {_said(error)}") from None


def _applier(there: Raw | None) -> str:
    """Who has applied the object; if that is not one, kubectl."""
    found = {
        entry.get("manager", "")
        for entry in (there["metadata"].get("managedFields", []) if there else ())
        if entry.get("operation") == "Apply" and not entry.get("subresource")
    }
    return found.pop() if len(found) == 1 else "kubectl"


def _named(type_: ResourceType, raw: Raw) -> str:
    return f"{type_.kind} {'/'.join(key_of(raw))}"


async def _of_ours(
    client: Client, type_: ResourceType, namespaces: Collection[str], live: Live
) -> list[Raw]:
    try:
        return await _all(client, Query(type_))
    except NotFoundError:
        raise RefusedError(
            f"The cluster does not know {type_.plural}.{type_.group}. Install the kinds with "
            "`kubectl apply --server-side -f crds/`, or choose another --context."
        ) from None
    except ForbiddenError:
        pass
    found = []
    for namespace in sorted(namespaces):
        try:
            found += await _all(client, Query(type_, namespace))
        except ForbiddenError as error:
            raise RefusedError(
                f"You may not list {type_.plural}.{type_.group} in namespace {namespace}: "
                f"{_said(error)} Ask for it, or choose another --context."
            ) from None
    if type_ == POOLS:
        live.notes.append(
            f"You may not list {type_.plural}.{type_.group} in all namespaces: pools elsewhere "
            "that want the same devices are not counted, but for the pods that they have."
        )
    return found


async def _secrets(client: Client, namespace: str, live: Live) -> None:
    """Tenants of the namespace, and the records of its pools."""
    try:
        live.take(SECRETS, await _all(client, Query(SECRETS, namespace, labels=POLICY_LABEL)))
        pools = [key for type_, key in live.objects if type_ == POOLS and key[0] == namespace]
        turn = asyncio.Semaphore(_AT_ONCE)
        live.take(
            SECRETS, filter(None, await asyncio.gather(*(_record(client, p, turn) for p in pools)))
        )
    except ForbiddenError as error:
        live.secretless.add(namespace)
        live.notes.append(
            f"You may not list secrets in namespace {namespace}: tenants are taken to be known, "
            f"and contracts to be judged in the order of their age. {_said(error)}"
        )


async def _record(client: Client, pool: Key, turn: asyncio.Semaphore) -> Raw | None:
    async with turn:
        try:
            return await client.get(SECRETS, (pool[0], names.plan_index(pool[1])))
        except NotFoundError:
            return None


def _any(_: Raw) -> bool:
    return True


async def _all(client: Client, query: Query, keep: Callable[[Raw], bool] = _any) -> list[Raw]:
    page = await client.page(query)
    found = list(filter(keep, page.items))
    while page.token:
        page = await client.page(query, page.token)
        found += filter(keep, page.items)
    return found


def _said(error: ClusterError) -> str:
    return f"{str(error).rstrip('.')}."
