"""An engine that answers everything at once and remembers what reached it."""

import re
import socketserver
import threading
from typing import Self

ANSWER = b'{"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


class _Handler(socketserver.StreamRequestHandler):
    server: "Origin"

    def handle(self) -> None:
        while head := self._head():
            body = self._body(head)
            if not head.startswith((b"GET /health", b"GET /metrics")):
                self.server.requests.append((head, body))
            said = b"" if head.startswith(b"HEAD") else ANSWER
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(ANSWER), said)
            )

    def _head(self) -> bytes:
        lines = []
        while line := self.rfile.readline():
            lines.append(line)
            if line == b"\r\n":
                return b"".join(lines)
        return b""

    def _body(self, head: bytes) -> bytes:
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
        if length is not None:
            return self.rfile.read(int(length[1]))
        assert b"transfer-encoding" not in head.lower(), "both proxies send lengths"
        return b""


class Origin(socketserver.ThreadingTCPServer):
    """Attributes:
    requests: head and body of each, in order.
    port: on loopback.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[bytes, bytes]] = []
        self.port: int = self.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
