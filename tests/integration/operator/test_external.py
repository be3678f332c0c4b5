"""Pools that somebody else scales, through the scale subresource: kubectl, an autoscaler.

The HorizontalPodAutoscaler is the one of the cluster's own kube-controller-manager. To its bounds
it takes a pool without any metrics; between them it needs those of the pods that `status.selector`
names. They are objects of a plain kind here, in place of a metrics server.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from e2e import nodes
from e2e.cluster import Cluster
from e2e.world import H100, PATIENCE_SECONDS, World, policy, pool
from tests.integration.operator.process import Operator

Document = dict[str, Any]


def external() -> Document:
    """A pool of three replicas at most, which leaves their number to others and begins with one."""
    found = pool("llama", 1, H100 | {"maxReplicas": 3}, scaling={"mode": "External"})
    del found["spec"]["replicas"]
    return found


def autoscaler(least: int, most: int) -> Document:
    """One that wants 100 MiB of memory for each replica."""
    target = {"type": "AverageValue", "averageValue": "100Mi"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "llama"},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "tierfleet.dev/v1alpha1",
                "kind": "InferencePool",
                "name": "llama",
            },
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": target}}],
        },
    }


def wait_scaling(world: World, active: bool) -> None:
    """Return once the autoscaler says whether it knows what is used."""
    condition = f"--for=condition=ScalingActive={active}"
    world.kubectl("wait", "hpa/llama", condition, f"--timeout={PATIENCE_SECONDS:g}s")


def test_an_autoscaler_takes_a_pool_to_its_bounds_as_far_as_accelerators_go(
    operator: Operator, world: World
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-0"), nodes.h100("h100-1")])
    world.apply(policy(), external())
    world.wait_ready("llama", "h100:1")
    world.apply(autoscaler(2, 6))
    world.wait_ready("llama", "h100:2")
    wait_scaling(world, active=False)
    world.apply(external())
    assert world.get("tpool", "llama")["spec"]["replicas"] == 2, "applying sets nothing back"

    # What is more than the pool's accelerators may have is not placed, and stays asked for.
    world.apply(autoscaler(5, 6))
    placed = world.wait_for_condition("tpool", "llama", "Placed", "False", "MaxReplicas")
    assert "3 of 5 replicas" in placed["message"]
    assert "Raise maxReplicas" in placed["message"]
    assert world.get("tpool", "llama")["spec"]["replicas"] == 5
    assert world.placement("llama") == "h100:3"

    world.apply(autoscaler(1, 1))
    world.wait_ready("llama", "h100:1")
    world.kubectl("delete", "hpa", "llama")
    world.kubectl("scale", "tpool", "llama", "--replicas=3")
    world.wait_ready("llama", "h100:3")
    assert world.condition("tpool", "llama", "Placed")["status"] == "True"


def test_an_autoscaler_reads_what_the_pool_s_own_replicas_use(
    operator: Operator, world: World
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-0"), nodes.h100("h100-1")])
    world.apply(policy(), external(), pool("other", 1, H100))
    world.wait_ready("llama", "h100:1")
    world.wait_ready("other", "h100:1")
    with pod_metrics(world.cluster):
        (busy,), (stranger,) = world.pods("llama"), world.pods("other")
        world.apply(usage(busy, "300Mi"), usage(stranger, "900Mi"), autoscaler(1, 6))
        world.wait_ready("llama", "h100:3")
        wait_scaling(world, active=True)
        assert world.get("tpool", "llama")["spec"]["replicas"] == 3


def usage(pod: Document, memory: str) -> Document:
    """What a metrics server says of a pod."""
    return {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "PodMetrics",
        "metadata": {"name": pod["metadata"]["name"], "labels": pod["metadata"]["labels"]},
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "window": "30s",
        "containers": [
            {"name": one["name"], "usage": {"memory": memory}} for one in pod["spec"]["containers"]
        ],
    }


@contextlib.contextmanager
def pod_metrics(cluster: Cluster) -> Iterator[None]:
    """The API server knows the kind that a metrics server serves."""
    name = "pods.metrics.k8s.io"
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": name,
                # Groups below k8s.io ask for it.
                "annotations": {"api-approved.kubernetes.io": "unapproved, it is not theirs"},
            },
            "spec": {
                "group": "metrics.k8s.io",
                "scope": "Namespaced",
                "names": {"plural": "pods", "kind": "PodMetrics"},
                "versions": [
                    {
                        "name": "v1beta1",
                        "served": True,
                        "storage": True,
                        "schema": {
                            "openAPIV3Schema": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            }
                        },
                    }
                ],
            },
        }
    )
    try:
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
        yield
    finally:
        cluster.kubectl("delete", "crd", name)
