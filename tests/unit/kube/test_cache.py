"""A cache goes on whatever one object does to it."""

import pytest

from tierfleet.kube.cache import Cache
from tierfleet.kube.resources import Key, Raw


def raw(name: str, version: int, colour: object) -> Raw:
    metadata = {"namespace": "n", "name": name, "resourceVersion": str(version)}
    return {"kind": "Service", "metadata": metadata, "colour": colour}


def test_an_object_that_cannot_be_projected_is_skipped_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    changed: list[str] = []

    def note(key: Key, *_: object) -> None:
        changed.append(key[1])

    cache = Cache[int](lambda raw: int(raw["colour"]), note)
    cache.put(raw("a", 1, "1"))
    cache.put(raw("a", 2, "red"))
    cache.put(raw("b", 3, "blue"))
    cache.put(raw("c", 4, "4"))
    assert dict(cache.items()) == {("n", "a"): 1, ("n", "c"): 4}
    assert changed == ["a", "c"]
    assert "Service n/a cannot be read." in caplog.messages
    cache.put(raw("a", 5, "5"))
    assert cache.get(("n", "a")) == 5, "it is taken in once it can be read"


def test_an_object_that_is_found_under_one_term_twice_can_change_and_go() -> None:
    # A pool with two accelerators of one product: the second change of it was lost.
    seen: list[tuple[object, object]] = []
    cache = Cache[str](
        lambda raw: str(raw["colour"]),
        lambda _key, old, new: seen.append((old, new)),
        lambda colour: (colour, colour),
    )
    for version, colour in ((1, "red"), (2, "blue")):
        cache.put(raw("a", version, colour))
    assert (cache.where("red"), cache.where("blue")) == ([], ["blue"])
    cache.remove(("n", "a"), 3)
    assert cache.where("blue") == []
    assert seen == [(None, "red"), ("red", "blue"), ("blue", None)]
