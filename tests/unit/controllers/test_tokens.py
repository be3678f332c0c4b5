import base64
from typing import cast

import pytest

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.api import InferencePool
from tierfleet.controllers.tokens import TokenKeeper
from tierfleet.kube.cluster import Cluster
from tierfleet.kube.resources import SECRETS
from tierfleet.manifests import Tokens

KNOWN = Tokens("known-admin", "known-hook")


def keeper_of_a_secret(owner: str | None) -> tuple[TokenKeeper, InferencePool]:
    """A keeper that finds `llama-tokens`, which the cache does not have, with that controller."""
    server = FakeCluster()
    data = {
        name: base64.b64encode(value.encode()).decode() for name, value in KNOWN._asdict().items()
    }
    server.put(SECRETS, "llama-tokens", data=data)
    stored = server._objects[SECRETS, ("default", "llama-tokens")]["metadata"]
    stored["uid"] = "uid-secret"
    stored["ownerReferences"] = [{"uid": owner, "controller": True}] if owner else []
    pool = InferencePool.model_validate(raws.pool("llama", 1, namespace="default"))
    return TokenKeeper(cast("Cluster", server), raws.store()), pool


async def test_tokens_in_the_pools_own_secret_are_kept() -> None:
    keeper, pool = keeper_of_a_secret("uid-llama")
    assert await keeper.of(pool) == KNOWN


@pytest.mark.parametrize("owner", [None, "uid-stranger"])
async def test_tokens_in_a_secret_of_somebody_else_are_never_taken_over(owner: str | None) -> None:
    keeper, pool = keeper_of_a_secret(owner)
    made = await keeper.of(pool)
    assert {made.admin, made.hook}.isdisjoint(KNOWN)
    assert await keeper.of(pool) == made, "what was made is kept"


async def test_the_admin_token_is_told_without_a_request_and_without_making_one() -> None:
    keeper, pool = keeper_of_a_secret("uid-llama")
    assert keeper.admin(pool) is None
    await keeper.of(pool)
    assert keeper.admin(pool) == KNOWN.admin
    again = InferencePool.model_validate(raws.pool("llama", 1, namespace="default", uid="other"))
    assert keeper.admin(again) is None, "a pool of the same name, made anew"
