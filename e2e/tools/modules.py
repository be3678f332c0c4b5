"""Which programs and files the test cluster needs, and the Go module that pins each.

Every module has a dependency graph of its own, so that they never fight over a version. It must
not know how or where they are built.
"""

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent

BUILD_FLAGS = ("-trimpath", "-buildvcs=false")


@dataclass(frozen=True)
class Module:
    """One folder with a `go.mod`: what is built from it.

    Attributes:
        name: the folder beside this file.
        versioned_by: the required Go module whose version the programs report.
        programs: program name to the Go package of its `main`.
        stamps: Go variables set at link time, with `{version}`, `{major}` and `{minor}` filled in.
        files: name to where the file is in the source of `versioned_by`.
    """

    name: str
    versioned_by: str
    programs: Mapping[str, str]
    stamps: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that holds `go.mod` and `go.sum`."""
        return HERE / self.name

    @property
    def version(self) -> str:
        """The pinned version, for example `v1.36.3`."""
        return self._from_go_mod(rf"\b{re.escape(self.versioned_by)} (v\S+)")

    @property
    def minimum_go(self) -> tuple[int, ...]:
        """The oldest Go that the module builds with, for example `(1, 26, 0)`."""
        return tuple(int(part) for part in self._from_go_mod(r"^go ([\d.]+)$").split("."))

    @property
    def linker_flags(self) -> str:
        """The value of `-ldflags`: no symbol tables, and the version stamped in.

        Without the stamps Kubernetes calls itself v0.0.0, and Helm's kubeVersion check fails.
        """
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        stamps = (
            f"-X {variable}={value.format(version=self.version, major=major, minor=minor)}"
            for variable, value in self.stamps.items()
        )
        return " ".join(("-s -w", *stamps))

    @property
    def key(self) -> str:
        """A short hash over everything that decides what is built and copied."""
        digest = hashlib.sha256()
        for source in ("go.mod", "go.sum", "*/main.go"):
            for file in sorted(self.folder.glob(source)):
                digest.update(file.read_bytes())
        settings = (self.programs, BUILD_FLAGS, self.linker_flags)
        digest.update(repr((settings, platform.system(), platform.machine())).encode())
        for name, source in self.files.items():
            digest.update(f"{name}={source}".encode())
        return digest.hexdigest()[:16]

    def _from_go_mod(self, pattern: str) -> str:
        found = re.search(pattern, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.folder / 'go.mod'} has no line that matches {pattern!r}")
        return found[1]


KUBERNETES = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    *("kubelet", "kube-proxy"),
)
OURS = ("pause", "gpu")
"""Programs of a real node that have their source beside `go.mod`."""

MODULES = (
    Module(
        name="kubernetes",
        versioned_by="k8s.io/kubernetes",
        programs={
            **{name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES},
            **{name: f"./{name}" for name in OURS},
        },
        stamps={
            "k8s.io/component-base/version.gitVersion": "{version}",
            "k8s.io/component-base/version.gitMajor": "{major}",
            "k8s.io/component-base/version.gitMinor": "{minor}",
            "k8s.io/client-go/pkg/version.gitVersion": "{version}",
        },
    ),
    Module(
        name="etcd",
        versioned_by="go.etcd.io/etcd/server/v3",
        programs={"etcd": "go.etcd.io/etcd/server/v3"},
        stamps={},
    ),
    Module(
        name="kwok",
        versioned_by="sigs.k8s.io/kwok",
        programs={name: f"sigs.k8s.io/kwok/cmd/{name}" for name in ("kwok", "kwokctl")},
        stamps={},
    ),
    Module(
        name="helm",
        versioned_by="helm.sh/helm/v4",
        programs={"helm": "helm.sh/helm/v4/cmd/helm"},
        stamps={"helm.sh/helm/v4/internal/version.version": "{version}"},
    ),
    Module(
        name="lws",
        versioned_by="sigs.k8s.io/lws",
        programs={"lws": "sigs.k8s.io/lws/cmd"},
        stamps={"sigs.k8s.io/lws/pkg/version.GitVersion": "{version}"},
        files={
            "leaderworkersets.yaml": (
                "config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml"
            ),
            "disaggregatedsets.yaml": (
                "config/crd/bases/disaggregatedset.x-k8s.io_disaggregatedsets.yaml"
            ),
            "lws-webhooks.yaml": "config/webhook/manifests.yaml",
        },
    ),
    Module(
        name="gateway",
        versioned_by="sigs.k8s.io/gateway-api-inference-extension",
        programs={},
        stamps={},
        files={
            "gateway-inferencepools.yaml": (
                "config/crd/bases/inference.networking.k8s.io_inferencepools.yaml"
            )
        },
    ),
)
