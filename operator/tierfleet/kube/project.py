"""From what the API server sends to what planning uses: raw dicts to the types of a snapshot. Pure.

Done as objects are decoded, so that nothing else is ever kept: no key in clear, no container of a
stranger's pod. What cannot be read is reported as a problem or left out, never raised: one odd
object of somebody else must not stop the operator.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from tierfleet.api.common import POLICY_LABEL, TENANT_LABEL, TIER_LABEL, WEIGHT_ANNOTATION
from tierfleet.kube.resources import Raw, key_of
from tierfleet.manifests import deletion, labels, sidecar
from tierfleet.plan import sha256_hex
from tierfleet.planning.snapshot import Fault, Node, Pod, Taint, Trouble
from tierfleet.planning.tenancy import TenantSecret

NOT_FINISHED = "status.phase!=Succeeded,status.phase!=Failed"
"""Field selector: a pod that has ended holds no devices."""

_HASHED = re.compile(r"sha256:([0-9a-f]{64})")
_LARGEST_WEIGHT = 10_000
_WEIGHT = re.compile(r"[0-9]{1,5}")
_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "Ki": 2**10, "Mi": 2**20}


def node(raw: Raw) -> Node:
    """The node, with its devices."""
    spec, status = raw.get("spec", {}), raw.get("status", {})
    return Node(
        name=raw["metadata"]["name"],
        labels=dict(raw["metadata"].get("labels", {})),
        taints=tuple(
            Taint(taint["key"], taint["effect"], taint.get("value", ""))
            for taint in spec.get("taints", [])
        ),
        ready=_condition(status, "Ready").get("status") == "True",
        schedulable=not spec.get("unschedulable", False),
        allocatable=_devices(status.get("allocatable", {})),
    )


def pod(raw: Raw) -> Pod | None:
    """The pod if it is a replica of ours or asks for devices; else None."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    namespace, name = key_of(raw)
    own = metadata.get("labels", {})
    pool, worker_of = own.get(labels.POOL), own.get(labels.WORKER_OF)
    ours = pool is not None or worker_of is not None
    requests = _requests(spec)
    if not ours and not requests:
        return None
    scheduled = _condition(status, "PodScheduled")
    return Pod(
        namespace=namespace,
        name=name,
        uid=metadata["uid"],
        node=spec.get("nodeName"),
        pool=(namespace, pool) if pool is not None else None,
        accelerator=own.get(labels.ACCELERATOR),
        requests=requests,
        ready=_condition(status, "Ready").get("status") == "True",
        terminating="deletionTimestamp" in metadata,
        finished=status.get("phase") in {"Succeeded", "Failed"},
        unschedulable=scheduled.get("reason") == "Unschedulable",
        message=scheduled.get("message", ""),
        address=status.get("podIP", "") if pool is not None else "",
        admin_port=_admin_port(spec) if pool is not None else 0,
        starts=_starts(status) if pool is not None else 0,
        trouble=_trouble(status) if ours else None,
        gone_by=_time(metadata.get("deletionTimestamp")),
        deletion_cost=_cost(metadata) if pool is not None else 0,
        # What leads a replica is one, whatever else is written on it.
        worker_of=(namespace, worker_of) if worker_of is not None and pool is None else None,
    )


_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
_NOT_MADE = {"CreateContainerConfigError", "CreateContainerError"}
_CRASHES = 2
"""Restarts after which a container that is not ready counts as one that crashes."""


def _trouble(status: Raw) -> Trouble | None:
    """The same from one attempt to the next, although the kubelet's reasons alternate."""
    for one in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
        waiting = one.get("state", {}).get("waiting") or {}
        ended = one.get("lastState", {}).get("terminated")
        if waiting.get("reason") in _NO_IMAGE:
            return Trouble(Fault.IMAGE, one["name"], one.get("image", ""))
        if waiting.get("reason") in _NOT_MADE:
            return Trouble(Fault.CONFIGURATION, one["name"], waiting.get("message", ""))
        if ended and not one.get("ready") and one.get("restartCount", 0) >= _CRASHES:
            return Trouble(Fault.CRASH, one["name"], str(ended.get("exitCode", "")))
    return None


