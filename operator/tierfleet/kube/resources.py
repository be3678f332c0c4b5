"""The resource types that the operator reads and writes, and where their URLs are. Pure."""

from typing import Any, NamedTuple

from tierfleet.api import GROUP, KINDS, VERSION

Raw = dict[str, Any]
"""An object as the API server sends it."""

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


class ResourceType(NamedTuple):
    """A resource of the API server.

    Attributes:
        group: empty for the core group.
        version: of the API.
        plural: the word in URLs.
        kind: the word in objects.
        namespaced: whether its objects live in namespaces.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def told(self) -> str:
        """As people are told of it: the kind, with the group if ours has a kind of that name."""
        return f"{self.kind}.{self.group}" if self in AMBIGUOUS else self.kind

    @property
    def api_version(self) -> str:
        """As it stands in objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """URL path of the collection, or of one object; namespace None is all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        parts = [root + scope, self.plural, name, subresource]
        return "/".join(part for part in parts if part)


DEPLOYMENTS = ResourceType("apps", "v1", "deployments", "Deployment")
SERVICES = ResourceType("", "v1", "services", "Service")
SECRETS = ResourceType("", "v1", "secrets", "Secret")
PODS = ResourceType("", "v1", "pods", "Pod")
NODES = ResourceType("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = ResourceType("", "v1", "namespaces", "Namespace", namespaced=False)
DISRUPTION_BUDGETS = ResourceType("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
GATEWAY_POOLS = ResourceType("inference.networking.k8s.io", "v1", "inferencepools", "InferencePool")
"""Of the Gateway API Inference Extension; only there if its CRDs are installed."""
LEADER_WORKER_SETS = ResourceType(
    *("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")
)
"""Of kubernetes-sigs/lws; only there if its CRDs are installed."""
OPTIONAL = (GATEWAY_POOLS, LEADER_WORKER_SETS)
"""Types of children that a cluster may not have."""
REPLICAS = (DEPLOYMENTS, LEADER_WORKER_SETS)
"""What replicas are made from, of one node each or of several."""
AMBIGUOUS = (GATEWAY_POOLS,)
DEFINITIONS = ResourceType(
    *("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"),
    namespaced=False,
)
EVENTS = ResourceType("events.k8s.io", "v1", "events", "Event")
LEASES = ResourceType("coordination.k8s.io", "v1", "leases", "Lease")

POLICIES, POOLS, RESERVATIONS = (
    ResourceType(GROUP, VERSION, kind.definition.plural, kind.definition.kind) for kind in KINDS
)
OURS = (POLICIES, POOLS, RESERVATIONS)


def definition_of(type_: ResourceType) -> str:
    """The name of the CustomResourceDefinition that makes the server know the type."""
    return f"{type_.plural}.{type_.group}"


def key_of(raw: Raw) -> Key:
    """Namespace and name of an object."""
    metadata = raw["metadata"]
    return (metadata.get("namespace", ""), metadata["name"])


def version_of(raw: Raw) -> int:
    """The resourceVersion as a number: later is larger (KEP-5504), 0 for one without."""
    return int(raw["metadata"].get("resourceVersion") or 0)
