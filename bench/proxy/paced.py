"""How long small requests take at a steady rate: sent when they are due, whatever came back.

Plain sockets and short sleeps: an event loop's timers of a millisecond would send in bursts, and a
client that never sleeps would take its core from the origin.
"""

import argparse
import json
import select
import socket
import time
from typing import Final

from bench.proxy.plan import TENANTS, key
from bench.proxy.wrk import BODY

_CONNECTIONS: Final = 64
_NAP: Final = 20e-6


def _requests() -> list[bytes]:
    return [
        (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json"
            f"\r\nAuthorization: Bearer {key(number)}\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
        ).encode()
        for number in range(TENANTS)
    ]


def measure(port: int, rate: float, seconds: float) -> dict[str, float]:
    """Send at that rate for so long; latencies are counted from when a request was due."""
    requests = _requests()
    poll = select.epoll()
    free: list[socket.socket] = []
    by_number: dict[int, socket.socket] = {}
    due: dict[int, float] = {}
    for _ in range(_CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        by_number[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)
        free.append(connection)
    times: list[float] = []
    sent = failed = 0
    clock = time.perf_counter
    start = clock()
    while (now := clock()) < start + seconds or len(free) < _CONNECTIONS:
        while free and now < start + seconds and (at := start + sent / rate) <= now:
            connection = free.pop()
            due[connection.fileno()] = at
            connection.send(requests[sent % TENANTS])
            sent += 1
        for number, _ in poll.poll(0):
            failed += not by_number[number].recv(65536).startswith(b"HTTP/1.1 200")
            times.append(clock() - due[number])
            free.append(by_number[number])
        time.sleep(_NAP)
    for connection in by_number.values():
        connection.close()
    times.sort()
    return {
        "requests": sent,
        "failed": failed,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[len(times) * 99 // 100] * 1e3,
    }


def main() -> None:
    """`PORT RATE SECONDS`; prints what was measured as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("port", type=int)
    options.add_argument("rate", type=float)
    options.add_argument("seconds", type=float)
    given = options.parse_args()
    print(json.dumps(measure(given.port, given.rate, given.seconds)))


if __name__ == "__main__":
    main()
