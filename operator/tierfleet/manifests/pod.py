"""The pod of one replica: a sidecar and its engine, on a node with the accelerator's devices."""

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


def template(pool: InferencePool, accelerator: Accelerator, hook_token: str) -> Raw:
    """The pod template; what selects the pod wins over what the spec adds."""
    given = pool.spec.template
    return {
        "metadata": {
            "labels": {
                **given.labels,
                **labels.common(pool.metadata.name, "replica"),
                labels.ACCELERATOR: accelerator.name,
            },
            "annotations": {
                "kubectl.kubernetes.io/default-container": engine.NAME,
                **given.annotations,
            },
        },
        "spec": _spec(pool, accelerator, hook_token),
    }


def _spec(pool: InferencePool, accelerator: Accelerator, hook_token: str) -> Raw:
    given = pool.spec.template
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_period_seconds(pool),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": _affinity(pool, accelerator),
        "tolerations": [t.to_raw() for t in nodes.tolerations(accelerator, given)],
        "topologySpreadConstraints": _spread(pool, accelerator),
        "initContainers": [sidecar.container(pool, accelerator)],
        "containers": [engine.container(pool, accelerator, hook_token)],
        "volumes": _volumes(pool),
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


def _spread(pool: InferencePool, accelerator: Accelerator) -> list[Raw]:
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
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _volumes(pool: InferencePool) -> list[Raw]:
    spec = pool.spec.engine
    parts = secrets.part_names(pool.metadata.name)
    plan: list[Raw] = [
        {"secret": {"name": name, "items": [{"key": part, "path": part}]}}
        for part, name in parts.items()
    ]
    memory = {"medium": "Memory", "sizeLimit": spec.shared_memory}
    volumes: list[Raw] = [
        {"name": sidecar.PLAN_VOLUME, "projected": {"sources": plan}},
        {"name": engine.SHARED_MEMORY_VOLUME, "emptyDir": memory},
        {"name": engine.TEMPORARY_VOLUME, "emptyDir": {}},
    ]
    if spec.model_cache:
        claim = {"claimName": spec.model_cache.persistent_volume_claim}
        volumes.append({"name": engine.MODELS_VOLUME, "persistentVolumeClaim": claim})
    return volumes
