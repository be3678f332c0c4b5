"""A heap whose members know their place in it, so that any of them moves or leaves at once.

A binary heap (Williams, CACM 7(6), 1964) with positions, as Sedgewick's indexed priority queue; a
heap of entries that are left behind when their owner has moved grows, and has to be tidied.
"""

from typing import Final, Generic, TypeVar

_NOWHERE: Final = -1


class Ranked:
    """What can be in one heap at a time; the base of those that are.

    Attributes:
        rank: the least is first.
        tie: between equal ranks, the least is first.
        place: in the heap; negative if it is in none.
    """

    __slots__ = ("place", "rank", "tie")

    def __init__(self) -> None:
        self.rank = self.tie = 0
        self.place = _NOWHERE


T = TypeVar("T", bound=Ranked)


class Heap(Generic[T]):
    """The least of what is in it is `items[0]`.

    Attributes:
        items: all of it, in the order of a heap.
    """

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[T] = []

    def clear(self) -> None:
        """Everything leaves."""
        for item in self.items:
            item.place = _NOWHERE
        self.items = []

    def put(self, item: T, rank: int, tie: int) -> None:
        """It joins, or moves, with that rank."""
        place = item.place
        if place < 0:
            place = len(self.items)
            self.items.append(item)
        item.rank = rank
        item.tie = tie
        if not self._up(item, place):
            self._down(item, place)

    def remove(self, item: T) -> None:
        """It leaves; it has to be there."""
        place = item.place
        item.place = _NOWHERE
        last = self.items.pop()
        if last is not item and not self._up(last, place):
            self._down(last, place)

    def _up(self, item: T, place: int) -> bool:
        """Towards the root; False if it has to stay where it is or to go down."""
        items = self.items
        rank, tie = item.rank, item.tie
        hole = place
        while hole > 0:
            above = (hole - 1) >> 1
            other = items[above]
            if other.rank < rank or (other.rank == rank and other.tie < tie):
                break
            items[hole] = other
            other.place = hole
            hole = above
        items[hole] = item
        item.place = hole
        return hole != place

    def _down(self, item: T, place: int) -> None:
        items = self.items
        rank, tie = item.rank, item.tie
        size = len(items)
        hole = place
        while (below := 2 * hole + 1) < size:
            least = items[below]
            if below + 1 < size:
                right = items[below + 1]
                if right.rank < least.rank or (right.rank == least.rank and right.tie < least.tie):
                    below += 1
                    least = right
            if rank < least.rank or (rank == least.rank and tie < least.tie):
                break
            items[hole] = least
            least.place = hole
            hole = below
        items[hole] = item
        item.place = hole
