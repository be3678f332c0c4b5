"""Manifests from files, folders and standard input, as `kubectl -f` takes them.

Lists are taken apart and documents counted, so that a mistake is told with the file, the document
and the path in it. It must not know what is done with the objects, and repeats no value: some are
secret.
"""

import base64
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tierfleet.api import GROUP, VERSION
from tierfleet.api.check import wrong
from tierfleet.cli import sentences
from tierfleet.controllers.facts import model_of, type_of
from tierfleet.kube import project
from tierfleet.kube.resources import (
    NODES,
    OURS,
    PODS,
    REPLICAS,
    SECRETS,
    Raw,
    ResourceType,
    key_of,
)
from tierfleet.sidecar.plansource import TwiceError, UniqueKeys

STDIN = "-"
_SUFFIXES = {".yaml", ".yml", ".json"}


class _Loader(UniqueKeys):
    """As kubectl reads YAML: a time is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
    for first, known in UniqueKeys.yaml_implicit_resolvers.items()
}


class Document(NamedTuple):
    """An object of the input.

    Attributes:
        raw: with what the server would add before anybody reads it.
        where: it stands, such as `pool.yaml, document 2`.
        bare: as it was written, but for its namespace.
    """

    raw: Raw
    where: str
    bare: Raw


def read(names: Iterable[str], namespace: str, *, served: bool = False) -> tuple[Document, ...]:
    """All objects; one that names no namespace is in the given one.

    With `served` what is wrong with one of our kinds is left for an API server to say, but for a
    kind of ours that this version does not know.

    Raises:
        typer.Exit: a file cannot be read, or something in it is wrong; it has been told.
    """
    documents: list[Document] = []
    known: dict[object, str] = {}
    for name in names:
        for document in _of(name, namespace, served):
            about = (document.raw["apiVersion"], document.raw["kind"], key_of(document.raw))
            if about in known:
                raise sentences.mistake(
                    f"{document.where}: {about[1]} {'/'.join(filter(None, about[2]))} stands in "
                    f"{known[about]} already. Keep one of them."
                )
            known[about] = document.where
            uid = document.raw["metadata"].get("uid")
            if isinstance(uid, str):
                if uid in known:
                    raise sentences.mistake(
                        f"{document.where}: metadata.uid: the object in {known[uid]} has the same "
                        "one. Leave it out."
                    )
                known[uid] = document.where
            documents.append(document)
    return tuple(documents)


def _of(name: str, namespace: str, served: bool) -> Iterator[Document]:
    path = Path(name)
    if name != STDIN and path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES and p.is_file())
        if not files:
            raise sentences.mistake(f"{name} has no file that ends with .yaml, .yml or .json.")
        for file in files:
            yield from _of(str(file), namespace, served)
        return
    shown = "standard input" if name == STDIN else name
    try:
        text = sys.stdin.read() if name == STDIN else path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise sentences.mistake(f"There is no file {name}. Check the path.") from None
    except OSError as error:
        raise sentences.mistake(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise sentences.mistake(f"{shown} is not text in UTF-8.") from None
    for number, content in enumerate(_parsed(text, shown), start=1):
        where = f"{shown}, document {number}"
        if content is None:
            continue
        try:
            objects = list(_apart(content, where))
        except RecursionError:
            raise sentences.mistake(f"{where}: it is a List that is in itself.") from None
        for below, raw in objects:
            whole = _checked(raw, f"{where}{below}", namespace, served)
            spaces = {k: v for k, v in whole["metadata"].items() if k == "namespace"}
            bare = raw | {"metadata": raw["metadata"] | spaces}
            yield Document(whole, f"{where}{below}", bare)


def _parsed(text: str, shown: str) -> Iterator[Any]:
    number = 0
    documents = yaml.load_all(text, _Loader)
    while True:
        number += 1
        where = f"{shown}, document {number}"
        try:
            yield next(documents)
        except StopIteration:
            return
        except TwiceError as error:
            raise sentences.mistake(
                f"{where}: {error.key!r} stands twice in one mapping, again at line {error.line}. "
                "Keep one."
            ) from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            # Not the error's own text: it quotes the file.
            raise sentences.mistake(f"{where}: it is neither JSON nor YAML{at}.") from None
        except (ValueError, RecursionError):
            raise sentences.mistake(f"{where}: it holds a value that YAML cannot read.") from None


def _apart(content: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The object, or those in a List, each with its path in the document."""
    if not isinstance(content, dict):
        raise sentences.mistake(f"{where}: it must be an object with apiVersion and kind.")
    for field in ("apiVersion", "kind"):
        if not isinstance(content.get(field), str):
            raise sentences.mistake(f"{where}: {field}: must be given, as a word.")
    if not content["kind"].endswith("List") or "items" not in content:
        yield "", content
        return
    items = content["items"]
    if not isinstance(items, list):
        raise sentences.mistake(f"{where}: items: must be a list.")
    for index, item in enumerate(items):
        for below, raw in _apart(item, f"{where}, items[{index}]"):
            yield f", items[{index}]{below}", raw


