"""Looks before the operator starts: does the server answer, are we let in, is all there?

So that a person gets one sentence with the next step at once, not a log that repeats itself.
"""

import asyncio
import logging
import socket
from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from tierfleet.api import API_VERSION, VERSION
from tierfleet.controllers import prometheus
from tierfleet.controllers.store import CHILD_TYPES
from tierfleet.kube.client import Client
from tierfleet.kube.cluster import ClusterError, NotFoundError
from tierfleet.kube.connect import explain
from tierfleet.kube.resources import (
    DEFINITIONS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    OPTIONAL,
    OURS,
    PODS,
    POOLS,
    Key,
    ResourceType,
    definition_of,
)

logger = logging.getLogger(__name__)

_READ = ("list", "watch")
_WRITE = ("get", "list", "watch", "create", "patch", "delete")


class PreflightError(Exception):
    """The operator cannot work there; the message is a sentence with the next step."""


class Right(NamedTuple):
    """Something that the operator does, as RBAC names it.

    Attributes:
        namespace: None is everywhere.
        name: of the only object that it is done to; empty is any.
    """

    verb: str
    type: ResourceType
    subresource: str = ""
    namespace: str | None = None
    name: str = ""

    def __str__(self) -> str:
        """As `kubectl auth can-i` takes it."""
        resource = f"{self.type.plural}.{self.type.group}" if self.type.group else self.type.plural
        below = f"/{self.subresource or self.name}" if self.subresource or self.name else ""
        return f"{self.verb} {resource}{below}"


def rights(namespaces: Collection[str] | None, lease: Key | None) -> Iterator[Right]:
    """All that the operator needs; `lease` None if it does not elect a leader."""
    for type_, verbs in ((NODES, _READ), (PODS, _READ)):
        yield from (Right(verb, type_) for verb in verbs)
    for type_ in OPTIONAL:
        yield from (Right(verb, DEFINITIONS, name=definition_of(type_)) for verb in _READ)
    for namespace in sorted(namespaces) if namespaces is not None else [None]:
        for type_ in OURS:
            yield from (Right(verb, type_, "", namespace) for verb in ("get", "patch", *_READ))
            yield Right("patch", type_, "status", namespace)
        # For blockOwnerDeletion, where OwnerReferencesPermissionEnforcement is on.
        yield Right("update", POOLS, "finalizers", namespace)
        for type_ in CHILD_TYPES:
            yield from (Right(verb, type_, "", namespace) for verb in _WRITE)
        yield Right("patch", PODS, "", namespace)
        yield Right("create", EVENTS, "", namespace)
    if lease is not None:
        namespace, name = lease
        # RBAC cannot tell what is created by its name.
        yield Right("create", LEASES, "", namespace)
        for verb in ("get", "update"):
            yield Right(verb, LEASES, "", namespace, name)


def check_prometheus(settings: prometheus.Settings | None) -> None:
    """See whether it can be asked at all; whether it answers may change, so that is not looked at.

    Raises:
        PreflightError: the URL or the token's file cannot be used.
    """
    if settings is not None and (problem := prometheus.problem(settings)):
        raise PreflightError(problem)


def check_ports(ports: Mapping[str, int]) -> None:
    """Return if every port can be listened on; by the option that names it, 0 is none.

    Raises:
        PreflightError: one cannot, or two are the same.
    """
    options: dict[int, str] = {}
    for option, port in ports.items():
        if port and port in options:
            raise PreflightError(
                f"{options[port]} and {option} are both {port}. "
                "Give each a port of its own; 0 switches it off."
            )
        options[port] = option
    for option, port in ports.items():
        try:
            with socket.create_server(("", port)):
                pass
        except OSError as error:
            raise PreflightError(
                f"Port {port} cannot be listened on: {error.strerror or error}. "
                f"Choose another {option}; 0 switches it off."
            ) from None


async def check(
    client: Client, server: str, namespaces: Collection[str] | None, lease: Key | None
) -> None:
    """Return if the operator can work.

    Raises:
        PreflightError: it cannot.
    """
    try:
        served = {type_["name"] for type_ in (await client.discover(API_VERSION))["resources"]}
    except NotFoundError:
        served = set()
    except ClusterError as error:
        raise PreflightError(explain(error, server)) from error
    unknown = [f"{type_.plural}.{type_.group}" for type_ in OURS if type_.plural not in served]
    if unknown:
        raise PreflightError(
            f"The cluster at {server} does not know {', '.join(unknown)} ({VERSION}). "
            "Install the kinds with `kubectl apply --server-side -f crds/`."
        )
    for namespace in namespaces or ():
        try:
            await client.get(NAMESPACES, ("", namespace))
        except NotFoundError:
            logger.warning(
                "There is no namespace %s yet. Waiting for it; create it with "
                "`kubectl create namespace %s`, or serve another one with --namespace.",
                namespace,
                namespace,
            )
        except ClusterError:
            # Whether we may look is another matter, and not needed to serve it.
            continue
    missing = []
    try:
        for _, group in groupby(rights(namespaces, lease), lambda r: r.namespace):
            wanted = list(group)
            allowed = await asyncio.gather(*(client.may(*right) for right in wanted))
            missing += [right for right, yes in zip(wanted, allowed, strict=True) if not yes]
    except ClusterError as error:
        raise PreflightError(
            f"The API server at {server} does not say what the operator may do: {error}"
        ) from error
    if missing:
        where = f" in namespace {missing[0].namespace}" if missing[0].namespace else ""
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise PreflightError(
            f"The operator may not {missing[0]}{where}{more}. Bind the roles of docs/operator.md "
            "to this user, or serve fewer namespaces with --namespace."
        )
