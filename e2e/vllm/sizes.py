"""Sizes of the vLLMs that the tests share."""

from typing import Final

from e2e.vllm.model import MAX_MODEL_LEN

SEATS: Final = 4
BLOCK: Final = 32
"""Tokens in a block of the KV cache; vLLM on a processor wants multiples of 32."""
TIGHT: Final = MAX_MODEL_LEN // BLOCK
ROOMY: Final = 2 * SEATS * TIGHT
"""Blocks: for one request of the longest, and for twice as many as have a seat."""


def kv_cache(blocks: int) -> tuple[str, ...]:
    """Options of `vllm serve` for so many that can be used, each for one request alone."""
    # One of the blocks that vLLM is given holds nothing.
    given = ("--block-size", str(BLOCK), "--num-gpu-blocks-override", str(blocks + 1))
    return "--no-enable-prefix-caching", *given
