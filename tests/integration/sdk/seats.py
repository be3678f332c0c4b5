"""What the engine says is in its seats."""

import re
import time
import urllib.request

from tests.unit.sidecar.waiting import DEADLINE


def running(engine_url: str) -> float:
    with urllib.request.urlopen(f"{engine_url}/metrics", timeout=DEADLINE) as answer:  # noqa: S310
        text = answer.read().decode()
    found = re.search(r"^vllm:num_requests_running\{[^\n]*\} (\S+)", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def until_running(engine_url: str, number: int) -> float:
    """Seconds until the engine runs that many."""
    start = time.monotonic()
    while running(engine_url) != number:
        assert time.monotonic() < start + DEADLINE
        time.sleep(0.002)
    return time.monotonic() - start
