"""How much KV cache running requests may come to hold, if it is known how long each can get.

The admission test of the engines that reserve memory (LightLLM, S-LoRA): what is let in this way
never has to be thrown out, because contexts end before the others have grown into their place.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Context(NamedTuple):
    """One sequence in the KV cache.

    Attributes:
        held: tokens that it holds.
        left: tokens by which it will still grow before it ends.
    """

    held: int
    left: int


def peak(contexts: Iterable[Context]) -> int:
    """The most tokens that the contexts will ever hold together, all growing at the same pace.

    It is reached when one of them ends: until then it and all that have more left have grown by
    what it had left, and all others are gone.
    """
    most = held = 0
    longest_first = sorted(contexts, key=lambda context: -context.left)
    for number, context in enumerate(longest_first, start=1):
        held += context.held
        most = max(most, held + number * context.left)
    return most
