"""Fake GPU nodes with the sizes, labels and taints that real ones have.

kwok answers for a node that carries its annotation. The labels are those that NVIDIA's GPU feature
discovery and the cloud's controller set. It must not know what is scheduled on them.
"""

from typing import Any

FAKE_NODE = ("kwok.x-k8s.io/node", "fake")
"""The annotation by which kwok knows the nodes that it answers for."""

LOAD_DURATION = "e2e.tierfleet.dev/load-duration"
"""Pod annotation: how long a pod on a fake node runs before it is ready, for example `20s`."""

GPU = "nvidia.com/gpu"


def h100(name: str, *, devices: int = 8, zone: str = "zone-a") -> dict[str, Any]:
    """Return a node like AWS p5.48xlarge: by default 8 H100 SXM of 80 GB."""
    return gpu_node(
        name,
        product="NVIDIA-H100-80GB-HBM3",
        family="hopper",
        memory_mib=81_559,
        instance_type="p5.48xlarge",
        devices=devices,
        zone=zone,
    )


def b200(name: str, *, devices: int = 8, zone: str = "zone-a") -> dict[str, Any]:
    """Return a node like AWS p6-b200.48xlarge: by default 8 B200 of 180 GB."""
    return gpu_node(
        name,
        product="NVIDIA-B200",
        family="blackwell",
        memory_mib=183_359,
        instance_type="p6-b200.48xlarge",
        devices=devices,
        zone=zone,
    )


def gpu_node(
    name: str,
    *,
    product: str,
    devices: int,
    family: str = "hopper",
    memory_mib: int = 81_559,
    instance_type: str = "gpu",
    zone: str = "zone-a",
) -> dict[str, Any]:
    """Return a Node object with `devices` GPUs of `product` and `memory_mib` MiB each."""
    return _node(
        name,
        instance_type,
        zone,
        labels={
            "nvidia.com/gpu.count": str(devices),
            "nvidia.com/gpu.family": family,
            "nvidia.com/gpu.memory": str(memory_mib),
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": product,
        },
        devices={GPU: str(devices)},
    ) | {"spec": {"taints": [{"key": GPU, "value": "present", "effect": "NoSchedule"}]}}


def plain(name: str, *, zone: str = "zone-a") -> dict[str, Any]:
    """Return a node without devices, for what is no engine."""
    return _node(name, "general", zone, labels={}, devices={})


def _node(
    name: str, instance_type: str, zone: str, labels: dict[str, str], devices: dict[str, str]
) -> dict[str, Any]:
    resources = {
        "cpu": "192",
        "memory": "2Ti",
        "ephemeral-storage": "28Ti",
        "pods": "110",
        **devices,
    }
    key, value = FAKE_NODE
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {key: value},
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": instance_type,
                "topology.kubernetes.io/region": "region-1",
                "topology.kubernetes.io/zone": zone,
                **labels,
            },
        },
        "status": {"capacity": resources, "allocatable": resources},
    }
