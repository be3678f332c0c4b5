"""A server in Prometheus' place that answers as it should not."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FaultyServer:
    """Answers every request as it was told last.

    Attributes:
        url: where.
        status: of its answers.
        body: of its answers.
        announced: the length that it announces, where it is not the body's: the rest never comes.
        asked: the bearer tokens that it was shown.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.status = 200
        self.body = b""
        self.announced: int | None = None
        self.asked: list[str | None] = []
        self.closing = threading.Event()

    def says(self, text: str, status: int = 200) -> None:
        """Answer that."""
        self.status, self.body, self.announced = status, text.encode(), None

    def has(self, *series: Any) -> None:
        """Answer each query with these series."""
        data = {"resultType": "matrix", "result": list(series)}
        self.says(json.dumps({"status": "success", "data": data}))


@contextlib.contextmanager
def faulty() -> Iterator[FaultyServer]:
    """One that has nothing to say yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.headers.get("Authorization"))
            self.send_response(told.status)
            length = len(told.body) if told.announced is None else told.announced
            self.send_header("content-length", str(length))
            self.end_headers()
            self.wfile.write(told.body)
            if told.announced is not None:
                told.closing.wait()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = FaultyServer(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        told.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
