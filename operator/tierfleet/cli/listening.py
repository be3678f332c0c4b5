"""Why a port cannot be listened on, as a sentence."""

import os


def reason(error: OSError | UnicodeError) -> str:
    """What the system says, without the event loop's words around it."""
    if isinstance(error, UnicodeError):
        return f"that is not a host name ({error})"
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)
