"""What a model tells the API server beyond JSON Schema: CEL rules, list types, printer columns.

These are declarations that stand beside the fields they belong to; `crd.py` writes them out. This
file must not know about any kind, nor how a CustomResourceDefinition is put together.
"""

from typing import Any, NamedTuple

Extra = dict[str, Any]
"""Keywords for `json_schema_extra`; several are joined with `|`."""

RULES = "x-kubernetes-validations"
MAP_KEYS = "x-kubernetes-list-map-keys"


class Rule(NamedTuple):
    """One CEL rule of the API server (KEP-2876).

    Attributes:
        rule: the expression; true means valid.
        message: a sentence part that follows the path and says what "must be".
        field_path: where the error is shown, relative to the value, such as `.maxReplicas`.
        message_expression: CEL that gives the message when it depends on the value.
    """

    rule: str
    message: str
    field_path: str | None = None
    message_expression: str | None = None

    def to_schema(self) -> Extra:
        """The entry of `x-kubernetes-validations`."""
        entry = {
            "rule": self.rule,
            "message": self.message,
            "messageExpression": self.message_expression,
            "fieldPath": self.field_path,
        }
        return {key: value for key, value in entry.items() if value is not None}


def cel(*rules: Rule) -> Extra:
    """Rules on the value of a field, or on a whole model."""
    return {RULES: [rule.to_schema() for rule in rules]}


IMMUTABLE = cel(Rule("self == oldSelf", "must not be changed after creation"))


def keyed_by(*keys: str) -> Extra:
    """A list whose entries are told apart by a field: unique, and merged one by one on apply."""
    return {"x-kubernetes-list-type": "map", MAP_KEYS: list(keys)}


SET: Extra = {"x-kubernetes-list-type": "set"}
"""A list of unique scalars."""

ATOMIC_LIST: Extra = {"x-kubernetes-list-type": "atomic"}
"""A list that has one owner and is replaced as a whole."""

ATOMIC_MAP: Extra = {"x-kubernetes-map-type": "atomic"}
"""An object that has one owner and is replaced as a whole."""


class Column(NamedTuple):
    """One column of `kubectl get`; those with `wide` are shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False


AGE = Column("Age", ".metadata.creationTimestamp", "Time since it was created.", type="date")


def condition_column(condition: str, description: str, *, wide: bool = False) -> Column:
    """The status (True, False or Unknown) of one condition."""
    path = f'.status.conditions[?(@.type=="{condition}")].status'
    return Column(str(condition), path, description, wide=wide)


def reason_column(name: str, condition: str, description: str) -> Column:
    """The reason of one condition, with `-o wide`."""
    path = f'.status.conditions[?(@.type=="{condition}")].reason'
    return Column(name, path, description, wide=True)


class Scale(NamedTuple):
    """Paths of the scale subresource, which `kubectl scale` and an HPA use."""

    spec_replicas: str = ".spec.replicas"
    status_replicas: str = ".status.replicas"
    selector: str = ".status.selector"


class Definition(NamedTuple):
    """What the API server must know about a kind besides its schema."""

    kind: str
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    scale: Scale | None = None

    @property
    def singular(self) -> str:
        """The kind in lower case, as kubectl accepts it."""
        return self.kind.lower()
