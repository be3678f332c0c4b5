"""The `Cluster` over `kubernetes.aio`: its configuration, credentials and connections, raw dicts.

Uses the generated client's transport without its models: they would cost memory and time for
fields that nobody reads. And without its `Watch`, which retries a 410 with the same version, does
not notice a dead connection, and makes a TLS context of its own per watch.
"""

from collections.abc import AsyncGenerator
from importlib.metadata import version
from ssl import SSLCertVerificationError
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from tierfleet.kube.cluster import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    Page,
    Query,
    UnauthorizedError,
    UnreachableError,
    UntrustedError,
    WatchEvent,
)
from tierfleet.kube.resources import Key, Raw, ResourceType

USER_AGENT = f"tierfleet-operator/{version('tierfleet')}"

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0

WATCH_SECONDS = 300
"""The server ends a watch after this time. An int: the server refuses 300.0."""

SILENCE_SECONDS = 70.0
"""Bookmarks come about every 60 s; a longer silence is a dead connection."""

PAGE_SIZE = 500

_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_DRY_RUN = {"dryRun": "All", "fieldValidation": "Strict"}

_ERRORS: dict[int, type[ClusterError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: InvalidError,
}


class Client:
    """A `Cluster` that is a real API server."""

    def __init__(self, configuration: Configuration, user_agent: str = USER_AGENT) -> None:
        """`configuration` says where and who, as `connect.py` makes it."""
        self._api = ApiClient(configuration)
        self._api.user_agent = user_agent

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def discover(self, api_version: str) -> Raw:
        """The resources of a group and version.

        Raises:
            NotFoundError: the server has no such group.
        """
        return await self._send("GET", f"/apis/{api_version}")

    async def may(
        self, verb: str, type_: ResourceType, subresource: str, namespace: str | None, name: str
    ) -> bool:
        """Whether RBAC lets us (SelfSubjectAccessReview); without a name, to any object."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "verb": verb,
                    "group": type_.group,
                    "version": type_.version,
                    "resource": type_.plural,
                    "subresource": subresource,
                    "namespace": namespace or "",
                    "name": name,
                }
            },
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self._send("POST", path, {}, review)
        return bool(answer["status"]["allowed"])

    async def get(self, type_: ResourceType, key: Key) -> Raw:
        """See `Cluster`."""
        return await self._send("GET", type_.path(*key))

    async def page(self, query: Query, token: str = "") -> Page:
        """See `Cluster`."""
        asked = _selectors(query) | {"limit": str(PAGE_SIZE)}
        if token:
            asked["continue"] = token
        answer = await self._send("GET", query.type.path(query.namespace), asked)
        metadata = answer["metadata"]
        return Page(answer["items"], metadata["resourceVersion"], metadata.get("continue", ""))

    async def watch(self, query: Query, resource_version: str) -> AsyncGenerator[WatchEvent]:
        """See `Cluster`."""
        asked = _selectors(query) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        bounds = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
        )
        response = await self._request("GET", _url(query.type.path(query.namespace), asked), bounds)
        try:
            if response.status >= 300:
                raise _error(response.status, await response.read())
            while line := await response.content.readline():
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    raise _error(event["object"].get("code", 0), event["object"])
                yield WatchEvent(event["type"], event["object"])
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(_sentence(error)) from error
        except msgspec.DecodeError as error:
            raise UnreachableError("The stream broke off in the middle of an event.") from error
        finally:
            response.close()

    async def apply(self, type_: ResourceType, body: Raw, *, manager: str, status: bool) -> Raw:
        """See `Cluster`."""
        metadata = body["metadata"]
        path = type_.path(metadata.get("namespace"), metadata["name"], "status" if status else "")
        asked = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return await self._send("PATCH", path, asked, body, _APPLY)

    async def patch(self, type_: ResourceType, key: Key, operations: list[Raw]) -> Raw:
        """See `Cluster`."""
        return await self._send("PATCH", type_.path(*key), {}, operations, _JSON_PATCH)

    async def try_apply(self, type_: ResourceType, body: Raw, *, manager: str) -> Raw:
        """What `apply` of the object would store, with defaults; nothing is written.

        Raises:
            InvalidError: schema, CEL or an admission rule refuses it.
        """
        metadata = body["metadata"]
        path = type_.path(metadata.get("namespace"), metadata["name"])
        asked = {"fieldManager": manager, "force": "true"} | _DRY_RUN
        return await self._send("PATCH", path, asked, body, _APPLY)

    async def try_merge(self, type_: ResourceType, key: Key, patch: Raw) -> Raw:
        """What a merge patch (RFC 7386) would store; nothing is written."""
        return await self._send("PATCH", type_.path(*key), _DRY_RUN, patch, _MERGE_PATCH)

    async def create(self, type_: ResourceType, body: Raw) -> Raw:
        """See `Cluster`."""
        return await self._send("POST", type_.path(body["metadata"].get("namespace")), {}, body)

    async def replace(self, type_: ResourceType, body: Raw) -> Raw:
        """See `Cluster`."""
        metadata = body["metadata"]
        return await self._send(
            "PUT", type_.path(metadata.get("namespace"), metadata["name"]), {}, body
        )

    async def delete(self, type_: ResourceType, key: Key, *, uid: str) -> None:
        """See `Cluster`."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        await self._send("DELETE", type_.path(*key), {}, options)

    async def _send(
        self,
        method: str,
        path: str,
        asked: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Raw:
        bounds = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        response = await self._request(method, _url(path, asked), bounds, body, content_type)
        try:
            data = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(_sentence(error)) from error
        if response.status >= 300:
            raise _error(response.status, data)
        answer: Raw = msgspec.json.decode(data)
        return answer

    async def _request(
        self,
        method: str,
        url: str,
        bounds: aiohttp.ClientTimeout,
        body: Any = None,
        content_type: str = "application/json",
    ) -> aiohttp.ClientResponse:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        try:
            _, url, headers, body, _ = await self._api.param_serialize(
                method, url, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            answer = await self._api.call_api(method, url, headers, body, _request_timeout=bounds)
        except ApiException as error:
            raise ClusterError(str(error), error.status or 0) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise UntrustedError(_verdict(error.certificate_error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(_sentence(error)) from error
        response: aiohttp.ClientResponse = answer.response
        return response


def _url(path: str, asked: dict[str, str] | None) -> str:
    return f"{path}?{urlencode(asked)}" if asked else path


def _selectors(query: Query) -> dict[str, str]:
    asked = {"labelSelector": query.labels, "fieldSelector": query.fields}
    return {name: value for name, value in asked.items() if value}


def _error(status: int, said: bytes | Raw) -> ClusterError:
    """The typed error for a metav1.Status, or for whatever a proxy in between has sent."""
    if isinstance(said, bytes):
        try:
            said = msgspec.json.decode(said)
        except msgspec.DecodeError:
            said = {}
    message = said.get("message") if isinstance(said, dict) else None
    return _ERRORS.get(status, ClusterError)(
        message or f"The server answered with status {status}.", status
    )


def _verdict(error: Exception) -> str:
    return error.verify_message if isinstance(error, SSLCertVerificationError) else str(error)


def _sentence(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "The server did not answer in time."
    return str(error) or error.__class__.__name__
