"""Whether callers obey when told to come back, and whether they are told right. Pure.

The official SDKs count their tries in `x-stainless-retry-count`. A tenant whose tries are mostly
repeated ones makes an overload worse by them: from a tenth on it is told not to (a retry budget, as
in the "Handling Overload" chapter of the Site Reliability Engineering book).
"""

from typing import Final

_WINDOW: Final = 60_000_000_000
_SHARE: Final = 10
"""One in so many requests may be a repeated one."""
_FEW: Final = 20
"""Requests of a window that say nothing yet."""


class _Tenant:
    __slots__ = ("hint", "hinted_at", "requests", "retries", "since")

    def __init__(self, now: int) -> None:
        self.since = now
        self.requests = 0.0
        self.retries = 0.0
        self.hinted_at = -1
        self.hint = 0


class Retries:
    """Tries of all tenants; times in nanoseconds of one monotonic clock."""

    __slots__ = ("_tenants",)

    def __init__(self) -> None:
        # No more than the plan has tenants, and one for the anonymous.
        self._tenants: dict[str | None, _Tenant] = {}

    def came(self, now: int, tenant: str | None, *, again: bool) -> None:
        """A request came, for the first time or again."""
        one = self._tenants.get(tenant)
        if one is None:
            one = self._tenants[tenant] = _Tenant(now)
        elif now - one.since > _WINDOW:
            # The window slides by halves: what is old counts half, what is older not at all.
            keep = 0.5 if now - one.since < 2 * _WINDOW else 0.0
            one.requests *= keep
            one.retries *= keep
            one.since = now
        one.requests += 1
        if again:
            one.retries += 1

    def refused(self, now: int, tenant: str | None, hint: int) -> None:
        """It was told to come back after so long; the first hint of several counts."""
        one = self._tenants.get(tenant)
        if one is not None and one.hinted_at < 0:
            one.hinted_at = now
            one.hint = hint

    def served(self, now: int, tenant: str | None) -> int | None:
        """A repeated request got its seat: by how much later than it was told, less than 0: sooner.

        None if nothing was told, or so long ago that this is another request. It is told of one
        request of a tenant at a time.
        """
        one = self._tenants.get(tenant)
        if one is None or one.hinted_at < 0:
            return None
        late = now - one.hinted_at - one.hint
        one.hinted_at = -1
        return late if late <= _WINDOW else None

    def exhausted(self, tenant: str | None) -> bool:
        """True if the tenant should stop trying again by itself."""
        one = self._tenants.get(tenant)
        return one is not None and one.requests >= _FEW and one.retries * _SHARE > one.requests
