"""The engine's HTTP/1.1 responses as bytes, read one after the other from one connection.

Sans-IO: bytes are fed in, head and pieces of the body come out. It knows nothing of sockets, nor of
what the response means. The engine is ours, so httptools' own grammar is enough here; what is not
a response to one request ends the connection.
"""

import httptools

from tierfleet.sidecar.http1 import Fields


class ResponseError(Exception):
    """What came is not one HTTP response to one request."""


class ResponseReader:
    """Reads responses; call `begin` when a request is sent.

    Attributes:
        status: of the response, 0 until its head is there.
        fields: its header fields, names in lower case.
        length: its Content-Length, None without one.
        started: at least one byte has come.
        complete: it has ended.
        reusable: another request may follow on the connection.
    """

    __slots__ = (
        "_chunked", "_informational", "_parser", "_pieces",
        "complete", "fields", "length", "reusable", "started", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self.begin()

    def begin(self) -> None:
        """Expect the response to a new request."""
        self.status = 0
        self.fields: Fields = []
        self.length: int | None = None
        self.started = False
        self.complete = False
        self.reusable = False
        self._chunked = False
        self._informational = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the connection; those of the body that are among them.

        Raises:
            ResponseError: see there.
        """
        self.started = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise ResponseError(str(error)) from error
        pieces = self._pieces
        if not pieces:
            return b""
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body

    def ends_at_eof(self) -> bool:
        """True if the end of the connection is the proper end of this response (RFC 9112 6.3)."""
        return self.status > 0 and not self._chunked and self.length is None

    def on_message_begin(self) -> None:
        """Called by httptools, like all that follow."""
        if self.complete:
            raise ResponseError("more than one response to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head or of the trailers, which are dropped."""
        if not self.status:
            self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head of the response, or of an informational one before it."""
        status = self._parser.get_status_code()
        if status < 200:
            self._informational = True
            self.fields = []
            return
        for name, value in self.fields:
            if name == b"content-length":
                self.length = int(value)
            elif name == b"transfer-encoding":
                self._chunked = True
        self.reusable = self._parser.should_keep_alive()
        self.status = status

    def on_body(self, body: bytes) -> None:
        """A piece of the body, without framing."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The end of the response."""
        if self._informational:
            self._informational = False
        else:
            self.complete = True
