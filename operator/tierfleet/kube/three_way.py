"""What `kubectl apply` would send for an object that it has applied before: a JSON merge patch.

Three ways: what was applied last, what is there, what is to be applied. A field that was applied
and is no longer given goes; one that somebody else has set stays. As kubectl does for kinds that
it has no Go types of (apimachinery's jsonmergepatch). Pure.
"""

import json
from typing import Any

from tierfleet.kube.resources import Raw

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def last_applied(raw: Raw) -> Raw | None:
    """What kubectl has applied last on this side of the server; None if it has not."""
    annotations = raw["metadata"].get("annotations") or {}
    try:
        found = json.loads(annotations[LAST_APPLIED])
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def patch_for(there: Raw, given: Raw) -> Raw | None:
    """The patch for an object that is there; None if kubectl has not applied it on its own side.

    kubectl leaves its annotation out of what it compares, but never the mapping that it is in.
    """
    last = last_applied(there)
    if last is None:
        return None
    metadata = given.get("metadata", {})
    annotated = metadata | {"annotations": metadata.get("annotations") or {}}
    return merge_patch(last, there, given | {"metadata": annotated})


def merge_patch(last: Raw, live: Raw, given: Raw) -> Raw:
    """The patch (RFC 7386) that makes the live object what is given."""
    patch: Raw = {}
    for key in {**last, **given}:
        if key not in given:
            if key in live:
                patch[key] = None
        elif _both(live.get(key), given[key]):
            below = merge_patch(_mapping(last.get(key)), live[key], given[key])
            if below:
                patch[key] = below
        elif key not in live or live[key] != given[key]:
            patch[key] = given[key]
    return patch


def _both(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict)


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}
