"""The plan on disk: one file, or a directory of parts as Kubernetes projects Secrets.

It knows how the files change under us, and nothing of who wants the plan.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from tierfleet.plan import MixedPartsError, Plan, PlanError, join, parse
from tierfleet.plan.parts import NAMES

# The kubelet writes a new directory and then moves this link to it, so what is read through one
# resolved target is of one moment.
_CURRENT = "..data"

Signature = tuple[object, ...]
"""Differs whenever the plan may have changed."""


class PlanSource:
    """A path that holds a plan now and then."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def signature(self) -> Signature:
        """What the files look like from outside; cheap."""
        if not self.path.is_dir():
            return _looks(self.path)
        folder = self._folder()
        return (folder, *(_looks(folder / name) for name in NAMES))

    def read(self) -> Plan:
        """The plan as it is now.

        Raises:
            MixedPartsError: a directory is being filled or updated; read again in a moment.
            PlanError: what is there is not a plan; the message is for the person who wrote it.
        """
        try:
            if not self.path.is_dir():
                return parse(_document(self.path))
            folder = self._folder()
            return join(
                {name: (folder / name).read_bytes() for name in NAMES if (folder / name).exists()}
            )
        except FileNotFoundError as error:
            if self.path.is_dir():
                raise MixedPartsError("The parts were replaced while they were read.") from error
            raise PlanError("nothing is there; check the path.") from error
        except OSError as error:
            raise PlanError(f"it cannot be read: {error.strerror}.") from error

    def _folder(self) -> Path:
        current = self.path / _CURRENT
        return current.resolve() if current.is_symlink() else self.path


def _looks(path: Path) -> Signature:
    try:
        stat = path.stat()
    except OSError as error:
        return (error.errno,)
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


class TwiceError(Exception):
    """A key that stands twice in one mapping; parsers keep the last one and say nothing."""

    def __init__(self, key: object, line: int) -> None:
        super().__init__(key)
        self.key, self.line = key, line


class UniqueKeys(yaml.SafeLoader):
    """YAML 1.2.2, section 3.2.1.1: keys of a mapping are unique. PyYAML does not look."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, if no key stands twice in it."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise TwiceError(key.value, key.start_mark.line + 1)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json`; what has a key twice is left to the YAML loader, which knows the line."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


_SEVERAL = (
    "it has several documents, and a plan is one. If these are Kubernetes manifests, make the plan "
    "of them with `tierfleet plan render -f FILE -o yaml`; if these are plans of several pools, "
    "keep one."
)


def _document(path: Path) -> object:
    """A file as JSON or YAML. JSON first: it is what large plans come as, and much faster."""
    text = path.read_bytes()
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.load(text, UniqueKeys)  # noqa: S506 - a SafeLoader
    except TwiceError as error:
        raise PlanError(
            f"{error.key!r} stands twice in one mapping, again at line {error.line}; keep one."
        ) from None
    except yaml.YAMLError as error:
        if "single document" in (getattr(error, "context", None) or ""):
            raise PlanError(_SEVERAL) from None
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # Not the error's own text: it quotes the file.
        raise PlanError(f"it is neither JSON nor YAML{where}.") from None
    except UnicodeDecodeError:
        raise PlanError("it is not text in UTF-8.") from None
    except (ValueError, RecursionError):
        # PyYAML's constructors: a date such as 2026-13-01; brackets nested a thousand deep.
        raise PlanError("it holds a value that YAML cannot read, such as an odd date.") from None
