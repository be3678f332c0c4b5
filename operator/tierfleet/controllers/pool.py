"""The reconcile of an InferencePool: its plan, its children, its status.

Order matters: the plan with its record of promises is written before anything that relies on it,
what is not planned any more is deleted last, and the status tells what has been done.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from tierfleet import manifests
from tierfleet.api import InferencePool, Key
from tierfleet.api.conditions import (
    READY,
    RECONCILING,
    Judgement,
    Status,
    find,
    judged,
    stalled,
)
from tierfleet.api.poolstatus import InferencePoolStatus, PoolReason
from tierfleet.controllers.apply import Applier, NotOursError, type_of
from tierfleet.controllers.child import Child
from tierfleet.controllers.deletion_costs import DeletionCosts
from tierfleet.controllers.devices import Devices
from tierfleet.controllers.own import Own
from tierfleet.controllers.rollout import next_steps, outdated
from tierfleet.controllers.status import StatusWriter
from tierfleet.controllers.store import Store
from tierfleet.controllers.tokens import TokenKeeper
from tierfleet.controllers.worker import DONE, Done, RequeueAfter, Result, Retry, Term, at_next
from tierfleet.kube.cluster import SERVER_FAULT, ClusterError, ForbiddenError, InvalidError
from tierfleet.kube.resources import (
    DEPLOYMENTS,
    GATEWAY_POOLS,
    POOLS,
    REPLICAS,
    SECRETS,
    Raw,
    ResourceType,
    definition_of,
    key_of,
)
from tierfleet.manifests import Tokens, labels, names
from tierfleet.plan import sha256_hex
from tierfleet.planning import backing, enforcement, shares
from tierfleet.planning.backing import Backing
from tierfleet.planning.enforcement import Enforcement
from tierfleet.planning.pool import PoolPlan, TokenHashes, plan_pool
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import summarise_pool

logger = logging.getLogger(__name__)


class Planned(NamedTuple):
    """What was decided about a pool last.

    Attributes:
        uid: of the pool.
        plan: its last plan.
        seen: which generation of each reservation (by uid) the plan has seen.
        enforcement: what the replicas ran then.
        backing: what those that were ready could keep.
    """

    uid: str
    plan: PoolPlan
    seen: Mapping[str, int]
    enforcement: Enforcement
    backing: Backing | None


class Pools:
    """Reconciles pools, and keeps the last plan of each."""

    def __init__(
        self,
        store: Store,
        devices: Devices,
        tokens: TokenKeeper,
        applier: Applier,
        costs: DeletionCosts,
        statuses: StatusWriter,
        *,
        wake_reservation: Callable[[Key], None],
    ) -> None:
        """`wake_reservation` is called with each reservation when there is a new plan for it."""
        self._store = store
        self._devices = devices
        self._tokens = tokens
        self._applier = applier
        self._costs = costs
        self._statuses = statuses
        self._wake_reservation = wake_reservation
        self._planned: dict[Key, Planned] = {}

    def planned(self, pool: Key) -> Planned | None:
        """The last plan of the pool, once it is written; not that of one that had its name."""
        own, found = self._store.pools.get(pool), self._planned.get(pool)
        same = own is not None and found is not None and own.object.metadata.uid == found.uid
        return found if same else None

    async def reconcile(self, key: Key) -> Result:
        """Make the pool's children and its status be as planned."""
        own = self._store.pools.get(key)
        if own is None:
            self._forget(key)
            return DONE
        try:
            for written in self._devices.claims.unanswered(key):
                await self._applier.look(*written)
                self._devices.answered(key, written)
            if own.object.metadata.deletion_timestamp is not None:
                return DONE
            tokens = await self._tokens.of(own.object)
        except ClusterError as why:
            return Retry(why, _next_look_unplanned(self._store.of_pool(own.object), key))
        # Read when nothing is awaited any more before it counts (`writing`): a grant that another
        # pool has got meanwhile would be taken all the same.
        own = self._still(own.object)
        placement = self._devices.granted(own.object) if own is not None else None
        if own is None or placement is None:
            return DONE
        pool = own.object
        hashes = TokenHashes(sha256_hex(tokens.admin), sha256_hex(tokens.hook))
        snapshot = self._store.of_pool(pool)
        plan = plan_pool(snapshot, key, placement, hashes)
        try:
            return await self._carry_out(pool, snapshot, plan, tokens)
        except ClusterError as why:
            # Nobody tells us when it will work, so we try again, ever less often. Terms that begin
            # and end do not wait for that.
            after = self._store.of_pool(pool)
            return Retry(why, _next_look(snapshot, plan, after, enforcement.of(after, key)))

    async def _carry_out(
        self, pool: InferencePool, snapshot: Snapshot, plan: PoolPlan, tokens: Tokens
    ) -> Result:
        """Write what was planned from the snapshot, and tell of it.

        Raises:
            ClusterError: some of it is not as planned.
        """
        key = pool.key
        wanted = manifests.children(pool, plan, tokens)
        children = [manifest for manifest in wanted if self._store.serves(type_of(manifest))]
        unserved = {type_of(manifest) for manifest in wanted} - set(map(type_of, children))
        refused: Mapping[ResourceType, ClusterError] = {}
        fault: ClusterError | None = None
        if plan.plan is not None:
            with self._devices.writing(pool, plan.placement):
                refused, fault = await self._write(pool, children, unserved)
        own = self._still(pool)
        if own is None:
            return DONE  # what has its name now is another, which is looked at for itself
        # As fresh as can be: writing the children took a while, and there may be a new plan.
        after = self._store.of_pool(pool)
        running = enforcement.of(after, key)
        if SECRETS in refused:
            plan = replace(plan, plan=None)
        else:
            self._remember(snapshot, plan, running, backing.of(after, plan))
        made_from = [manifest for manifest in children if type_of(manifest) in REPLICAS]
        to_do = outdated(made_from, self._child)
        status = summarise_pool(snapshot, plan, running, to_do, self._held(pool, plan))
        if GATEWAY_POOLS in unserved:
            status = _without_gateway(pool, status, snapshot.now)
        for type_, why in refused.items():
            await self._statuses.write(
                POOLS, own, _with_refusal(pool, status, type_, why, snapshot.now)
            )
            raise why
        await self._statuses.write(POOLS, own, status)
        if fault is not None:
            raise fault
        return _next_look(snapshot, plan, after, running)

    async def _write(
        self, pool: InferencePool, children: Sequence[Raw], unserved: Collection[ResourceType]
    ) -> tuple[Mapping[ResourceType, ClusterError], ClusterError | None]:
        """Make the children be as planned, but those of types that are `unserved`.

        Pods rely on the Secrets: if one of those cannot be written, nothing else is. The rest does
        not wait for each other: replicas follow a plan that is written.

        Returns:
            Why some cannot be written, the first of each type; and a fault that is not to be told.
        """
        refused: dict[ResourceType, ClusterError] = {}
        fault: ClusterError | None = None
        for manifest in self._in_order(pool, children):
            index = manifest["metadata"]["name"] == names.plan_index(pool.metadata.name)
            if type_of(manifest) == DEPLOYMENTS:
                await self._costs.before(pool, manifest)
            try:
                with self._devices.claims.sending(pool.key, manifest):
                    await self._applier.ensure(pool, manifest, unchanged=index)
            except ClusterError as error:
                if self._to_tell(manifest, error):
                    refused.setdefault(type_of(manifest), error)
                elif error.status >= SERVER_FAULT and type_of(manifest) != SECRETS:
                    fault = fault or error
                else:
                    raise
                if SECRETS in refused:
                    return refused, fault
        planned = {(type_of(manifest), key_of(manifest)) for manifest in children}
        for live in list(self._store.children_of(pool.key)):
            # What is not served may be soon, and what there is of it is planned then.
            stray = (live.type, live.key) not in planned and live.type not in unserved
            if live.owner == pool.metadata.uid and stray:
                try:
                    await self._applier.remove(live)
                except ClusterError as error:
                    # Of Secrets, to be refused means that there is no plan; it is written here.
                    if live.type != SECRETS and isinstance(error, InvalidError | ForbiddenError):
                        refused.setdefault(live.type, error)
                    elif live.type != SECRETS and error.status >= SERVER_FAULT:
                        fault = fault or error
                    else:
                        raise
        self._applier.settled(pool.key)
        return refused, fault

    def _to_tell(self, manifest: Raw, error: ClusterError) -> bool:
        """Whether a person has to know why a child is not as planned: it may stay so.

        A fault of the server is over soon as a rule, and what is there serves meanwhile; but
        without a child that is missing, such as the Service, the pool is not what it says it is.
        """
        if isinstance(error, NotOursError | InvalidError | ForbiddenError):
            return True
        missing = self._store.child(type_of(manifest), key_of(manifest)) is None
        return error.status >= SERVER_FAULT and missing

    def _still(self, pool: InferencePool) -> Own[InferencePool] | None:
        """The pool as it is now; None if it is gone, or another one has its name."""
        own = self._store.pools.get(pool.key)
        same = own is not None and own.object.metadata.uid == pool.metadata.uid
        return own if same else None

    def _in_order(self, pool: InferencePool, children: Sequence[Raw]) -> Iterator[Raw]:
        yield from (manifest for manifest in children if type_of(manifest) not in REPLICAS)
        # What may be added is known once the plan that counts it has been written.
        made_from = [manifest for manifest in children if type_of(manifest) in REPLICAS]
        yield from next_steps(self._bounded(pool, made_from), self._child)

    def _child(self, manifest: Raw) -> Child | None:
        return self._store.child(type_of(manifest), key_of(manifest))

    def _bounded(self, pool: InferencePool, made_from: Sequence[Raw]) -> Sequence[Raw]:
        """What replicas are made from, each with as many as it may ask for now."""
        named = {d["metadata"]["labels"][labels.ACCELERATOR]: d for d in made_from}
        desired = {name: self._within_ceiling(pool, name, d) for name, d in named.items()}
        granted = shares.allowed(self._store.of_pool(pool), pool.key, desired)
        return [d | {"spec": d["spec"] | {"replicas": granted[name]}} for name, d in named.items()]

    def _within_ceiling(self, pool: InferencePool, accelerator: str, manifest: Raw) -> int:
        wanted: int = manifest["spec"]["replicas"]
        ceiling = self._devices.ceiling(pool, accelerator)
        return wanted if ceiling is None else min(wanted, ceiling)

    def _held(self, pool: InferencePool, plan: PoolPlan) -> Mapping[str, Key]:
        """The accelerators on which it asks for fewer than planned, and who keeps it from more."""
        asked = self._store.replicas_of(pool)
        short = (name for name, n in plan.placement.desired.items() if asked.get(name, 0) < n)
        return {name: key for name in short if (key := self._devices.holder(pool, name))}

    def _remember(
        self, snapshot: Snapshot, plan: PoolPlan, running: Enforcement, behind: Backing | None
    ) -> None:
        reservations = list(snapshot.reservations_of(plan.key))
        seen = {r.metadata.uid: r.metadata.generation for r in reservations}
        uid = snapshot.pools[plan.key].metadata.uid
        before = self._planned.get(plan.key)
        after = Planned(uid, _without_tenants(plan), seen, running, behind)
        self._planned[plan.key] = after
        if before is None or before[:3] != after[:3]:
            version = plan.plan.version if plan.plan else "as it was"
            logger.info("%s/%s: placed %s, plan %s.", *plan.key, plan.placement.summary, version)
        if before != after:
            for reservation in reservations:
                self._wake_reservation(reservation.key)

    def _forget(self, key: Key) -> None:
        """The pool is gone; its children go by their owner references."""
        self._planned.pop(key, None)
        self._tokens.forget(key)
        self._applier.settled(key)
        self._store.forget(key)


