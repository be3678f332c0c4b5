"""Reads a pool's plan from its Secrets, for tools that look at it from outside the operator."""

import base64
from typing import Any

from kubernetes import client

from tierfleet.manifests import labels, names
from tierfleet.plan.parts import SHARDS

TIMEOUT_SECONDS = 30


def read(api: client.CoreV1Api, namespace: str, pool: str) -> dict[str, bytes]:
    """The parts of the pool's plan by name; empty if it has none, incomplete while it is written.

    Raises:
        kubernetes.client.exceptions.ApiException: the API server refused.
        urllib3.exceptions.HTTPError: it does not answer.
    """
    found: Any = api.list_namespaced_secret(
        namespace,
        label_selector=labels.selector_text(labels.selector(pool)),
        _request_timeout=TIMEOUT_SECONDS,
    )
    parts = {names.plan_index(pool), *(names.plan_shard(pool, shard) for shard in SHARDS)}
    return {
        name: base64.b64decode(value)
        for secret in found.items
        if secret.metadata.name in parts
        for name, value in (secret.data or {}).items()
    }
