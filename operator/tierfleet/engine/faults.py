"""Faults that a request may ask for, so that what stands in front of the engine can be tested.

Off unless the server is started with `--faults`. Pure: what a fault does to a connection is the
server's business.
"""

import re
from dataclasses import dataclass

HEADER = "x-engine-fault"
KINDS = {
    "status": "answer with that status (status=500) and an error",
    "reset": "break the connection after so many pieces of the answer (reset=0: before any)",
    "hang": "say nothing more after so many pieces (hang=0: nothing at all)",
    "garbage": "answer with what is no HTTP",
    "no-usage": "leave usage out",
}
_FORM = re.compile(rf"({'|'.join(KINDS)})(?:=([0-9]{{1,6}}))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and where or with what."""

    kind: str
    number: int = 0


def parse(value: str) -> Fault:
    """A fault as the header names it.

    Raises:
        ValueError: there is none of that name; the message lists them.
    """
    found = _FORM.fullmatch(value)
    if found is None:
        known = "; ".join(f"{kind}: {does}" for kind, does in KINDS.items())
        raise ValueError(f"There is no fault {value!r}. {known}.")
    return Fault(found[1], int(found[2] or 0))