def _checked(raw: Raw, where: str, namespace: str, served: bool) -> Raw:
    """The object with what the server would add before anybody reads it."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise sentences.mistake(f"{where}: metadata.name: must be given, as a word.")
    for field in ("labels", "annotations"):
        if not _words(metadata.get(field)):
            raise sentences.mistake(f"{where}: metadata.{field}: must be a mapping of words.")
    type_ = type_of(raw)
    if type_ is None:
        if raw["apiVersion"].partition("/")[0] == GROUP:
            kinds = ", ".join(type_.kind for type_ in OURS)
            raise sentences.mistake(
                f"{where}: there is no {raw['kind']} of {raw['apiVersion']} in this version of "
                f"tierfleet, which knows {kinds} of {GROUP}/{VERSION}. Correct apiVersion and kind,"
                " or install another version."
            )
        return raw
    given = {key: value for key, value in metadata.items() if value is not None}
    if type_.namespaced:
        given = {"namespace": namespace} | given
    given.setdefault("uid", f"{type_.plural}.{given['name']}")
    raw = raw | {"metadata": given}
    model = model_of(type_)
    if model is not None:
        found = None if served else wrong(model, raw)
        if found is not None:
            raise sentences.mistake(f"{where}: {found}")
        return raw
    if type_ == SECRETS:
        raw = _encoded(raw, where)
    try:
        if type_ in _READ:
            _READ[type_](raw)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        raise sentences.mistake(
            f"{where}: it is no {type_.kind} as `kubectl get -o yaml` writes one."
        ) from None
    return raw


def _replicas(child: Raw) -> None:
    """Read what a plan takes of a Deployment or a LeaderWorkerSet.

    Raises:
        TypeError: it is something else.
    """
    spec = child.get("spec") or {}
    if not isinstance(spec, dict) or type(spec.get("replicas", 0)) is not int:
        raise TypeError


_READ: dict[ResourceType, Callable[[Raw], object]] = {
    NODES: project.node,
    PODS: project.pod,
    **dict.fromkeys(REPLICAS, _replicas),
}


def _encoded(secret: Raw, where: str) -> Raw:
    """The Secret with `stringData` where the server puts it."""
    for field in ("data", "stringData"):
        if not _words(secret.get(field)):
            raise sentences.mistake(f"{where}: {field}: must be a mapping of words.")
    data = dict(secret.get("data") or {})
    for entry, text in (secret.get("stringData") or {}).items():
        try:
            data[entry] = base64.b64encode(text.encode()).decode()
        except UnicodeEncodeError:
            raise sentences.mistake(
                f"{where}: stringData.{entry}: it has a character that no text has."
            ) from None
    return {key: value for key, value in secret.items() if key != "stringData"} | {"data": data}


def _words(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
    )
