"""What is kept of the objects that the operator makes: enough to tell whether they are as planned.

Not the objects themselves: a thousand pools have twenty thousand children. What was applied last
is told by a hash in an annotation, and whether it is still there by who owns the fields. Pure.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from tierfleet import manifests
from tierfleet.api import GROUP, Key
from tierfleet.kube import ownership
from tierfleet.kube.ownership import Fields, Foreign
from tierfleet.kube.project import decoded
from tierfleet.kube.resources import DEPLOYMENTS, REPLICAS, SECRETS, Raw, ResourceType, key_of
from tierfleet.manifests import labels, names, pod
from tierfleet.planning.devices import Product

MANAGER = "tierfleet"
"""Field manager of children."""

APPLIED = f"{GROUP}/applied"
"""Annotation of a child: the stamp of the manifest that was applied last."""


class Claim(NamedTuple):
    """What a Deployment or a LeaderWorkerSet asks for.

    Attributes:
        accelerator: what the pool calls the devices, or called them when it was made.
        products: that its nodes may have; none if somebody has made it so that nobody can tell.
    """

    accelerator: str
    products: frozenset[Product]
    replicas: int


@dataclass(frozen=True, slots=True)
class Child:
    """An object that we made, as it is.

    Attributes:
        owner: uid of its controller, empty if it has none.
        pool: the pool whose label it carries.
        applied: stamp of the manifest that was applied last; empty if somebody changed even that.
        owned: `fields` as JSON: a tree of dictionaries would take twenty times the memory.
        foreign: what others set in its spec or data.
        claim: of a Deployment or a LeaderWorkerSet, what it asks for.
        rolling: one of these whose replicas are not what its spec says yet.
        pods: replicas that it has, whatever template they run.
        outdated: those of them that may not run the template of its spec.
        data: entries of a Secret that the operator reads back.
        version: its resourceVersion, which alone makes no difference.
    """

    type: ResourceType
    key: Key
    uid: str
    owner: str
    pool: Key
    applied: str
    owned: bytes
    foreign: tuple[Foreign, ...]
    claim: Claim | None = None
    rolling: bool = False
    pods: int = 0
    outdated: int = 0
    data: Mapping[str, bytes] = field(default_factory=dict)
    version: str = field(default="", compare=False)

    @property
    def replicas(self) -> int:
        """Of the spec of what makes some."""
        return self.claim.replicas if self.claim is not None else 0

    @property
    def fields(self) -> Fields:
        """What we own of it."""
        return msgspec.json.decode(self.owned, type=Fields)

    @property
    def pods_stamp(self) -> str:
        """Of what makes replicas: which pods it has, as `pods_stamp` of a manifest tells."""
        return self.applied.partition(".")[2]


def projection(type_: ResourceType) -> Callable[[Raw], Child]:
    """The projection of a type of child, for its cache."""
    return lambda raw: project(type_, raw)


def project(type_: ResourceType, raw: Raw) -> Child:
    """What to keep of an object of that type."""
    metadata = raw["metadata"]
    key = key_of(raw)
    pool = metadata.get("labels", {}).get(labels.POOL, "")
    read_back = type_ == SECRETS and key[1] in {names.plan_index(pool), names.tokens(pool)}
    fields = ownership.applied(raw, MANAGER)
    status = raw.get("status", {}) if type_ in REPLICAS else {}
    stamped_by_us = f"f:{APPLIED}" in fields.get("f:metadata", {}).get("f:annotations", {})
    return Child(
        type=type_,
        key=key,
        uid=metadata["uid"],
        owner=_controller(metadata),
        pool=(key[0], pool),
        applied=metadata.get("annotations", {}).get(APPLIED, "") if stamped_by_us else "",
        owned=msgspec.json.encode(fields),
        foreign=ownership.foreign(raw, MANAGER, root_of(type_)),
        claim=_claim(raw) if type_ in REPLICAS else None,
        rolling=type_ in REPLICAS and _rolling(type_, raw),
        pods=status.get("replicas", 0),
        outdated=_outdated(metadata, status),
        data=decoded(raw) if read_back else {},
        version=metadata.get("resourceVersion", ""),
    )


def claim_of(manifest: Raw) -> Claim | None:
    """What the manifest of a child asks for; None if it makes no replicas."""
    return _claim(manifest) if manifest["kind"] in manifests.REPLICAS else None


def root_of(type_: ResourceType) -> str:
    """The part of an object that is ours alone."""
    return "data" if type_ == SECRETS else "spec"


def stamp(manifest: Raw) -> str:
    """What tells one manifest from another: a hash of it, and one of its pods if it makes some."""
    whole = _digest(manifest)
    return f"{whole}.{pods_stamp(manifest)}" if manifest["kind"] in manifests.REPLICAS else whole


def pods_stamp(manifest: Raw) -> str:
    """What tells the pods of one manifest from another's: if it differs, all are replaced."""
    return _digest(manifests.templates(manifest))


def stamped(manifest: Raw) -> Raw:
    """The manifest as it is applied: with its own stamp in an annotation."""
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations", {}) | {APPLIED: stamp(manifest)}
    return manifest | {"metadata": metadata | {"annotations": annotations}}


def _digest(content: object) -> str:
    text = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(text).hexdigest()[:16]


def _claim(raw: Raw) -> Claim:
    return Claim(
        accelerator=raw["metadata"].get("labels", {}).get(labels.ACCELERATOR, ""),
        products=pod.products(manifests.leading(raw)),
        replicas=raw["spec"].get("replicas", 0),
    )


def _controller(metadata: Raw) -> str:
    owners = metadata.get("ownerReferences", [])
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _outdated(metadata: Raw, status: Raw) -> int:
    """Until a change has been observed, the counts are about the template before it."""
    observed = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    pods: int = status.get("replicas", 0)
    return pods - status.get("updatedReplicas", 0) if observed else pods


def _rolling(type_: ResourceType, raw: Raw) -> bool:
    """As `kubectl rollout status` tells it; a LeaderWorkerSet counts whole groups.

    Old replicas count until they are gone: for a moment the status has an old one, which is being
    taken down, among those that are available, and the new one already among the updated.
    """
    status, wanted = raw.get("status", {}), raw["spec"].get("replicas", 1)
    serving = "availableReplicas" if type_ == DEPLOYMENTS else "readyReplicas"
    return bool(
        status.get("observedGeneration", 0) < raw["metadata"].get("generation", 0)
        or status.get("updatedReplicas", 0) < wanted
        or status.get("replicas", 0) > status.get("updatedReplicas", 0)
        or status.get(serving, 0) < wanted
    )
