"""What the API server makes of the three kinds: accepted, completed, explained and shown."""

import json
from typing import Any

import pytest

from e2e.cluster import Cluster
from tests.integration.api.conftest import ApiServer
from tests.unit.api.documents import MINIMAL, Document, changed, examples, full, placed
from tierfleet.api import KINDS, CapacityReservation, InferencePool, TierPolicy
from tierfleet.api.conditions import Judgement, Status, judged
from tierfleet.api.poolstatus import CapacitySource, CapacityStatus, InferencePoolStatus
from tierfleet.api.poolstatus import PoolCondition as Is

OURS = {kind.definition.kind for kind in KINDS}


@pytest.mark.parametrize("kind", sorted(OURS))
@pytest.mark.parametrize("documents", [MINIMAL, full()], ids=["minimal", "full"])
def test_a_whole_document_is_accepted(
    api_server: ApiServer, kind: str, documents: dict[str, Document]
) -> None:
    assert api_server.refusals(documents[kind]) == {}


@pytest.mark.parametrize(
    "document",
    [document for document in examples() if document["kind"] in OURS],
    ids=lambda document: f"{document['kind']}-{document['metadata']['name']}",
)
def test_the_examples_are_accepted(api_server: ApiServer, document: Document) -> None:
    assert api_server.refusals(document) == {}


def test_the_examples_can_be_applied_as_they_are(cluster: Cluster) -> None:
    # In one go and only as a dry run, which knows nothing of the namespace in the same folder.
    documents = [d for d in examples() if d["kind"] != "Namespace"]
    text = "\n---\n".join(json.dumps(placed(d, "default")) for d in documents)
    said = cluster.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=text
    ).stdout
    assert len(said.splitlines()) == len(documents)


def test_the_api_server_writes_the_defaults_that_the_operator_assumes(
    cluster: Cluster, namespace: str
) -> None:
    cluster.apply(*(placed(document, namespace) for document in MINIMAL.values()))
    for kind in KINDS:
        name = kind.definition.singular
        stored = cluster.get(f"{name}.tierfleet.dev", "minimal", "-n", namespace)
        assumed = kind.model_validate(placed(MINIMAL[kind.definition.kind], namespace))
        read = kind.model_validate(stored)
        assert read.model_dump()["spec"] == assumed.model_dump()["spec"]
        assert read.metadata.generation == 1

    policy = cluster.get("tpol", "minimal", "-n", namespace)["spec"]
    assert policy == {
        "enforcement": "Enforce",
        "burndown": {
            "version": "1",
            "input": "1",
            "cachedInput": "0.1",
            "output": "4",
            "kvResidency": "0",
        },
        "identification": {"anonymous": {"action": "Reject"}},
        "tiers": [
            {
                "name": "retail",
                "priority": 0,
                "weight": 1,
                "minimumPercent": 0,
                "preemption": "Never",
                "queue": {"maxRequests": 1000, "maxWaitMilliseconds": 30000},
            }
        ],
    }
    pool = cluster.get("tpool", "minimal", "-n", namespace)["spec"]
    assert pool["engine"] == {
        "type": "VLLM",
        "image": "vllm:1",
        "maxSequences": 256,
        "port": 8000,
        "startupTimeoutSeconds": 1800,
        "sharedMemory": "16Gi",
    }
    assert pool["sidecar"] == {"image": "tierfleet:1", "port": 8080, "adminPort": 9090}
    assert pool["partitioning"] == {
        "mode": "Sliced",
        "sellablePercent": 90,
        "spareReplicas": 1,
        "lendablePercent": 100,
    }
    assert (pool["replicas"], pool["drainTimeoutSeconds"]) == (1, 300)
    reservation = cluster.get("capres", "minimal", "-n", namespace)["spec"]
    assert reservation == {
        "poolRef": {"name": "minimal"},
        "tenants": ["acme"],
        "guarantee": {"percent": 30},
        "burst": {"windowMilliseconds": 500},
        "maxWaitMilliseconds": 100,
        "spillover": {"action": "Shared"},
        "lending": {"reclaim": "NextSeat"},
    }


