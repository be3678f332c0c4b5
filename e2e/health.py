"""Whether a part of the control plane lives, and what it said last when it does not.

It must not know how the parts are started.
"""

import http.client
import ssl
from pathlib import Path

ANSWER_SECONDS = 5.0
LOG_LINES = 15


class PartDownError(RuntimeError):
    """A part of the cluster is dead or does not answer; the message shows the end of its log."""


class PortTakenError(PartDownError):
    """A part died because another process took its port between our look and its start."""


def answers(port: int, tls: bool, path: str) -> bool:
    """Tell whether `path` on this machine's `port` gives 200 within 5 seconds."""
    # Whether it lives is all we ask, on this machine: certificates are not checked.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWER_SECONDS, context=context)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tail(log: Path) -> str:
    """Return the last lines of `log`."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "(it has not written any)"
    return "\n".join(lines[-LOG_LINES:])
