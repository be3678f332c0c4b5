"""What somebody may do in a namespace, asked of the API server; and the committed table of it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from e2e.cluster import Cluster

TABLE = Path(__file__).with_name("rights.txt")

AUTHENTICATED = "system:authenticated"


class Right(NamedTuple):
    """One verb on one resource; the resource as `plural.group/subresource`."""

    resource: str
    verb: str


def table() -> dict[str, dict[str, set[Right]]]:
    """The rights in the table: by who, by where."""
    found: dict[str, dict[str, set[Right]]] = {}
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            who, where, resource, *verbs = line.split()
            rights = found.setdefault(who, {}).setdefault(where, set())
            rights |= {Right(resource, verb) for verb in verbs}
    return found


def rules_of(cluster: Cluster, namespace: str, user: str, *groups: str) -> set[Right]:
    """All that the API server says this user may do there, beyond what everybody may.

    A right on named objects only has the name at its end: `leases.coordination.k8s.io=tierfleet`.
    """
    nobody = _rules(cluster, namespace, "nobody", AUTHENTICATED)
    return _rules(cluster, namespace, user, *groups, AUTHENTICATED) - nobody


def rules_of_account(cluster: Cluster, namespace: str, account: str, home: str) -> set[Right]:
    """The same of a service account of namespace `home`."""
    user = f"system:serviceaccount:{home}:{account}"
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{home}")
    return rules_of(cluster, namespace, user, *groups)


def _rules(cluster: Cluster, namespace: str, user: str, *groups: str) -> set[Right]:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    said = cluster.kubectl(
        # Its own validation would look for kinds that this user may not read.
        *("create", "--filename=-", "--output=json", "--validate=false", f"--as={user}"),
        *(f"--as-group={group}" for group in groups),
        stdin=yaml.safe_dump(review),
    )
    status = json.loads(said.stdout)["status"]
    assert not status["incomplete"], status
    return set(_flat(status["resourceRules"]))


def _flat(rules: Iterable[dict[str, list[str]]]) -> Iterable[Right]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                plural, slash, subresource = resource.partition("/")
                full = f"{plural}.{group}" if group else plural
                for name in rule.get("resourceNames") or [""]:
                    for verb in rule["verbs"]:
                        suffix = f"={name}" if name else ""
                        yield Right(f"{full}{slash}{subresource}{suffix}", verb)