def _next_look(
    snapshot: Snapshot, plan: PoolPlan, after: Snapshot, running: Enforcement
) -> Done | RequeueAfter:
    """When time alone makes another plan or status; planned from `snapshot`, it is `after` now."""
    edges = (plan.next_change, running.next_change, shares.next_change(after, plan.key))
    return at_next(edges, snapshot.now)


def _next_look_unplanned(snapshot: Snapshot, key: Key) -> Done | RequeueAfter:
    """The same where there is no new plan; terms of contracts whose change is refused count too."""
    asked = (reservation.spec.term for reservation in snapshot.reservations_of(key))
    agreed = (contract.term for contract in snapshot.recorded_of(key).reservations)
    terms: Iterator[Term] = chain(asked, agreed)
    edges = (edge for term in terms for edge in (term.start, term.end))
    running = enforcement.of(snapshot, key)
    others = (running.next_change, shares.next_change(snapshot, key))
    return at_next(chain(edges, others), snapshot.now)


def _without_tenants(plan: PoolPlan) -> PoolPlan:
    """A policy's tenants are in the plan of each of its pools: too many to keep, and unused."""
    if plan.plan is None:
        return plan
    return replace(plan, plan=plan.plan.model_copy(update={"tenants": ()}), market=None)


def _with_refusal(
    pool: InferencePool,
    status: InferencePoolStatus,
    type_: ResourceType,
    why: ClusterError,
    now: datetime,
) -> InferencePoolStatus:
    if why.status >= SERVER_FAULT:
        message = (
            f"The API server cannot make a {type_.told} of this pool: {why} That is a fault in the "
            "cluster; once it is mended this goes on by itself."
        )
        return _unready(pool, status, PoolReason.CHILD_REFUSED, message, now, {})
    if isinstance(why, NotOursError):
        reason, message = PoolReason.NAME_TAKEN, str(why)
    else:
        reason = PoolReason.CHILD_REFUSED
        message = (
            f"The API server does not let a {type_.told} of this pool be as planned: {why} Change "
            "the InferencePool, or the rule that forbids it."
        )
    return _unready(pool, status, reason, message, now, stalled(reason, message))


