"""Reads a pool's plan from its Secrets, for tools that look at it from outside the operator."""

import base64

from tierfleet.kube.cluster import Query, Watched
from tierfleet.kube.resources import SECRETS
from tierfleet.manifests import labels, names
from tierfleet.plan.parts import SHARDS


async def read(cluster: Watched, namespace: str, pool: str) -> dict[str, bytes]:
    """The parts of the pool's plan by name; empty if it has none, incomplete while it is written.

    Raises:
        ClusterError: the API server refused, or does not answer.
    """
    query = Query(SECRETS, namespace, labels=labels.selector_text(labels.selector(pool)))
    page = await cluster.page(query)
    found = page.items
    while page.token:
        page = await cluster.page(query, page.token)
        found += page.items
    parts = {names.plan_index(pool), *(names.plan_shard(pool, shard) for shard in SHARDS)}
    return {
        name: base64.b64decode(value)
        for secret in found
        if secret["metadata"]["name"] in parts
        for name, value in (secret.get("data") or {}).items()
    }
