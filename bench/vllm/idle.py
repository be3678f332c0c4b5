"""An engine that has nothing left of the load before."""

import urllib.request
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from e2e.vllm.server import Vllm
from e2e.wait import wait_until

_SECONDS: Final = 120.0
_LEFT: Final = frozenset({"vllm:num_requests_running", "vllm:num_requests_waiting"})


def until_idle(engine: Vllm) -> None:
    """Return once nothing runs or waits in it.

    Raises:
        AssertionError: something goes on.
    """

    def idle() -> bool:
        with urllib.request.urlopen(f"{engine.url}/metrics", timeout=30) as answer:  # noqa: S310
            text = answer.read().decode()
        left = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in _LEFT
        ]
        return bool(left) and not any(left)

    wait_until(idle, timeout=_SECONDS, why="vLLM to be idle")
