"""Waiting for a condition instead of for time."""

import asyncio
from collections.abc import Callable

# Generous: the machine may be busy. Nothing waits this long unless something is broken.
DEADLINE = 60.0


async def until(condition: Callable[[], object]) -> None:
    """Return once it holds.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(DEADLINE):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)
