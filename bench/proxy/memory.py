"""What an idle connection and a waiting request take of the sidecar's memory."""

import json
import resource
import socket
import time
from collections.abc import Callable
from typing import Final

from bench.machine import Pinned
from bench.proxy.plan import MODEL, TENANTS, key

CONNECTIONS: Final = 2000
_BODY: Final = json.dumps(
    {"model": MODEL, "messages": [{"role": "user", "content": "x" * 4096}]}
).encode()
_SETTLES: Final = 1.5


def idle(server: Pinned, port: int) -> float:
    """Kilobytes of a connection that has sent nothing yet."""
    return _each(server, port, lambda _: b"")


def queued(server: Pinned, port: int) -> float:
    """Kilobytes of a request of 4 KB that waits for a seat, its connection included.

    The engine's few seats are taken by the first of them.
    """
    return _each(
        server,
        port,
        lambda number: (
            (
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n"
                f"Authorization: Bearer {key(number % TENANTS)}\r\n"
                f"X-Bench: hang\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(_BODY)}\r\n\r\n"
            ).encode()
            + _BODY
        ),
    )


def _each(server: Pinned, port: int, sends: Callable[[int], bytes]) -> float:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # The first ones make pools and arenas grow.
    warm = _open(port, CONNECTIONS // 10, sends, 0)
    time.sleep(_SETTLES)
    before = server.rss_kilobytes()
    found = _open(port, CONNECTIONS, sends, len(warm))
    time.sleep(_SETTLES)
    grown = server.rss_kilobytes() - before
    for connection in (*warm, *found):
        connection.close()
    time.sleep(_SETTLES)
    return grown / CONNECTIONS


def _open(port: int, number: int, sends: Callable[[int], bytes], first: int) -> list[socket.socket]:
    found = []
    for index in range(number):
        connection = socket.create_connection(("127.0.0.1", port))
        if data := sends(first + index):
            connection.sendall(data)
        found.append(connection)
    return found