def _without_gateway(
    pool: InferencePool, status: InferencePoolStatus, now: datetime
) -> InferencePoolStatus:
    """The status while the cluster does not know the kind of a child; other reasons come first."""
    ready = find(status.conditions, READY)
    if ready is None or ready.status is not Status.TRUE:
        return status
    message = (
        f"It serves, but no Gateway can route to it: the cluster does not know "
        f"{definition_of(GATEWAY_POOLS)} ({GATEWAY_POOLS.version}). Install the CRDs of the "
        "Gateway API Inference Extension, or set spec.gateway.inferencePool to Never."
    )
    return _unready(pool, status, PoolReason.GATEWAY_API_MISSING, message, now, {})


def _unready(
    pool: InferencePool,
    status: InferencePoolStatus,
    reason: PoolReason,
    message: str,
    now: datetime,
    more: Mapping[str, Judgement],
) -> InferencePoolStatus:
    judgements = {c.type: Judgement(c.status, c.reason, c.message) for c in status.conditions}
    judgements.pop(RECONCILING, None)
    judgements[READY] = Judgement(Status.FALSE, reason, message)
    conditions = judged(
        pool.status.conditions,
        {**judgements, **more},
        generation=pool.metadata.generation,
        now=now,
    )
    return status.model_copy(update={"conditions": conditions})
