"""Who calls: from the header fields of a request to a tenant of the plan. Pure.

Keys and the gateway's secret are compared as SHA-256 only; this file must not keep, return or print
one in clear.
"""

from collections.abc import Collection
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from tierfleet.plan import Plan
from tierfleet.sidecar.http1 import Request

_BEARER: Final = b"bearer "
_OBJECTIVE: Final = b"x-llm-d-inference-objective"
_SLO_TTFT: Final = b"x-llm-d-slo-ttft-ms"
_LONGEST_SLO: Final = 12
_NS_PER_MS: Final = 1_000_000


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
    """The callers of one plan: by key, or by name where a gateway vouches for them.

    Attributes:
        identity: header fields that say who calls, beside those that always do.
    """

    __slots__ = (
        "_anonymous", "_by_key", "_by_name", "_secret", "_secret_field", "_tenant_field",
        "identity",
    )  # fmt: skip

    def __init__(self, plan: Plan) -> None:
        self._by_key: dict[str, Caller] = {}
        self._by_name: dict[str, Caller] = {}
        for tenant in plan.tenants:
            caller = Caller(tenant.name, tenant.tier, tenant.access)
            self._by_name[tenant.name] = caller
            for key in tenant.keys:
                self._by_key[key] = caller
        anonymous = plan.identification.anonymous.tier
        self._anonymous = None if anonymous is None else Caller(None, anonymous)
        gateway = plan.identification.gateway
        self._secret = ""
        self._secret_field = self._tenant_field = b""
        self.identity: frozenset[bytes] = frozenset()
        if gateway is not None:
            self._secret = gateway.secret_sha256
            self._secret_field = gateway.secret_header.lower().encode()
            self._tenant_field = gateway.tenant_header.lower().encode()
            self.identity = frozenset({self._secret_field, self._tenant_field})

    def vouched(self, request: Request) -> bool:
        """True if the request carries the gateway's secret, so that its header fields count."""
        if not self._secret:
            return False
        shown = request.field(self._secret_field)
        return shown is not None and compare_digest(sha256(shown).hexdigest(), self._secret)

    def identify(self, request: Request, *, vouched: bool = False) -> Caller:
        """The caller of a request, by the gateway's word or by the key that it carries.

        Raises:
            UnknownCallerError: a tenant that is not in the plan, no key, or one that nobody has,
                and anonymous callers get no tier.
        """
        named = request.field(self._tenant_field) if vouched else None
        if named is not None:
            caller = self._by_name.get(named.decode(errors="replace"))
            if caller is None:
                raise UnknownCallerError("The gateway names a tenant that is not known here.")
            return caller
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


def objective(request: Request, tiers: Collection[str]) -> str | None:
    """The tier that a gateway asks for; to be read of vouched requests only.

    None without one, and for an objective that no tier is called by: gateways have objectives of
    their own, and the caller could mend nothing.
    """
    value = request.field(_OBJECTIVE)
    name = None if value is None else value.decode(errors="replace")
    return name if name in tiers else None


def time_to_first_token(request: Request) -> int | None:
    """Nanoseconds within which a gateway wants a first token; of vouched requests only."""
    value = request.field(_SLO_TTFT)
    if value is None or not value.isdigit() or len(value) > _LONGEST_SLO:
        return None
    return int(value) * _NS_PER_MS


def _key(request: Request) -> bytes | None:
    authorization = request.field(b"authorization")
    if authorization is None:
        return request.field(b"x-api-key")
    if authorization.startswith(b"Bearer ") or authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip(b" ")
    return None
