"""Wait for a condition by asking again and again. It must not know what is asked."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5


def wait_until(
    predicate: Callable[[], Value | None],
    *,
    timeout: float,
    why: str,
    longest_pause: float = LONGEST_PAUSE_SECONDS,
) -> Value:
    """Call `predicate` until it returns something truthy, and return that.

    `timeout` is in seconds and only bounds a failure: be generous. `why` completes the sentence
    "waited in vain for …". Where asking costs what is waited for, give a `longest_pause`. What the
    predicate raises is passed on at once.

    Raises:
        AssertionError: the time is over; the message shows the last value.
    """
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE_SECONDS
    while not (value := predicate()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {why}; last value: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, longest_pause)
    return value