def write_status(cluster: Cluster, kind: str, namespace: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    cluster.kubectl(
        *("patch", kind, "minimal", "-n", namespace, "--subresource=status"),
        *("--type=merge", f"--patch={patch}"),
    )


def table(cluster: Cluster, *args: str) -> list[dict[str, str]]:
    """Rows of `kubectl get` by column; columns are separated by two spaces or more."""
    head, *rows = cluster.kubectl("get", *args).stdout.splitlines()
    names = head.split()
    starts = [head.index(name) for name in names]
    ends: list[int | None] = [*starts[1:], None]
    return [
        {name: row[start:end].strip() for name, start, end in zip(names, starts, ends, strict=True)}
        for row in rows
    ]


def test_kubectl_get_answers_what_a_person_asks(cluster: Cluster, namespace: str) -> None:
    cluster.apply(*(placed(document, namespace) for document in MINIMAL.values()))
    now = InferencePool.model_validate(
        cluster.get("tpool", "minimal", "-n", namespace)
    ).metadata.creation_timestamp
    assert now is not None
    well = Judgement(Status.TRUE, "Placed", "All replicas have devices.")
    unclear = Judgement(Status.UNKNOWN, "NoReports", "No replica has reported yet.")
    conditions = judged((), {Is.PLACED: well, Is.ENFORCED: unclear}, generation=1, now=now)
    pool_status = InferencePoolStatus(
        observed_generation=1,
        conditions=conditions,
        ready_summary="0/1",
        placement_summary="h100:1",
        capacity=CapacityStatus(source=CapacitySource.DECLARED, total=14000, promised=4200),
    )
    write_status(cluster, "tpool", namespace, pool_status.to_raw())
    write_status(cluster, "tpol", namespace, {"tenantCount": 3, "ancestorCount": 1})
    write_status(cluster, "capres", namespace, {"guarantee": "30%", "granted": 4200})

    (pool,) = table(cluster, "tpool", "-n", namespace)
    assert pool.pop("AGE")
    assert pool == {
        "NAME": "minimal",
        "MODEL": "tiny",
        "READY": "0/1",
        "PLACEMENT": "h100:1",
        "CAPACITY": "14000",
        "PROMISED": "4200",
        "ENFORCED": "Unknown",
    }
    (wide,) = table(cluster, "tpool", "-n", namespace, "-o", "wide")
    assert wide.keys() - pool.keys() == {"AGE", "POLICY", "ACCEPTED", "PLACED", "SCALED"}
    assert (wide["POLICY"], wide["PLACED"]) == ("minimal", "Placed")
    (policy,) = table(cluster, "tpol", "-n", namespace)
    assert [*policy] == ["NAME", "ENFORCEMENT", "TENANTS", "POOLS", "ACCEPTED", "AGE"]
    assert (policy["TENANTS"], policy["POOLS"]) == ("3", "1")
    (reservation,) = table(cluster, "capres", "-n", namespace)
    assert [*reservation] == [
        *("NAME", "POOL", "GUARANTEE", "GRANTED", "ACCEPTED", "ACTIVE", "ENDS", "AGE")
    ]
    assert (reservation["GUARANTEE"], reservation["GRANTED"]) == ("30%", "4200")
    listed = cluster.kubectl("get", "tierfleet", "-n", namespace, "--output=name").stdout.split()
    assert len(listed) == len(KINDS)


def test_the_end_that_is_promised_is_shown_and_not_the_one_that_is_asked_for(
    cluster: Cluster, namespace: str
) -> None:
    ending = changed(MINIMAL["CapacityReservation"], term={"end": "2032-01-01T00:00:00Z"})
    cluster.apply(placed(ending, namespace))
    (asked,) = table(cluster, "capres", "-n", namespace)
    assert asked["ENDS"] == ""
    promised = "2031-02-03T04:05:06Z"
    write_status(cluster, "capres", namespace, {"termEnd": promised})
    (row,) = table(cluster, "capres", "-n", namespace)
    assert row["ENDS"] == promised


def test_status_and_spec_are_written_apart(cluster: Cluster, namespace: str) -> None:
    document = placed(MINIMAL["CapacityReservation"], namespace)
    cluster.apply(document | {"status": {"granted": 10**6}})
    assert "status" not in cluster.get("capres", "minimal", "-n", namespace)
    write_status(cluster, "capres", namespace, {"granted": 5, "observedGeneration": 1})
    stored = CapacityReservation.model_validate(cluster.get("capres", "minimal", "-n", namespace))
    assert (stored.status.granted, stored.metadata.generation) == (5, 1)
    changed_spec = json.dumps({"spec": {"maxWaitMilliseconds": 7}, "status": {"granted": 9}})
    cluster.kubectl(
        *("patch", "capres", "minimal", "-n", namespace, "--type=merge", f"--patch={changed_spec}")
    )
    stored = CapacityReservation.model_validate(cluster.get("capres", "minimal", "-n", namespace))
    assert (stored.status.granted, stored.metadata.generation) == (5, 2)


def test_a_pool_is_scaled_with_kubectl(cluster: Cluster, namespace: str) -> None:
    cluster.apply(placed(MINIMAL["InferencePool"], namespace))
    status = InferencePoolStatus(replicas=1, selector="tierfleet.dev/pool=minimal")
    write_status(cluster, "tpool", namespace, status.to_raw())
    cluster.kubectl("scale", "tpool", "minimal", "-n", namespace, "--replicas=4")
    pool = InferencePool.model_validate(cluster.get("tpool", "minimal", "-n", namespace))
    assert pool.spec.replicas == 4
    scale = json.loads(
        cluster.kubectl(
            "get",
            "--raw",
            f"/apis/tierfleet.dev/v1alpha1/namespaces/{namespace}/inferencepools/minimal/scale",
        ).stdout
    )
    assert scale["status"] == {"replicas": 1, "selector": "tierfleet.dev/pool=minimal"}


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("tpol.spec.tiers.priority", "Higher is sooner, strictly"),
        ("tpol.spec.burndown.output", "Service tokens per generated token"),
        ("tpool.spec.engine.maxSequences", "Seats: sequences that one replica runs at once"),
        ("tpool.spec.template.affinity", "Where the pods may run or prefer to"),
        ("capres.spec.guarantee", "exactly one of percent, serviceTokensPerSecond and prepaid"),
        ("capres.status.shortBy", "What is missing to accept the request"),
    ],
)
def test_kubectl_explain_reads_well(cluster: Cluster, field: str, says: str) -> None:
    text = " ".join(cluster.kubectl("explain", field).stdout.split())
    assert says in text


def test_a_policy_of_the_api_server_reads_back_into_a_model(
    cluster: Cluster, namespace: str
) -> None:
    document = placed(full()["TierPolicy"], namespace)
    cluster.apply(document)
    stored = TierPolicy.model_validate(cluster.get("tpol", "standard", "-n", namespace))
    assert stored.key == (namespace, "standard")
    assert stored.metadata.uid
    assert stored.metadata.creation_timestamp is not None
    assert stored.spec == TierPolicy.model_validate(document).spec
