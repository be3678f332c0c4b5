"""The kubeconfig of a test cluster, and the refusal of every other one.

A test that deletes nodes must never reach a cluster that people use. Ours carry a marker and
point at this machine; nothing else is accepted, whatever `KUBECONFIG` or `~/.kube/config` say.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

MARKER = "e2e.tierfleet.dev/cluster"


class ForeignClusterError(RuntimeError):
    """The kubeconfig is not one of a test cluster of ours."""


def write_marked(source: Path, target: Path, name: str) -> None:
    """Copy the kubeconfig `source` of the new cluster `name` to `target`, marked as ours.

    Raises:
        ForeignClusterError: `source` does not point at this machine.
    """
    config = yaml.safe_load(source.read_text())
    for cluster in config["clusters"]:
        cluster["cluster"]["extensions"] = [{"name": MARKER, "extension": {"name": name}}]
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        yaml.safe_dump(config, file)
    refuse_foreign(target)


def refuse_foreign(kubeconfig: Path) -> None:
    """Return if `kubeconfig` is that of a test cluster on this machine.

    Raises:
        ForeignClusterError: it is not; the message says why and what to do.
    """
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        reason = _why_foreign(config)
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        reason = f"it cannot be read as a kubeconfig ({error.__class__.__name__}: {error})"
    if reason is not None:
        raise ForeignClusterError(
            f"refused to use {kubeconfig}: {reason}. Tests and demos only run on a cluster that "
            "they started themselves: use e2e.cluster.start(), or `make cluster`."
        )


def _why_foreign(config: dict[str, Any]) -> str | None:
    clusters = config["clusters"]
    if not clusters:
        return "it names no cluster"
    for entry in clusters:
        server = entry["cluster"]["server"]
        if urlsplit(server).hostname != "127.0.0.1":
            return f"its server is {server}, not this machine"
        extensions = entry["cluster"].get("extensions") or []
        if MARKER not in [extension["name"] for extension in extensions]:
            return f"cluster {entry['name']!r} has no marker {MARKER!r}"
    return None
