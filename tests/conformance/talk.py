"""A client that says what a case says, and reads what comes back, byte by byte."""

import socket
from dataclasses import dataclass

from tests.unit.sidecar.waiting import DEADLINE

PROBE = (
    b"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sk-hobby\r\nX-Probe: 1\r\n\r\n"
)


@dataclass(frozen=True)
class Heard:
    """What came back: status of each answer, and whether the connection was closed after them."""

    answers: tuple[int, ...]
    closed: bool


class Talk:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def hear(self, pieces: tuple[bytes, ...], answers: int) -> Heard:
        """Say it all, read so many answers, and see whether the connection can still be used."""
        heard: list[int] = []
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It was refused before it was all said.
        bodiless = pieces[0].startswith(b"HEAD")
        for _ in range(answers):
            status = self._answer(bodiless)
            if status is None:
                return Heard(tuple(heard), True)
            heard.append(status)
        if not answers:
            return Heard((), False)
        try:
            self._socket.sendall(PROBE)
        except (BrokenPipeError, ConnectionResetError):
            return Heard(tuple(heard), True)
        return Heard(tuple(heard), self._answer(False) is None)

    def _answer(self, bodiless: bool) -> int | None:
        try:
            while True:
                line = self._file.readline()
                if not line:
                    return None
                if not line.startswith(b"HTTP/1."):
                    # What HTTP/0.9 calls an answer: no head, and it ends with the connection.
                    self._file.read()
                    return 0
                status = int(line.split()[1])
                fields = {}
                while (field := self._file.readline()) not in (b"\r\n", b""):
                    name, _, value = field.partition(b":")
                    fields[name.strip().lower()] = value.strip().lower()
                if status >= 200:
                    break
            if bodiless:
                return status
            if b"content-length" in fields:
                self._file.read(int(fields[b"content-length"]))
            elif fields.get(b"transfer-encoding") == b"chunked":
                while size := int(self._file.readline(), 16):
                    self._file.read(size + 2)
                self._file.readline()
            else:
                self._file.read()
        except ConnectionResetError:
            return None
        return status
