"""Kubeconfigs for other users than the administrator."""

from pathlib import Path

import yaml

from e2e.world import World


def kubeconfig(path: Path, server: str, *, namespace: str = "default", **user: str) -> Path:
    """Write a kubeconfig for that server and user, with that namespace; return where."""
    cluster = {"server": server, "insecure-skip-tls-verify": True}
    context = {"cluster": "c", "user": "u", "namespace": namespace}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": context}],
                "current-context": "x",
            }
        )
    )
    return path


def server_of(world: World) -> str:
    """Where the API server listens."""
    config = yaml.safe_load(world.cluster.kubeconfig.read_text())
    server: str = config["clusters"][0]["cluster"]["server"]
    return server
