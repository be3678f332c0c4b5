"""The heap in which shares, guarantees and expiries stand."""

from hypothesis import given
from hypothesis import strategies as st

from tierfleet.admission.heap import Heap, Ranked

STEPS = st.lists(st.tuples(st.integers(0, 7), st.integers(-3, 3), st.integers(0, 3)), max_size=60)


@given(STEPS)
def test_the_least_is_on_top_whoever_joins_moves_and_leaves(
    steps: list[tuple[int, int, int]],
) -> None:
    """Each step puts one of eight where it is not, moves it, or takes it out where it has to be."""
    ones = [Ranked() for _ in range(8)]
    heap: Heap[Ranked] = Heap()
    model: dict[int, tuple[int, int]] = {}
    for one, rank, tie in steps:
        if one in model and tie == 3:
            del model[one]
            heap.remove(ones[one])
        else:
            model[one] = (rank, tie)
            heap.put(ones[one], rank, tie)
        assert {id(item) for item in heap.items} == {id(ones[index]) for index in model}
        assert all(heap.items[item.place] is item for item in heap.items)
        if model:
            assert (heap.items[0].rank, heap.items[0].tie) == min(model.values())
    heap.clear()
    assert all(one.place < 0 for one in ones)
