"""The API server, asked as any client asks it, with strict field validation."""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from kubernetes import client, config

from e2e.cluster import Cluster
from tests.unit.api.documents import Document, placed
from tierfleet.api import GROUP, KINDS, VERSION

PLURALS = {kind.definition.kind: kind.definition.plural for kind in KINDS}


class ApiServer:
    """Says of a document why it is refused, without storing it.

    The answers map the path of each mistake to the server's message; they are empty if the document
    is accepted. A document that cannot even be decoded has one mistake, without a path.
    """

    def __init__(self, api_client: Any) -> None:
        self._objects = client.CustomObjectsApi(api_client)

    def refusals(self, document: Document) -> dict[str, str]:
        """What is wrong with a new object; it is taken to the namespace `default`."""
        return self._refusals(
            self._objects.create_namespaced_custom_object,
            namespace="default",
            plural=PLURALS[document["kind"]],
            body=placed(document, "default"),
        )

    def refusals_of_change(self, document: Document) -> dict[str, str]:
        """What is wrong with an object that is merged into the one of the same name."""
        return self._refusals(
            self._objects.patch_namespaced_custom_object,
            namespace=document["metadata"]["namespace"],
            plural=PLURALS[document["kind"]],
            name=document["metadata"]["name"],
            body=document,
            _content_type="application/merge-patch+json",
        )

    def _refusals(self, call: Callable[..., Any], **arguments: Any) -> dict[str, str]:
        try:
            call(
                group=GROUP, version=VERSION, dry_run="All", field_validation="Strict", **arguments
            )
        except client.ApiException as error:
            status = json.loads(error.body or "{}")
            if error.status == HTTPStatus.BAD_REQUEST:
                return {"": status["message"]}
            return {cause["field"]: cause["message"] for cause in status["details"]["causes"]}
        return {}


@pytest.fixture(scope="session")
def api_server(cluster: Cluster) -> Iterator[ApiServer]:
    """The API server of the test cluster; nothing that it is asked is stored."""
    with config.new_client_from_config(str(cluster.kubeconfig)) as api_client:
        yield ApiServer(api_client)
