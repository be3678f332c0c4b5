"""Waiting for a condition instead of for time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

# Generous: the machine may be busy. Nothing waits this long unless something is broken.
DEADLINE = 60.0


async def until(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Return once it holds; it may have to be waited for itself.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(DEADLINE):
        while True:
            held = condition()
            if await held if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(0.005)
