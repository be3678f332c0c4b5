"""Who owns which field of an object, read from its managedFields: is what we applied still there?

With server-side apply (KEP-555) the API server keeps, for every manager, the set of fields that it
set. A change of such a field by anybody else moves it to them. So a field that we alone own has the
value that we applied: no value has to be compared, and neither defaults nor the canonical form of a
quantity can be mistaken for an edit. What others *added* shows as fields that only they own.

The format is fieldsV1 of structured-merge-diff: `f:<field>`, `k:<key fields as JSON>` for an entry
of a keyed list, `v:<value as JSON>` for one of a set, `.` for the thing itself; an empty node is a
leaf or is owned as a whole. Pure.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tierfleet.kube.resources import Raw

Fields = dict[str, Any]
"""A tree of owned fields, as in `managedFields[].fieldsV1`."""

_IDENTITY = {"name", "namespace", "uid", "resourceVersion"}
_RESTARTED = (
    "f:spec",
    "f:template",
    "f:metadata",
    "f:annotations",
    "f:kubectl.kubernetes.io/restartedAt",
)
"""`kubectl rollout restart` is a thing that people may do."""


class Foreign(NamedTuple):
    """Fields under a root that somebody else set.

    Attributes:
        manager: who, for example kubectl-edit.
        paths: which, readable, at least one.
    """

    manager: str
    paths: tuple[str, ...]


def applied(raw: Raw, manager: str, subresource: str = "") -> Fields:
    """The fields that `manager` has applied and nobody else has changed since."""
    for entry in _entries(raw):
        if _is_ours(entry, manager, subresource):
            fields: Fields = entry.get("fieldsV1", {})
            return fields
    return {}


def missing(desired: Raw, fields: Fields) -> tuple[str, ...]:
    """Paths in `desired` that are not among `fields`: changed or removed by somebody.

    Empty values are left out: the API server drops some of them, and owning nothing is not lost.
    """
    if not fields:
        return ("everything",)
    body = {key: value for key, value in desired.items() if key not in {"apiVersion", "kind"}}
    metadata = body.get("metadata", {})
    body["metadata"] = {key: value for key, value in metadata.items() if key not in _IDENTITY}
    return tuple(_missing(body, fields, ""))


def foreign(raw: Raw, manager: str, root: str, subresource: str = "") -> tuple[Foreign, ...]:
    """What others own under `root` (`spec`, `status`), written through the same subresource."""
    found = []
    for entry in _entries(raw):
        if entry.get("manager") == manager or entry.get("subresource", "") != subresource:
            continue
        tree = _without_exempt(entry.get("fieldsV1", {})).get(f"f:{root}")
        if tree is not None and (paths := tuple(_leaves(tree, root))):
            found.append(Foreign(entry.get("manager", "somebody"), paths))
    return tuple(found)


def take_over(raw: Raw, manager: str, root: str, subresource: str = "") -> list[Raw]:
    """A JSON patch that makes everything under `root` ours, so that the next apply drops the rest.

    The way of client-go's csaupgrade: managedFields are rewritten, under the condition that the
    object has not changed. Only for an object in which we have applied something.
    """
    entries = [json.loads(json.dumps(entry)) for entry in _entries(raw)]
    ours = next(entry for entry in entries if _is_ours(entry, manager, subresource))
    kept = []
    for entry in entries:
        if entry.get("manager") != manager and entry.get("subresource", "") == subresource:
            exempt = _exempt_only(entry["fieldsV1"], root)
            tree = _without_exempt(entry["fieldsV1"]).get(f"f:{root}")
            if tree is not None:
                _merge(ours["fieldsV1"].setdefault(f"f:{root}", {}), tree)
                entry["fieldsV1"].pop(f"f:{root}", None)
                entry["fieldsV1"] |= exempt
            if not entry["fieldsV1"]:
                continue
        kept.append(entry)
    version = raw["metadata"]["resourceVersion"]
    return [
        # A precondition, and unlike a failed test a conflict says what is the matter.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/metadata/managedFields", "value": kept},
    ]


def _entries(raw: Raw) -> list[Raw]:
    entries: list[Raw] = raw["metadata"].get("managedFields", [])
    return entries


def _is_ours(entry: Raw, manager: str, subresource: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and entry.get("subresource", "") == subresource
    )


def _missing(desired: Any, fields: Fields, path: str) -> Iterator[str]:
    if not fields or desired in (None, "", [], {}):
        return
    if isinstance(desired, dict):
        for key, value in desired.items():
            below = f"{path}.{key}" if path else key
            if f"f:{key}" in fields:
                yield from _missing(value, fields[f"f:{key}"], below)
            elif value not in (None, "", [], {}):
                yield below
    elif isinstance(desired, list):
        for item in desired:
            entry = _entry_of(item, fields)
            name = item.get("name", "") if isinstance(item, dict) else item
            below = f"{path}[{name}]"
            if entry is None:
                yield below
            else:
                yield from _missing(item, fields[entry], below)


def _entry_of(item: Any, fields: Fields) -> str | None:
    """The node of a list's entry; key fields that the item leaves out were defaulted."""
    if not isinstance(item, dict):
        return next((k for k in fields if k[:2] == "v:" and json.loads(k[2:]) == item), None)
    for node in fields:
        if node[:2] == "k:":
            keys = json.loads(node[2:])
            if all(item.get(key, value) == value for key, value in keys.items()):
                return node
    return None


def _leaves(tree: Fields, path: str) -> Iterator[str]:
    if not tree:
        yield path
    for node, below in tree.items():
        match node[:2]:
            case "f:":
                yield from _leaves(below, f"{path}.{node[2:]}")
            case "k:":
                keys = json.loads(node[2:])
                yield from _leaves(below, f"{path}[{','.join(map(str, keys.values()))}]")
            case "v:" | "i:":
                yield f"{path}[{node[2:]}]"


def _without_exempt(fields: Fields) -> Fields:
    return _prune(fields, _RESTARTED)


def _prune(tree: Fields, path: tuple[str, ...]) -> Fields:
    """The tree without the node at `path`, and without parents that are left with nothing."""
    head, *rest = path
    if head not in tree:
        return tree
    below = _prune(tree[head], tuple(rest)) if rest else {}
    if rest and below == tree[head]:
        return tree
    pruned = dict(tree)
    if set(below) <= {"."}:
        del pruned[head]
    else:
        pruned[head] = below
    return pruned


def _exempt_only(fields: Fields, root: str) -> Fields:
    if _RESTARTED[0] != f"f:{root}" or _without_exempt(fields) == fields:
        return {}
    tree: Fields = {}
    for node in reversed(_RESTARTED):
        tree = {node: tree}
    return tree


def _merge(into: Fields, tree: Fields) -> None:
    for node, below in tree.items():
        if node in into and not into[node]:
            continue
        _merge(into.setdefault(node, {}), below)
