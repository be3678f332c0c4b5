"""The tokens of a pool's sidecars: made once, kept in one Secret in clear, hashed in the plan.

One for people and programs that look at the admin port, one for the engine's preStop hook. A pod
template names the Secret's content, so they never change while the pool lives.
"""

import secrets

from tierfleet.api import InferencePool, Key
from tierfleet.controllers import child
from tierfleet.controllers.store import Store
from tierfleet.kube.cluster import Cluster, NotFoundError
from tierfleet.kube.project import decoded
from tierfleet.kube.resources import SECRETS
from tierfleet.manifests import Tokens, names

_BYTES = 32


class TokenKeeper:
    """Finds the tokens of a pool, or makes them."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._known: dict[Key, tuple[str, Tokens]] = {}

    async def of(self, pool: InferencePool) -> Tokens:
        """The tokens of the pool: those in use, else those in its Secret, else new ones."""
        uid, tokens = self._known.get(pool.key, ("", None))
        if uid != pool.metadata.uid or tokens is None:
            tokens = await self._stored(pool) or _new()
            self._known[pool.key] = (pool.metadata.uid, tokens)
        return tokens

    def admin(self, pool: InferencePool) -> str | None:
        """The admin token of the pool, if its tokens are made; asks nobody."""
        uid, tokens = self._known.get(pool.key, ("", None))
        if tokens is None or uid != pool.metadata.uid:
            tokens = self._cached(pool)
        return tokens.admin if tokens is not None else None

    def forget(self, pool: Key) -> None:
        """The pool is gone."""
        self._known.pop(pool, None)

    def _cached(self, pool: InferencePool) -> Tokens | None:
        kept = self._store.child(SECRETS, _key(pool))
        ours = kept is not None and kept.owner == pool.metadata.uid
        return Tokens.of(kept.data) if kept is not None and ours else None

    async def _stored(self, pool: InferencePool) -> Tokens | None:
        kept = self._cached(pool)
        if kept is not None:
            return kept
        try:
            # The cache may be behind, and new tokens would restart every pod.
            raw = await self._cluster.get(SECRETS, _key(pool))
        except NotFoundError:
            return None
        if child.project(SECRETS, raw).owner != pool.metadata.uid:
            # Whoever made it knows what is in it. That the name is taken is told when ours is
            # to be written.
            return None
        return Tokens.of(decoded(raw))


def _key(pool: InferencePool) -> Key:
    namespace, name = pool.key
    return (namespace, names.tokens(name))


def _new() -> Tokens:
    return Tokens(admin=secrets.token_urlsafe(_BYTES), hook=secrets.token_urlsafe(_BYTES))
