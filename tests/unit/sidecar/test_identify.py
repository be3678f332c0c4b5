"""Who calls."""

import pytest

from tests.unit.sidecar.plans import KEYS, plan
from tierfleet.sidecar.http1 import Request
from tierfleet.sidecar.identify import Callers, UnknownCallerError


def request(*fields: tuple[bytes, bytes]) -> Request:
    return Request(b"POST", b"/", b"", True, True, list(fields))


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
def test_a_bearer_key_names_its_tenant(scheme: bytes) -> None:
    key = KEYS["acme"].encode()
    caller = Callers(plan()).identify(request((b"authorization", scheme + key)))
    assert (caller.tenant, caller.tier, caller.access) == ("acme", "enterprise", True)


def test_an_api_key_field_names_its_tenant() -> None:
    caller = Callers(plan()).identify(request((b"x-api-key", KEYS["hobby"].encode())))
    assert caller.tenant == "hobby"


def test_a_tenant_without_access_is_known() -> None:
    caller = Callers(plan()).identify(request((b"x-api-key", KEYS["stranger"].encode())))
    assert not caller.access


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"authorization", b"Bearer wrong"),),
        ((b"authorization", b"Bearer "),),
        ((b"authorization", b"Basic " + KEYS["acme"].encode()),),
        ((b"authorization", b"Bearer wrong"), (b"x-api-key", KEYS["acme"].encode())),
        ((b"x-llm-d-inference-fairness-id", b"acme"),),
    ],
)
def test_nobody_else_is_let_in(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(UnknownCallerError) as refused:
        Callers(plan()).identify(request(*fields))
    assert "sk-" not in str(refused.value)


def test_where_anonymous_callers_have_a_tier_they_get_it() -> None:
    callers = Callers(plan(identification={"anonymous": {"action": "Tier", "tier": "retail"}}))
    for fields in ((), ((b"x-api-key", b"wrong"),)):
        caller = callers.identify(request(*fields))
        assert (caller.tenant, caller.tier) == (None, "retail")
