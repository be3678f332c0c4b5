"""A connection to the API server that can be cut, and nothing at its ends is told.

It must not know who is connected.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

from e2e.cluster import Cluster

HOST = "127.0.0.1"


class Link:
    """Passes on what it gets at a port of its own to another port and back.

    Attributes:
        port: where it listens.
        passed: how many connections it has passed on so far.
    """

    def __init__(self, target: int) -> None:
        self.passed = 0
        self._target = target
        self._lock = threading.Lock()
        self._is_cut = False
        self._open: set[socket.socket] = set()
        link = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                link._pass_on(self.request)

        self._server = socketserver.ThreadingTCPServer((HOST, 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """No connection lives through this, and no new one is passed on before its end."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                _end(end)
        try:
            yield
        finally:
            self._is_cut = False

    def close(self) -> None:
        """End it, with all that is connected."""
        self._server.shutdown()
        with self.cut():
            self._server.server_close()

    def _pass_on(self, client: socket.socket) -> None:
        with socket.socket() as server:
            with self._lock:
                if self._is_cut:
                    return
                server.connect((HOST, self._target))
                self.passed += 1
                self._open |= {client, server}
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            _pump(client, server)
            back.join()
            with self._lock:
                self._open -= {client, server}


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    _end(source)
    _end(sink)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def linked(cluster: Cluster, kubeconfig: Path) -> Iterator[Link]:
    """A link to the cluster's API server; `kubeconfig` is written, and leads through it."""
    port = cluster.control_plane.ports.kube_apiserver
    link = Link(port)
    try:
        told = cluster.kubeconfig.read_text().replace(f"{HOST}:{port}", f"{HOST}:{link.port}")
        kubeconfig.write_text(told)
        yield link
    finally:
        link.close()
