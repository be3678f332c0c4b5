"""managedFields as an API server 1.36 writes them, shortened."""

import copy
from typing import Any

from tierfleet.kube import ownership
from tierfleet.kube.ownership import Foreign
from tierfleet.kube.resources import Raw

MANAGER = "tierfleet"

MANIFEST: Raw = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "n", "labels": {"a": "b"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "engine",
                        "args": [],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "ports": [{"containerPort": 8080, "name": "http"}],
                    }
                ],
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }
        },
    },
}

ENGINE = 'k:{"name":"engine"}'
OURS: Raw = {
    "f:metadata": {"f:labels": {"f:a": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    ENGINE: {
                        ".": {},
                        "f:name": {},
                        "f:env": {
                            'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}},
                            'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}},
                        },
                        "f:ports": {
                            'k:{"containerPort":8080,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                                "f:name": {},
                            }
                        },
                    }
                },
                "f:tolerations": {},
                "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
            }
        },
    },
}

RESTART: Raw = {
    "f:spec": {
        "f:template": {
            "f:metadata": {
                "f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}},
            }
        }
    }
}


def entry(manager: str, fields: Raw, operation: str = "Update", subresource: str = "") -> Raw:
    made: Raw = {"manager": manager, "operation": operation, "fieldsV1": copy.deepcopy(fields)}
    return made | ({"subresource": subresource} if subresource else {})


def live(*others: Raw, ours: Raw | None = None) -> Raw:
    managed = [entry(MANAGER, OURS if ours is None else ours, "Apply"), *others]
    return {"metadata": {"name": "d", "resourceVersion": "7", "managedFields": managed}}


def in_template(fields: Raw) -> Raw:
    return {"f:spec": {"f:template": {"f:spec": fields}}}


def without(path: tuple[str, ...]) -> Raw:
    fields = copy.deepcopy(OURS)
    node: Any = fields
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return fields


def missing(raw: Raw) -> tuple[str, ...]:
    return ownership.missing(MANIFEST, ownership.applied(raw, MANAGER))


def test_what_was_applied_and_left_alone_is_still_there() -> None:
    assert missing(live()) == ()


def test_what_was_never_applied_is_missing() -> None:
    assert missing(live(ours={})) == ("everything",)


def test_a_field_that_somebody_changed_is_named() -> None:
    assert missing(live(ours=without(("f:spec", "f:replicas")))) == ("spec.replicas",)


def test_a_changed_entry_of_a_keyed_list_is_named() -> None:
    path = ("f:spec", "f:template", "f:spec", "f:containers", ENGINE, "f:env", 'k:{"name":"A"}')
    assert missing(live(ours=without((*path, "f:value")))) == (
        "spec.template.spec.containers[engine].env[A].value",
    )
    assert missing(live(ours=without(path))) == ("spec.template.spec.containers[engine].env[A]",)


def test_a_changed_atomic_list_is_named() -> None:
    path = ("f:spec", "f:template", "f:spec", "f:tolerations")
    assert missing(live(ours=without(path))) == ("spec.template.spec.tolerations",)


def test_an_update_under_our_name_is_not_an_apply() -> None:
    raw = live(ours={})
    raw["metadata"]["managedFields"].append(entry(MANAGER, OURS))
    assert missing(raw) == ("everything",)


def test_what_others_added_is_named_with_who_did_it() -> None:
    evil: Raw = {"f:containers": {'k:{"name":"evil"}': {".": {}, "f:image": {}, "f:name": {}}}}
    assert ownership.foreign(live(entry("kubectl-edit", in_template(evil))), MANAGER, "spec") == (
        Foreign(
            "kubectl-edit",
            (
                "spec.template.spec.containers[evil].image",
                "spec.template.spec.containers[evil].name",
            ),
        ),
    )


def test_status_labels_and_restarts_of_others_are_theirs() -> None:
    raw = live(
        entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}, subresource="status"),
        entry("kubectl-label", {"f:metadata": {"f:labels": {"f:x": {}}}}),
        entry("kubectl-rollout", RESTART),
    )
    assert ownership.foreign(raw, MANAGER, "spec") == ()


def test_taking_over_makes_additions_ours_and_leaves_a_restart_alone() -> None:
    fields = copy.deepcopy(RESTART)
    fields["f:spec"]["f:template"]["f:spec"] = {"f:nodeSelector": {}}
    raw = live(entry("kubectl-edit", fields), entry("hpa", {"f:spec": {"f:paused": {}}}))
    before = copy.deepcopy(raw)
    version, replace = ownership.take_over(raw, MANAGER, "spec")
    assert raw == before
    assert version == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    after = live()
    after["metadata"]["managedFields"] = replace["value"]
    assert [e["manager"] for e in replace["value"]] == [MANAGER, "kubectl-edit"]
    ours = ownership.applied(after, MANAGER)["f:spec"]
    assert ours["f:paused"] == {}
    assert ours["f:template"]["f:spec"]["f:nodeSelector"] == {}
    assert ownership.foreign(after, MANAGER, "spec") == ()
    assert "restartedAt" in str(replace["value"][1])


def test_taking_over_a_status_concerns_the_subresource_only() -> None:
    conditions: Raw = {"f:status": {"f:conditions": {'k:{"type":"Odd"}': {".": {}, "f:type": {}}}}}
    raw: Raw = {
        "metadata": {
            "resourceVersion": "7",
            "managedFields": [
                entry(MANAGER, {"f:status": {"f:replicas": {}}}, "Apply", "status"),
                entry("kubectl-edit", conditions, subresource="status"),
                entry("kubectl-apply", {"f:spec": {"f:replicas": {}}}),
            ],
        }
    }
    assert ownership.foreign(raw, MANAGER, "status", "status") == (
        Foreign("kubectl-edit", ("status.conditions[Odd].type",)),
    )
    operations = ownership.take_over(raw, MANAGER, "status", "status")
    managers = [e["manager"] for e in operations[1]["value"]]
    assert managers == [MANAGER, "kubectl-apply"]
