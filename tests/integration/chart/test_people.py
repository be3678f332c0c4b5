"""Who may run pools, make tenants and sell capacity; what the rest is told."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import yaml

from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS, reservation, tenant
from tests.integration.chart.release import NAMESPACE, Document, Release
from tests.integration.chart.rights import Right, rules_of, table

WRITER = "writer"
"""Holds `edit` in the namespace, and so may write Secrets and CapacityReservations."""

SELLER = "seller"
"""Holds besides `assign` on TierPolicy standard and `reserve` on InferencePool llama."""


@dataclass(frozen=True)
class Person:
    """A user of the cluster, in one namespace."""

    cluster: Cluster
    name: str
    namespace: str = NAMESPACE

    def refused(self, *args: str, document: Document | None = None) -> str:
        """Try it as this person; returns the refusal, empty if there was none."""
        finished = self.cluster.kubectl(
            *(*args, f"--namespace={self.namespace}", f"--as={self.name}"),
            "--as-group=system:authenticated",
            stdin=yaml.safe_dump(document) if document else None,
            check=False,
        )
        return finished.stderr if finished.returncode else ""

    def refused_to_create(self, document: Document, *options: str) -> str:
        """Try to create it."""
        # kubectl's own validation would list the kinds, which this person may not.
        return self.refused(
            "create", "--filename=-", "--validate=false", *options, document=document
        )

    def refused_to_patch(self, name: str, **patch: Any) -> str:
        """Try to change it."""
        return self.refused("patch", name, "--type=merge", f"--patch={json.dumps(patch)}")


def asks_for(pool: str, **guarantee: int) -> Document:
    return reservation(f"in-{pool}", pool, ["acme"], guarantee or {"percent": 10})


@pytest.fixture(scope="module")
def people(cluster: Cluster, release: Release) -> Iterator[tuple[Person, Person]]:
    """The writer and the seller, once the policies are in force."""

    def create(what: str, name: str, *args: str) -> None:
        cluster.kubectl("create", what, name, *args, f"--namespace={NAMESPACE}")
        made.append(f"{what}/{name}")

    made: list[str] = []
    for verb, resource, name in (
        ("assign", "tierpolicies", "standard"),
        ("reserve", "inferencepools", "llama"),
    ):
        only = (f"--resource={resource}.tierfleet.dev", f"--resource-name={name}")
        create("role", verb, f"--verb={verb}", *only)
        create("rolebinding", verb, f"--role={verb}", f"--user={SELLER}")
    create("rolebinding", "edit", "--clusterrole=edit", f"--user={WRITER}", f"--user={SELLER}")
    writer = Person(cluster, WRITER)
    for probe in (tenant("probe"), asks_for("probe")):
        wait_until(
            partial(_is_asked_for_a_verb, writer, probe),
            timeout=PATIENCE_SECONDS,
            why="the admission policies to be in force",
        )
    yield writer, Person(cluster, SELLER)
    cluster.kubectl("delete", *made, f"--namespace={NAMESPACE}")


def _is_asked_for_a_verb(person: Person, document: Document) -> bool:
    return "does not hold the verb" in person.refused_to_create(document, "--dry-run=server")


@pytest.fixture
def standard(cluster: Cluster, people: tuple[Person, Person]) -> Iterator[Document]:
    """The Secret of a tenant of TierPolicy standard, made by the seller."""
    _, seller = people
    made = tenant("acme")
    assert not seller.refused_to_create(made)
    yield made
    cluster.kubectl("delete", "secret", "tenant-acme", f"--namespace={NAMESPACE}")


def test_a_secret_without_our_label_is_nobodys_business(people: tuple[Person, Person]) -> None:
    writer, _ = people
    made = tenant("acme")
    del made["metadata"]["labels"]["tierfleet.dev/policy"]
    assert not writer.refused_to_create(made)
    assert not writer.refused("delete", "secret", "tenant-acme")


def test_who_may_write_secrets_cannot_make_a_tenant_and_is_told_the_next_step(
    cluster: Cluster, people: tuple[Person, Person]
) -> None:
    writer, _ = people
    said = writer.refused_to_create(tenant("acme"))
    assert 'The labels of Secret "tenant-acme" make it a tenant of TierPolicy "standard"' in said
    assert 'writer does not hold the verb "assign" on it' in said
    found = re.search(r"kubectl (create role .*)", said)
    assert found is not None, said
    # What the message says is all that it takes.
    cluster.kubectl(*shlex.split(found[1]))
    bind = ("create", "rolebinding", "obeyed", "--role=assign-standard", f"--user={WRITER}")
    cluster.kubectl(*bind, f"--namespace={NAMESPACE}")
    try:
        wait_until(
            lambda: not writer.refused_to_create(tenant("acme"), "--dry-run=server"),
            timeout=PATIENCE_SECONDS,
            why="the role to let the writer through",
        )
    finally:
        made = ("role/assign-standard", "rolebinding/obeyed")
        cluster.kubectl("delete", *made, f"--namespace={NAMESPACE}")


def test_who_holds_assign_on_one_policy_makes_tenants_of_that_one_only(
    people: tuple[Person, Person],
) -> None:
    _, seller = people
    assert not seller.refused_to_create(tenant("acme"), "--dry-run=server")
    assert 'TierPolicy "other"' in seller.refused_to_create(tenant("acme", policy="other"))


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"stringData": {"mine": "a-key-of-mine"}}, id="a key"),
        pytest.param({"metadata": {"labels": {"tierfleet.dev/tier": "retail"}}}, id="the tier"),
        pytest.param({"metadata": {"labels": {"tierfleet.dev/tenant": "me"}}}, id="the tenant"),
        pytest.param({"metadata": {"labels": {"team": "mine"}}}, id="a label pools select by"),
        pytest.param({"metadata": {"annotations": {"tierfleet.dev/weight": "9"}}}, id="weight"),
        pytest.param({"metadata": {"labels": {"tierfleet.dev/policy": None}}}, id="the policy"),
    ],
)
def test_who_may_write_secrets_cannot_change_who_calls(
    people: tuple[Person, Person], standard: Document, patch: Document
) -> None:
    writer, seller = people
    refusal = writer.refused_to_patch("secret/tenant-acme", **patch)
    assert 'TierPolicy "standard", and writer does not hold the verb "assign"' in refusal
    assert not seller.refused_to_patch("secret/tenant-acme", **patch)


def test_a_tenant_is_not_taken_from_or_given_to_a_policy_of_somebody_else(
    cluster: Cluster, people: tuple[Person, Person], standard: Document
) -> None:
    _, seller = people
    name = "secret/tenant-acme"
    to_other = {"labels": {"tierfleet.dev/policy": "other"}}
    assert 'TierPolicy "other"' in seller.refused_to_patch(name, metadata=to_other)
    cluster.kubectl(
        *("label", name, "tierfleet.dev/policy=other", "--overwrite", f"--namespace={NAMESPACE}")
    )
    to_own = {"labels": {"tierfleet.dev/policy": "standard"}}
    assert 'TierPolicy "other"' in seller.refused_to_patch(name, metadata=to_own)


def test_what_does_not_change_who_calls_needs_no_verb(
    people: tuple[Person, Person], standard: Document
) -> None:
    writer, _ = people
    name = "secret/tenant-acme"
    assert not writer.refused_to_patch(name, metadata={"annotations": {"note": "renew in May"}})
    # As garbage collection does, which holds no verb of ours.
    assert not writer.refused_to_patch(name, metadata={"finalizers": ["example.com/kept"]})
    assert not writer.refused_to_patch(name, metadata={"finalizers": None})


def test_a_key_can_be_revoked_by_whoever_may_delete_secrets(people: tuple[Person, Person]) -> None:
    writer, seller = people
    assert not seller.refused_to_create(tenant("gone"))
    assert not writer.refused("delete", "secret", "tenant-gone")


def test_a_reservation_takes_the_verb_reserve_on_its_pool(
    cluster: Cluster, people: tuple[Person, Person]
) -> None:
    writer, seller = people
    said = writer.refused_to_create(asks_for("llama"))
    assert 'CapacityReservation "in-llama" asks for capacity of InferencePool "llama"' in said
    assert 'writer does not hold the verb "reserve" on it' in said
    assert "kubectl create role reserve-llama --verb=reserve" in said
    assert 'InferencePool "other"' in seller.refused_to_create(asks_for("other"))
    assert not seller.refused_to_create(asks_for("llama"))
    raised = {"guarantee": {"percent": 90}}
    assert 'the verb "reserve"' in writer.refused_to_patch("capres/in-llama", spec=raised)
    assert not writer.refused_to_patch("capres/in-llama", metadata={"labels": {"team": "a"}})
    assert not seller.refused_to_patch("capres/in-llama", spec=raised)
    assert not writer.refused("delete", "capres", "in-llama")


def test_where_the_operator_does_not_serve_nothing_is_asked_for(
    cluster: Cluster, people: tuple[Person, Person]
) -> None:
    bind = ("create", "rolebinding", "edit", "--clusterrole=edit", f"--user={WRITER}")
    cluster.kubectl(*bind, "--namespace=elsewhere")
    elsewhere = Person(cluster, WRITER, "elsewhere")
    try:
        assert not elsewhere.refused_to_create(tenant("acme"), "--dry-run=server")
    finally:
        cluster.kubectl("delete", "rolebinding", "edit", "--namespace=elsewhere")


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_the_built_in_roles_hold_what_the_table_says_of_our_kinds(
    cluster: Cluster, release: Release, role: str
) -> None:
    bind = ("create", "rolebinding", "built-in", f"--clusterrole={role}", f"--user=a-{role}")
    cluster.kubectl(*bind, "--namespace=elsewhere")
    expected = table()[role]["anywhere"]

    def held() -> set[Right]:
        rights = rules_of(cluster, "elsewhere", f"a-{role}")
        return {right for right in rights if ".tierfleet.dev" in right.resource}

    try:
        # A controller puts the built-in roles together, in its own time.
        wait_until(
            lambda: held() == expected,
            timeout=PATIENCE_SECONDS,
            why=f"{role} to hold just {expected}; it holds {held()}",
        )
    finally:
        cluster.kubectl("delete", "rolebinding", "built-in", "--namespace=elsewhere")
