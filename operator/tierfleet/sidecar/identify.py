"""Who calls: from the header fields of a request to a tenant of the plan. Pure.

Keys are compared as SHA-256 only; this file must not keep, return or print one in clear.
"""

from hashlib import sha256
from typing import Final

from tierfleet.plan import Plan
from tierfleet.sidecar.http1 import Request

_BEARER: Final = b"bearer "


class UnknownCallerError(Exception):
    """Nobody in the plan has this key; the message is a sentence for the caller."""


class Caller:
    """Who a request is charged to.

    Attributes:
        tenant: a name from the plan; None for an anonymous caller.
        tier: of the tenant.
        access: whether the tenant may use this pool.
    """

    __slots__ = ("access", "tenant", "tier")

    def __init__(self, tenant: str | None, tier: str, access: bool = True) -> None:
        self.tenant = tenant
        self.tier = tier
        self.access = access


class Callers:
    """The callers of one plan, by key."""

    def __init__(self, plan: Plan) -> None:
        self._by_key: dict[str, Caller] = {}
        for tenant in plan.tenants:
            caller = Caller(tenant.name, tenant.tier, tenant.access)
            for key in tenant.keys:
                self._by_key[key] = caller
        anonymous = plan.identification.anonymous.tier
        self._anonymous = None if anonymous is None else Caller(None, anonymous)

    def identify(self, request: Request) -> Caller:
        """The caller of a request, by the key that it carries.

        Raises:
            UnknownCallerError: no key, or one that nobody has, and anonymous callers get no tier.
        """
        key = _key(request)
        caller = self._by_key.get(sha256(key).hexdigest()) if key else None
        if caller is not None:
            return caller
        if self._anonymous is not None:
            return self._anonymous
        if key:
            raise UnknownCallerError("This API key is not known here; check it, or ask for one.")
        raise UnknownCallerError(
            "No API key was sent; send one as: Authorization: Bearer KEY (or x-api-key: KEY)."
        )


def _key(request: Request) -> bytes | None:
    authorization = request.field(b"authorization")
    if authorization is None:
        return request.field(b"x-api-key")
    if authorization.startswith(b"Bearer ") or authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip(b" ")
    return None
