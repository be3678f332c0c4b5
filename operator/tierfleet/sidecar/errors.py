"""What the sidecar's protocol code raises. It knows nothing of how an error is answered."""


class ProtocolError(Exception):
    """The bytes of a client are not HTTP that can be served, or can be read in two ways.

    Where they end is not known any more, so the connection must be closed after the answer.

    Attributes:
        status: of the answer; 400, 408, 413, 414, 417, 431 or 505.
        message: a sentence for the caller.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
