"""What stands in for tokenizer, prefix cache and model: sizes and words out of a request's content.

All of it is deterministic: the same request gets the same tokens, length and words, in any process.
Pure; knows nothing of HTTP or of how tokens are scheduled.
"""

import math
from collections import OrderedDict
from hashlib import blake2b

# Text, or token ids as `/v1/completions` also takes them.
Prompt = str | tuple[int, ...]

# English text has about four characters per token in the tokenizers of today; bytes of UTF-8 rather
# than characters, so that scripts with fewer characters per token count more.
BYTES_PER_TOKEN = 4
# Mean of an answer's natural length. An exponential distribution: most are short, a few are long.
MEAN_OUTPUT_TOKENS = 200

_WORDS = (  # noqa: SIM905 - one word per line would bury the file
    "able acid area army away baby back band bank base bath bear beat best bird blow blue boat body"
    " bone book call camp card care case cell city club coal coat code cold cook cool corn cost"
    " dark data dawn days deep desk door draw"
).split()


def count_tokens(prompt: Prompt) -> int:
    """Tokens of a prompt: exact for ids, an estimate for text. An empty one has none."""
    if isinstance(prompt, tuple):
        return len(prompt)
    return -(-len(prompt.encode()) // BYTES_PER_TOKEN)


def fingerprint(prompt: Prompt, seed: int, index: int) -> int:
    """64 bits that stand for one choice of one request."""
    digest = blake2b(repr((prompt, seed, index)).encode(), digest_size=8)
    return int.from_bytes(digest.digest())


def natural_length(mark: int) -> int:
    """Tokens after which a choice ends by itself, if nothing cuts it short; at least 1."""
    uniform = (mark + 1) / (2**64 + 1)
    return max(1, math.ceil(-math.log(uniform) * MEAN_OUTPUT_TOKENS))


def words(mark: int, start: int, stop: int) -> str:
    """The text of tokens `start` to `stop` of a choice: one word each, plain ASCII letters."""
    return "".join(" " + _WORDS[(mark + at * at) % len(_WORDS)] for at in range(start, stop))


class PrefixCache:
    """Which leading part of a prompt was seen before, in whole blocks, as vLLM hashes them.

    An estimate: a block counts as cached from the moment a prompt with it was first asked about,
    and the least recently used is forgotten beyond `capacity`, whatever the KV cache holds.
    """

    def __init__(self, capacity: int, block_size: int) -> None:
        self._capacity = capacity
        self._block_size = block_size
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def look_up(self, prompt: Prompt) -> int:
        """Leading tokens of the prompt that were cached; from now on its whole blocks are."""
        if isinstance(prompt, tuple):
            content, stride = b"".join(token.to_bytes(8) for token in prompt), 8
        else:
            content, stride = prompt.encode(), BYTES_PER_TOKEN
        stride *= self._block_size
        hits, known, chain = 0, True, b""
        for start in range(0, len(content) - stride + 1, stride):
            chain = blake2b(chain + content[start : start + stride], digest_size=16).digest()
            known = known and chain in self._blocks
            hits += known
            self._blocks[chain] = None
            self._blocks.move_to_end(chain)
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)
        return hits * self._block_size
