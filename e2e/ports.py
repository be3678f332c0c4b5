"""Free TCP ports for the parts of a control plane. It must not know how the parts are run."""

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
        with contextlib.ExitStack() as stack:
            found = [_free_port(stack) for _ in cls.__dataclass_fields__]
        return cls(*found)


def _free_port(held: contextlib.ExitStack) -> int:
    while True:
        port = random.choice(PORTS)  # noqa: S311 - not a secret
        candidate = held.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port
