"""`service_tier`: the tier that a caller asks for, and the one that an answer says was charged."""

import re
from collections.abc import Collection
from typing import Final

from tierfleet.sidecar.surfaces import bodies
from tierfleet.sidecar.surfaces.surface import BadBodyError

_OWN: Final = frozenset({"auto", "default", "priority", "flex", "scale", "standard_only"})
"""What OpenAI's and Anthropic's callers say; without a tier of that name: the tenant's own."""
_MEMBER: Final = b'"service_tier"'
_GIVEN: Final = re.compile(rb'"service_tier"\s*:\s*(?:null|"[^"\\]*")')


def asked_for(name: str | None, tiers: Collection[str]) -> str | None:
    """The plan's tier that is meant; None for the tenant's own.

    Args:
        name: as the caller says it.
        tiers: names of the plan's.

    Raises:
        BadBodyError: nothing is meant by it.
    """
    if name is None:
        return None
    if name in tiers:
        return name
    if name in _OWN:
        return None
    allowed = ", ".join(sorted({*_OWN, *tiers}))
    raise BadBodyError(f"service_tier: must be one of {allowed}.", "service_tier")


def names_tier(document: bytes) -> bool:
    """True if an answer says which tier was charged, and so has to say ours."""
    return document.find(_MEMBER) >= 0


def with_tier(document: bytes, tier: str, after: bytes) -> bytes:
    """An answer that says which tier was charged; all else keeps its bytes.

    Inside a JSON string a quote is escaped, so the name in quotes is always a member's. Where it
    stands more than once (a caller may have it in metadata that come back), nothing is changed.

    Args:
        document: the answer, or an event of a stream.
        tier: that was charged.
        after: behind the first of these it is put where the engine has not named one.
    """
    member = _MEMBER + b":" + bodies.ENCODER.encode(tier)
    found = document.count(_MEMBER)
    if found == 1:
        return _GIVEN.sub(lambda _: member, document, count=1)
    start = document.find(after)
    if found or start < 0:
        return document
    start += len(after)
    comma = b"" if document[start:].lstrip().startswith(b"}") else b","
    return b"".join((document[:start], member, comma, document[start:]))
