"""Free TCP ports on loopback. It must not know what is run on them."""

import contextlib
import random
import socket
from dataclasses import dataclass
from typing import Self

PORTS = range(20_000, 32_000)
"""Below the range from which Linux takes the ports of outgoing connections."""


@dataclass(frozen=True)
class Ports:
    """The TCP ports on 127.0.0.1, one field per listener."""

    etcd: int
    etcd_peer: int
    kube_apiserver: int
    kube_controller_manager: int
    kube_scheduler: int
    kwok: int

    @classmethod
    def free(cls) -> Self:
        """Return ports that nobody listens on now, all different."""
        return cls(*free_ports(len(cls.__dataclass_fields__)))


def free_ports(count: int) -> list[int]:
    """Return ports on 127.0.0.1 that nobody listens on now, all different."""
    with contextlib.ExitStack() as held:
        return [_free_port(held) for _ in range(count)]


def _free_port(held: contextlib.ExitStack) -> int:
    while True:
        port = random.choice(PORTS)  # noqa: S311 - not a secret
        candidate = held.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port
