"""The pod of one replica: a sidecar and its engine, on a node with the accelerator's devices.

Of a replica of several nodes that is the pod that leads. Those on the other nodes have an engine
and nothing else: nobody calls them, so nothing has to stand before them.
"""

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.manifests import engine, labels, secrets, sidecar
from tierfleet.manifests.metadata import Raw
from tierfleet.planning import nodes
from tierfleet.planning.devices import Product

GRACE_BEYOND_DRAIN_SECONDS = 30
"""What endpoints need to forget the pod, and the engine to end, beside the drain itself."""

_USER = 65532
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def template(
    pool: InferencePool, accelerator: Accelerator, hook_token: str, revision_label: str
) -> Raw:
    """The pod template; what selects the pod wins over what the spec adds.

    `revision_label` is the label that tells pods of one template from those of another.
    """
    own = labels.common(pool.metadata.name, "replica")
    spec = {
        **_spec(pool, accelerator, grace_period_seconds(pool)),
        "topologySpreadConstraints": _spread(pool, accelerator, revision_label),
        "initContainers": [sidecar.container(pool, accelerator)],
        "containers": [engine.container(pool, accelerator, hook_token)],
        "volumes": [_plan(pool), *_volumes(pool)],
    }
    return {"metadata": _metadata(pool, accelerator, own), "spec": spec}


def worker_template(pool: InferencePool, accelerator: Accelerator) -> Raw:
    """The template of the pods that work beside a replica's leader.

    They end after it, or end it: what it has to finish is finished by then, or cannot be.
    """
    own = labels.worker(pool.metadata.name)
    spec = {
        **_spec(pool, accelerator, GRACE_BEYOND_DRAIN_SECONDS),
        "containers": [engine.worker(pool, accelerator)],
        "volumes": _volumes(pool),
    }
    return {"metadata": _metadata(pool, accelerator, own), "spec": spec}


def _metadata(pool: InferencePool, accelerator: Accelerator, own: dict[str, str]) -> Raw:
    given = pool.spec.template
    return {
        "labels": {**given.labels, **own, labels.ACCELERATOR: accelerator.name},
        "annotations": {
            "kubectl.kubernetes.io/default-container": engine.NAME,
            **given.annotations,
        },
    }


def _spec(pool: InferencePool, accelerator: Accelerator, grace_seconds: int) -> Raw:
    """What the pods of every node have in common."""
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": _affinity(pool, accelerator),
        "tolerations": [t.to_raw() for t in nodes.tolerations(accelerator, pool.spec.template)],
    }
    if accelerator.node_selector:
        spec["nodeSelector"] = dict(accelerator.node_selector)
    if pool.spec.engine.image_pull_secrets:
        spec["imagePullSecrets"] = [ref.to_raw() for ref in pool.spec.engine.image_pull_secrets]
    return spec


def grace_period_seconds(pool: InferencePool) -> int:
    """Longest that a replica takes to go away."""
    return pool.spec.drain_timeout_seconds + GRACE_BEYOND_DRAIN_SECONDS


def _affinity(pool: InferencePool, accelerator: Accelerator) -> Raw:
    """The given one, with the products required in every term: terms are alternatives."""
    affinity = pool.spec.template.affinity.to_raw()
    product = {
        "key": accelerator.product_label,
        "operator": "In",
        "values": sorted(accelerator.products),
    }
    node_affinity = affinity.get("nodeAffinity", {})
    terms = node_affinity.get(_REQUIRED, {}).get("nodeSelectorTerms") or [{}]
    required = [
        {**term, "matchExpressions": [product, *term.get("matchExpressions", [])]} for term in terms
    ]
    return {
        **affinity,
        "nodeAffinity": {**node_affinity, _REQUIRED: {"nodeSelectorTerms": required}},
    }


def products(template: Raw) -> frozenset[Product]:
    """What nodes have to carry for the pods of a template, as it stands in their affinity."""
    affinity = template.get("spec", {}).get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get(_REQUIRED, {}).get("nodeSelectorTerms", [])
    product: Raw = next((found for term in terms for found in term.get("matchExpressions", ())), {})
    return frozenset((product["key"], value) for value in product.get("values", ()))


def _spread(pool: InferencePool, accelerator: Accelerator, revision_label: str) -> list[Raw]:
    """Over zones, then nodes, where that is possible: a lost one takes as little as it can."""
    return [
        {
            "topologyKey": key,
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {
                "matchLabels": {
                    **labels.selector(pool.metadata.name),
                    labels.ACCELERATOR: accelerator.name,
                }
            },
            "matchLabelKeys": [revision_label],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _plan(pool: InferencePool) -> Raw:
    parts = secrets.part_names(pool.metadata.name)
    sources: list[Raw] = [
        {"secret": {"name": name, "items": [{"key": part, "path": part}]}}
        for part, name in parts.items()
    ]
    return {"name": sidecar.PLAN_VOLUME, "projected": {"sources": sources}}


def _volumes(pool: InferencePool) -> list[Raw]:
    """What the engine mounts."""
    spec = pool.spec.engine
    memory = {"medium": "Memory", "sizeLimit": spec.shared_memory}
    volumes: list[Raw] = [
        {"name": engine.SHARED_MEMORY_VOLUME, "emptyDir": memory},
        {"name": engine.TEMPORARY_VOLUME, "emptyDir": {}},
    ]
    if spec.model_cache:
        claim = {"claimName": spec.model_cache.persistent_volume_claim}
        volumes.append({"name": engine.MODELS_VOLUME, "persistentVolumeClaim": claim})
    return volumes
