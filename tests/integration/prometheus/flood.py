"""Callers in threads, so that a test may wait for the cluster meanwhile."""

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence

_BODY = {
    "model": "llama",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 64,
    "min_tokens": 64,
    "stream": True,
}


@contextlib.contextmanager
def flood(urls: Sequence[str], key: str, callers: int) -> Iterator[None]:
    """So many callers of each replica that send one request after the other."""
    over = threading.Event()

    def call(url: str) -> None:
        request = urllib.request.Request(  # noqa: S310 - loopback http
            f"{url}/v1/chat/completions",
            json.dumps(_BODY).encode(),
            {"authorization": f"Bearer {key}", "content-type": "application/json"},
        )
        while not over.is_set():
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                    answer.read()
            except (urllib.error.URLError, OSError):
                # Refused: a caller that comes back at once is what a flood is made of.
                over.wait(0.05)

    threads = [threading.Thread(target=call, args=(url,)) for url in urls for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