def tenant(raw: Raw) -> TenantSecret:
    """The tenant that a labelled Secret makes known, with its keys as hashes."""
    metadata = raw["metadata"]
    own = metadata.get("labels", {})
    problems = [
        f"has no label {label}" for label in (TENANT_LABEL, TIER_LABEL) if not own.get(label)
    ]
    weight = metadata.get("annotations", {}).get(WEIGHT_ANNOTATION)
    if weight is not None and not (
        _WEIGHT.fullmatch(weight) and 1 <= int(weight) <= _LARGEST_WEIGHT
    ):
        problems.append(
            f"has annotation {WEIGHT_ANNOTATION}, which must be a whole number from 1 to "
            f"{_LARGEST_WEIGHT}"
        )
        weight = None
    keys = []
    for entry, encoded in sorted((raw.get("data") or {}).items()):
        key = _key(encoded)
        if key is None:
            problems.append(f"has entry {entry}, which must be a key or sha256: and 64 hex digits")
        else:
            keys.append(key)
    if not raw.get("data"):
        problems.append("has no entries; each of them is one of the tenant's API keys")
    return TenantSecret(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        created=created(raw),
        policy=own.get(POLICY_LABEL, ""),
        tenant=own.get(TENANT_LABEL, ""),
        tier=own.get(TIER_LABEL, ""),
        weight=None if weight is None else int(weight),
        labels=dict(own),
        keys=tuple(dict.fromkeys(keys)),
        problems=tuple(problems),
    )


def served_versions(definition: Raw) -> frozenset[str]:
    """The versions of a CustomResourceDefinition that the server answers for now."""
    if _condition(definition.get("status", {}), "Established").get("status") != "True":
        return frozenset()
    return frozenset(v["name"] for v in definition["spec"]["versions"] if v["served"])


def created(raw: Raw) -> datetime:
    """When the object was created."""
    return _time(raw["metadata"].get("creationTimestamp")) or datetime.fromtimestamp(0, UTC)


def decoded(raw: Raw) -> dict[str, bytes]:
    """The entries of a Secret; those that are not base64 are left out."""
    found = {}
    for entry, encoded in (raw.get("data") or {}).items():
        try:
            found[entry] = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
    return found


def _key(encoded: str) -> str | None:
    """SHA-256 of a key; the line end that `echo` adds does not belong to it."""
    try:
        text = base64.b64decode(encoded, validate=True).decode().strip()
    except ValueError:
        return None
    if text.startswith("sha256:"):
        hashed = _HASHED.fullmatch(text)
        return hashed[1] if hashed else None
    return sha256_hex(text) if text else None


def _condition(status: Raw, type_: str) -> Raw:
    # A CustomResourceDefinition that is new says null.
    conditions: list[Raw] = status.get("conditions") or []
    return next((condition for condition in conditions if condition.get("type") == type_), {})


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _admin_port(spec: Raw) -> int:
    """Where its sidecar is asked; 0 if it has none."""
    ports: list[Raw] = _named(spec.get("initContainers", []), sidecar.NAME).get("ports", [])
    port: int = _named(ports, sidecar.ADMIN_PORT).get("containerPort", 0)
    return port


def _cost(metadata: Raw) -> int:
    """As Kubernetes counts it."""
    try:
        return int(metadata.get("annotations", {}).get(deletion.COST, "0"))
    except ValueError:
        return 0


def _starts(status: Raw) -> int:
    statuses: list[Raw] = status.get("initContainerStatuses", [])
    count: int = _named(statuses, sidecar.NAME).get("restartCount", 0)
    return count


def _named(items: list[Raw], name: str) -> Raw:
    return next((item for item in items if item.get("name") == name), {})


def _requests(spec: Raw) -> dict[str, int]:
    """Devices of a pod as the scheduler counts them (KEP-753).

    Containers and sidecars run together; an init container runs with the sidecars before it.
    """
    together: dict[str, int] = {}
    most: dict[str, int] = {}
    for container in spec.get("initContainers", []):
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            _add(together, asked)
        else:
            _raise(most, asked, together)
    for container in spec.get("containers", []):
        _add(together, _asked(container))
    _raise(most, {}, together)
    return most


def _asked(container: Raw) -> dict[str, int]:
    resources = container.get("resources", {})
    return _devices(resources.get("limits") or {}) | _devices(resources.get("requests") or {})


def _add(into: dict[str, int], asked: Mapping[str, int]) -> None:
    for resource, count in asked.items():
        into[resource] = into.get(resource, 0) + count


def _raise(most: dict[str, int], asked: Mapping[str, int], beside: Mapping[str, int]) -> None:
    for resource in {**asked, **beside}:
        count = asked.get(resource, 0) + beside.get(resource, 0)
        most[resource] = max(most.get(resource, 0), count)


def _devices(resources: Mapping[str, str]) -> dict[str, int]:
    """Extended resources: those with a domain of their own, and at least one."""
    found = {}
    for resource, quantity in resources.items():
        if "/" in resource and not resource.startswith(("kubernetes.io/", "requests.")):
            count = _count(quantity)
            if count > 0:
                found[resource] = count
    return found


def _count(quantity: str | int) -> int:
    """A whole number as resource.Quantity writes it; 0 for what is none."""
    text = str(quantity)
    number = text.rstrip("kKMGTPEi")
    try:
        return int(Decimal(number) * _SUFFIXES[text[len(number) :]])
    except (InvalidOperation, KeyError, OverflowError):
        return 0
