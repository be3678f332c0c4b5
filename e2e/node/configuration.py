"""What the programs of a node are told. Pure: addresses and files in, objects and text out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.node.addresses import Slot
from e2e.nodes import GPU

PAUSE_IMAGE = "tierfleet.dev/pause:1"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
MOST_PODS = 25

LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.present": "true",
    "topology.kubernetes.io/region": "region-1",
    "topology.kubernetes.io/zone": "zone-a",
}

Document = dict[str, Any]


def programs(
    find: Mapping[str, str | Path], files: Path, node: str, slot: Slot, devices: int
) -> dict[str, list[str]]:
    """The command lines of a node's programs, in the order in which they are started.

    Args:
        find: where each program is.
        files: the folder with their configuration.
        node: the name of the node.
        slot: its addresses.
        devices: GPUs that it says it has.
    """
    labels = ",".join(f"{key}={value}" for key, value in LABELS.items())
    commands: dict[str, list[str | Path]] = {
        "containerd": [find["containerd"], f"--config={files / 'containerd.toml'}"],
        "kubelet": [
            find["kubelet"],
            f"--config={files / 'kubelet.json'}",
            f"--kubeconfig={files / 'kubelet.kubeconfig'}",
            f"--hostname-override={node}",
            f"--node-ip={slot.node}",
            f"--node-labels={labels}",
        ],
        "kube-proxy": [
            find["kube-proxy"],
            f"--config={files / 'kube-proxy.json'}",
            f"--hostname-override={node}",
        ],
        "gpu": [find["gpu"], GPU, str(devices)],
    }
    return {name: list(map(str, command)) for name, command in commands.items()}


def containerd(cni_folder: str) -> str:
    """Configuration of containerd (TOML, version 2, which containerd 1.6 to 2.x read)."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
address = "{CONTAINERD_SOCKET}"

[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
# Without CAP_SYS_RESOURCE, as in many sandboxes, a score cannot be lowered.
restrict_oom_score_adj = true

[{cri}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{cni_folder}"

[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def network(slot: Slot) -> str:
    """The pods' network (CNI): a bridge in the node's own namespace."""
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods",
                    "isGateway": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": str(slot.pods)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                }
            ],
        }
    )


def kubelet(slot: Slot, authority: str, cgroup: str) -> Document:
    """The kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(slot.node),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        # One file: a rotated one would hide requests from whoever counts them.
        "containerLogMaxSize": "10Gi",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        # The machine's disk is not the node's to judge.
        "evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "localStorageCapacityIsolation": False,
        "maxPods": MOST_PODS,
        "nodeStatusUpdateFrequency": "5s",
        "serializeImagePulls": False,
        # A changed Secret is mounted when its pod is looked at, by default once in 60 to 90 s.
        "syncFrequency": "3s",
    }


def kube_proxy(slot: Slot, kubeconfig: str) -> Document:
    """kube-proxy's configuration: Services by iptables, in the node's own namespace."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig},
        "clusterCIDR": str(slot.pods),
        "conntrack": {"maxPerCore": 0, "min": 0},
        "mode": "iptables",
        "iptables": {"minSyncPeriod": "200ms"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
