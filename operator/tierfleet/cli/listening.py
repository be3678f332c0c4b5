"""Where to listen: what can be an address, and which option to change if it cannot be had."""

import contextlib
import errno
import os
import socket
from typing import NamedTuple

import typer

_OF_THE_PORT = {errno.EADDRINUSE, errno.EACCES}


class Listener(NamedTuple):
    """An address to listen on, and the options that give it."""

    host: str
    port: int
    host_option: str = "--host"
    port_option: str = "--port"

    def __str__(self) -> str:
        """As in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ListenError(Exception):
    """An address cannot be listened on; the message is a sentence that names the option."""


def address(host: str) -> str:
    """Check an option: the event loop takes no address for every address.

    Raises:
        typer.BadParameter: it is empty.
    """
    if not host.strip():
        raise typer.BadParameter(
            "An address is needed: 127.0.0.1 for this machine, 0.0.0.0 or :: for everybody."
        )
    return host


def check(*listeners: Listener) -> None:
    """Return if all of them can be listened on at once, as the event loop would do it.

    The event loop's own errors do not tell which of several it was, nor whether host or port.

    Raises:
        ListenError: one cannot.
    """
    with contextlib.ExitStack() as taken:
        for listener in listeners:
            try:
                found = socket.getaddrinfo(
                    listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                for family, kind, protocol, _, where in dict.fromkeys(found):
                    opened = taken.enter_context(socket.socket(family, kind, protocol))
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    opened.bind(where)
                    opened.listen()
            except (OSError, UnicodeError) as error:
                raise ListenError(_sentence(listener, error)) from error


def _sentence(listener: Listener, error: OSError | UnicodeError) -> str:
    said = f"Cannot listen on {listener}: {reason(error)}. Choose another "
    if isinstance(error, OSError) and error.errno in _OF_THE_PORT:
        return f"{said}{listener.port_option}; 0 takes a free one."
    return (
        f"{said}{listener.host_option}: 127.0.0.1 for this machine only, 0.0.0.0 or :: for"
        " everybody."
    )


def reason(error: OSError | UnicodeError) -> str:
    """What the system says, without the event loop's words around it."""
    if isinstance(error, UnicodeError):
        return f"that is not a host name ({error})"
    if isinstance(error, socket.gaierror):
        return f"that is no address of this machine ({error.strerror})"
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)
