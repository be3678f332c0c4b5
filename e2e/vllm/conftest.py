"""The vLLMs that the tests share, each started once, and a client."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from e2e.vllm import sizes
from e2e.vllm.caller import opened
from e2e.vllm.server import Vllm, serving


@pytest.fixture(scope="session")
def engine() -> Iterator[Vllm]:
    """One with room in its KV cache for whatever its seats hold."""
    with serving("cpu-tiny", *sizes.kv_cache(sizes.ROOMY), seats=sizes.SEATS) as one:
        yield one


@pytest.fixture(scope="session")
def tight() -> Iterator[Vllm]:
    """One whose KV cache holds one request of the longest, with as many seats."""
    with serving("cpu-tiny", *sizes.kv_cache(sizes.TIGHT), seats=sizes.SEATS) as one:
        yield one


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client's."""
    async with opened() as one:
        yield one
