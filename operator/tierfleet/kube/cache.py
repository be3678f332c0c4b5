"""What is known of the objects of one type: projected, by key, never going back in time.

Fed by a watch, by lists, and by the answers to our own writes, in whatever order those arrive.
Versions are compared as numbers (KEP-5504), so the latest state wins. It must not know where its
objects come from.

Objects are projected as they come, and only the projection is kept: ten thousand raw pods would
take half a gigabyte. A projection that is equal to the one before is not reported, so the
heartbeats of nodes wake nobody.
"""

import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from tierfleet.kube.resources import Key, Raw, key_of, version_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

Project = Callable[[Raw], T | None]
"""What to keep of an object; None keeps nothing."""

Index = Callable[[T], Iterable[Hashable]]
"""Under which terms an object is found again with `where`; one may come twice."""

OnChange = Callable[[Key, T | None, T | None], None]
"""Called with the key, what was kept before, and what is kept now."""


class _Entry(NamedTuple, Generic[T]):
    version: int
    kept: T


class Cache(Generic[T]):
    """Projected objects by key."""

    def __init__(
        self, project: Project[T], on_change: OnChange[T], index: Index[T] = lambda _: ()
    ) -> None:
        self._project = project
        self._on_change = on_change
        self._index = index
        self._entries: dict[Key, _Entry[T]] = {}
        self._terms: dict[Hashable, set[Key]] = {}

    def __len__(self) -> int:
        """How many objects are kept."""
        return len(self._entries)

    def get(self, key: Key) -> T | None:
        """What is kept of the object of that key."""
        entry = self._entries.get(key)
        return entry.kept if entry else None

    def items(self) -> Iterator[tuple[Key, T]]:
        """All that is kept. Do not await between two items: the cache may change then."""
        return ((key, entry.kept) for key, entry in self._entries.items())

    def where(self, term: Hashable) -> list[T]:
        """What is kept of the objects that the index lists under a term, in the order of keys."""
        return [self._entries[key].kept for key in sorted(self._terms.get(term, ()))]

    def put(self, raw: Raw) -> None:
        """Take in the object, unless it is older than what is known, or cannot be projected."""
        key, version = key_of(raw), version_of(raw)
        old = self._entries.get(key)
        if old is not None and version <= old.version:
            return
        try:
            kept = self._project(raw)
        except Exception:
            # A bug, but one object must not stop the watch of all the others: what is known stays.
            logger.exception("%s %s cannot be read.", raw.get("kind", "Object"), "/".join(key))
            return
        if kept is None:
            self.remove(key, version)
            return
        self._entries[key] = _Entry(version, kept)
        if old is None or old.kept != kept:
            self._changed(key, old.kept if old else None, kept)

    def remove(self, key: Key, version: int) -> None:
        """Forget the object that was gone at that version, unless a younger one is known."""
        old = self._entries.get(key)
        if old is not None and old.version <= version:
            del self._entries[key]
            self._changed(key, old.kept, None)

    def sweep(self, listed: Collection[Key], version: int, namespace: str | None) -> None:
        """Forget what a list of that version does not have; namespace None is all of them."""
        gone = [key for key in self._entries if namespace in (None, key[0]) and key not in listed]
        for key in gone:
            self.remove(key, version)

    def _changed(self, key: Key, old: T | None, new: T | None) -> None:
        # An index may give a term twice: two accelerators of one product do.
        for term in set(self._index(old)) if old is not None else ():
            self._terms[term].discard(key)
            if not self._terms[term]:
                del self._terms[term]
        for term in self._index(new) if new is not None else ():
            self._terms.setdefault(term, set()).add(key)
        self._on_change(key, old, new)
