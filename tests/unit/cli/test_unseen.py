"""What no operator has answered yet."""

from typing import Any

from tests.unit.planning.world import NAMESPACE, NOW, pool, world
from tierfleet.cli.unseen import unseen


def written(name: str, generation: int, observed: int) -> Any:
    made = pool(name)
    metadata = made.metadata.model_copy(update={"generation": generation})
    status = made.status.model_copy(update={"observed_generation": observed})
    return made.model_copy(update={"metadata": metadata, "status": status})


def test_a_status_of_the_latest_generation_is_an_answer() -> None:
    found = world(written("new", 1, 0), written("changed", 3, 2), written("seen", 2, 2))
    (line,) = unseen(found, found.pools)
    assert "InferencePool changed, new in namespace inference as it is now" in line


def test_only_the_pools_that_are_asked_about_count() -> None:
    found = world(written("a", 1, 0), written("b", 1, 1))
    assert list(unseen(found, [(NAMESPACE, "b"), (NAMESPACE, "gone")])) == []


def test_one_that_is_being_deleted_waits_for_no_answer() -> None:
    pool = written("leaving", 2, 1)
    metadata = pool.metadata.model_copy(update={"deletion_timestamp": NOW})
    found = world(pool.model_copy(update={"metadata": metadata}))
    assert list(unseen(found, found.pools)) == []


def test_many_are_counted() -> None:
    found = world(*(written(name, 1, 0) for name in "edcba"))
    (line,) = unseen(found, found.pools)
    assert "InferencePool a, b, c and 2 more in namespace" in line
