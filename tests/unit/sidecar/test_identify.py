"""Who calls."""

import pytest

from tests.unit.sidecar.plans import KEYS, plan
from tierfleet.plan import sha256_hex
from tierfleet.sidecar.http1 import Request
from tierfleet.sidecar.identify import (
    Callers,
    UnknownCallerError,
    objective,
    time_to_first_token,
)


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


SECRET = b"gateway-secret"
GATEWAY = {
    "gateway": {
        "secretSha256": sha256_hex(SECRET),
        "secretHeader": "X-Proof",
        "tenantHeader": "X-Llm-D-Inference-Fairness-Id",
    }
}
NAMED = (b"x-llm-d-inference-fairness-id", b"acme")


def test_a_gateway_that_shows_the_secret_names_the_tenant() -> None:
    callers = Callers(plan(identification=GATEWAY))
    shown = request((b"x-proof", SECRET), NAMED, (b"x-api-key", KEYS["hobby"].encode()))
    assert callers.vouched(shown)
    assert callers.identify(shown, vouched=True).tenant == "acme"
    assert callers.identity == {b"x-proof", b"x-llm-d-inference-fairness-id"}


@pytest.mark.parametrize("proof", [(), ((b"x-proof", b"wrong"),), ((b"x-proof", b""),)])
def test_without_the_secret_only_the_key_counts(proof: tuple[tuple[bytes, bytes], ...]) -> None:
    callers = Callers(plan(identification=GATEWAY))
    claimed = request(*proof, NAMED, (b"x-api-key", KEYS["hobby"].encode()))
    vouched = callers.vouched(claimed)
    assert not vouched
    assert callers.identify(claimed, vouched=vouched).tenant == "hobby"


def test_a_gateway_that_names_nobody_leaves_it_to_the_key() -> None:
    callers = Callers(plan(identification=GATEWAY))
    shown = request((b"x-proof", SECRET), (b"x-api-key", KEYS["hobby"].encode()))
    assert callers.identify(shown, vouched=True).tenant == "hobby"


def test_a_gateway_that_names_a_stranger_is_refused() -> None:
    shown = request((b"x-proof", SECRET), (NAMED[0], b"nobody\xff"))
    with pytest.raises(UnknownCallerError, match="gateway"):
        Callers(plan(identification=GATEWAY)).identify(shown, vouched=True)


def test_a_gateway_may_ask_for_a_tier_and_a_time() -> None:
    asked = request((b"x-llm-d-inference-objective", b"flex"), (b"x-llm-d-slo-ttft-ms", b"250"))
    assert objective(asked, {"flex", "pro"}) == "flex"
    assert objective(asked, {"pro"}) is None
    assert objective(request(), {"pro"}) is None
    assert time_to_first_token(asked) == 250_000_000
    for odd in (b"-1", b"1.5", b"", b"9" * 40):
        assert time_to_first_token(request((b"x-llm-d-slo-ttft-ms", odd))) is None
