"""Where to listen: what can be an address, and why a port cannot be had, as sentences."""

import os

import typer


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


def reason(error: OSError | UnicodeError) -> str:
    """What the system says, without the event loop's words around it."""
    if isinstance(error, UnicodeError):
        return f"that is not a host name ({error})"
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)
