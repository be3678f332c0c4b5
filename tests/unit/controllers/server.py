"""An API server in memory that answers an apply like a real one: with uids and managed fields."""

from typing import Any

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.kube.resources import Raw, ResourceType, key_of


class Applying(FakeCluster):
    """Children get a uid, and a record of the fields that were applied."""

    async def apply(self, type_: ResourceType, body: Raw, **more: Any) -> Raw:
        named = body | {"metadata": body["metadata"] | {"uid": f"uid-{key_of(body)[1]}"}}
        fields = _owned({key: value for key, value in body.items() if key != "kind"})
        return await super().apply(type_, raws.as_applied(named, fields), **more)


def _owned(content: Any) -> Raw:
    """Its fields as fieldsV1 has them."""
    if not isinstance(content, dict):
        return {}
    return {f"f:{key}": _owned(value) for key, value in content.items()}
