"""What the operator asks of an API server, as a protocol: few verbs, raw dicts, typed errors.

So narrow that a test can stand in for it and inject a fault at every request. It must not know how
a request is sent, nor what an object means.
"""

from collections.abc import AsyncGenerator
from typing import Literal, NamedTuple, Protocol

from tierfleet.kube.resources import Key, Raw, ResourceType

SERVER_FAULT = 500
"""From this HTTP status on it is the server's own fault, and what was asked may be done."""


class ClusterError(Exception):
    """The API server refused or did not answer; the message is a sentence with its reason."""

    def __init__(self, message: str, status: int = 0) -> None:
        """`status` is HTTP's, 0 when there was no answer."""
        super().__init__(message)
        self.status = status


class NotFoundError(ClusterError):
    """404: no such object, or no such resource type."""


class ConflictError(ClusterError):
    """409: the object is not as the precondition says, or exists already."""


class GoneError(ClusterError):
    """410: the resourceVersion is too old; list again."""


class ForbiddenError(ClusterError):
    """403: RBAC or an admission rule forbids it."""


class UnauthorizedError(ClusterError):
    """401: the credentials are wrong or have expired."""


class InvalidError(ClusterError):
    """400 or 422: what we sent is wrong. Sending it again does not help."""


class UnreachableError(ClusterError):
    """No answer: refused, reset, timed out, or TLS failed."""


class UntrustedError(UnreachableError):
    """It answers, with a certificate that we have no reason to trust."""


class Query(NamedTuple):
    """Which objects to list and watch.

    Attributes:
        type: of the objects.
        namespace: None for all.
        labels: a label selector as in `kubectl -l`.
        fields: a field selector.
    """

    type: ResourceType
    namespace: str | None = None
    labels: str = ""
    fields: str = ""


class Page(NamedTuple):
    """Part of a list; `token` asks for the next one and is empty on the last."""

    items: list[Raw]
    resource_version: str
    token: str = ""


class WatchEvent(NamedTuple):
    """One change. A bookmark's object has a resourceVersion and nothing else."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Raw


class Watched(Protocol):
    """What caches ask. Every method may raise a `ClusterError`, and ends in bounded time."""

    async def page(self, query: Query, token: str = "") -> Page:
        """One page of the list of objects; `token` is that of the page before."""

    def watch(self, query: Query, resource_version: str) -> AsyncGenerator[WatchEvent]:
        """Changes since the version, until the server ends the stream (minutes).

        Raises:
            GoneError: the version is too old; list again.
            UnreachableError: also when nothing, not even a bookmark, has come for a while.
        """


class Locked(Protocol):
    """What leader election asks: objects whose version is a precondition of a change."""

    async def get(self, type_: ResourceType, key: Key) -> Raw:
        """The object.

        Raises:
            NotFoundError: there is none.
        """

    async def create(self, type_: ResourceType, body: Raw) -> Raw:
        """Create the object.

        Raises:
            ConflictError: it exists.
        """

    async def replace(self, type_: ResourceType, body: Raw) -> Raw:
        """Replace the object; its resourceVersion is a precondition.

        Raises:
            ConflictError: it has changed.
        """


class Cluster(Watched, Locked, Protocol):
    """An API server."""

    async def apply(self, type_: ResourceType, body: Raw, *, manager: str, status: bool) -> Raw:
        """Server-side apply, forced, as field manager `manager`; returns the object as stored.

        A `uid` or `resourceVersion` in the body's metadata is a precondition.

        Raises:
            ConflictError: a precondition does not hold.
            NotFoundError: the status is applied of an object that does not exist.
        """

    async def patch(self, type_: ResourceType, key: Key, operations: list[Raw]) -> Raw:
        """JSON patch (RFC 6902); replacing the resourceVersion by itself is a precondition.

        Raises:
            ConflictError: the object has changed.
        """

    async def delete(self, type_: ResourceType, key: Key, *, uid: str) -> None:
        """Delete the object of that uid, its dependents in the background.

        Raises:
            ConflictError: another object has that name now.
            NotFoundError: there is none.
        """
