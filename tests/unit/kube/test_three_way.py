"""The patch that kubectl would send for an object that it has applied before."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tierfleet.kube.three_way import LAST_APPLIED, last_applied, merge_patch, patch_for

VALUES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["a", "b"]) | st.lists(st.integers(0, 2), max_size=2),
    lambda below: st.dictionaries(st.sampled_from("xyz"), below, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)


def patched(value: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), change)
    return result


def test_what_was_applied_and_is_no_longer_given_goes_and_what_others_set_stays() -> None:
    last = {"spec": {"replicas": 1, "weight": 2}}
    live = {"spec": {"replicas": 5, "weight": 2, "defaulted": True}}
    assert merge_patch(last, live, {"spec": {"replicas": 1}}) == {
        "spec": {"weight": None, "replicas": 1}
    }
    assert merge_patch({"spec": {}}, live, {"spec": {}}) == {}


@given(OBJECTS, OBJECTS)
def test_applied_to_what_was_applied_last_it_makes_what_is_given(last: Any, new: Any) -> None:
    assert patched(last, merge_patch(last, last, new)) == new


@given(OBJECTS, OBJECTS, OBJECTS)
def test_whatever_is_there_afterwards_it_is_as_given_and_nothing_is_left_to_send(
    last: Any, live: Any, new: Any
) -> None:
    after = patched(live, merge_patch(last, live, new))
    assert merge_patch(last, after, new) == {}


def test_annotations_of_others_stay() -> None:
    last = {"metadata": {"name": "a", "annotations": {}}, "spec": {"replicas": 1}}
    there = {
        "metadata": {
            "name": "a",
            "annotations": {LAST_APPLIED: json.dumps(last), "tierfleet.dev/weight": "3"},
        },
        "spec": {"replicas": 1},
    }
    assert patch_for(there, {"metadata": {"name": "a"}, "spec": {"replicas": 2}}) == {
        "spec": {"replicas": 2}
    }
    assert patch_for({"metadata": {}}, {"metadata": {"name": "a"}}) is None


def test_what_kubectl_applied_is_read_from_its_annotation() -> None:
    given = {"spec": {"replicas": 1}}
    annotated = {"metadata": {"annotations": {LAST_APPLIED: json.dumps(given)}}}
    assert last_applied(annotated) == given
    for nothing in ({}, {"annotations": None}, {"annotations": {LAST_APPLIED: "no JSON"}}):
        assert last_applied({"metadata": nothing}) is None
