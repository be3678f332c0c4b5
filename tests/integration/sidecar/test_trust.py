"""Whose word counts for what: a caller's, and that of a gateway that shows its secret."""

from typing import Any

import pytest

from tests.integration.sidecar.inside import Inside, ScriptedEngine
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.plans import KEYS
from tierfleet.plan import sha256_hex

GATEWAY = {
    "gateway": {
        "secretSha256": sha256_hex("proof"),
        "secretHeader": "x-tierfleet-gateway",
        "tenantHeader": "x-tenant",
    }
}
CLAIMS = (
    "X-Tenant: acme\r\nX-Llm-D-Inference-Objective: retail\r\nX-Llm-D-Slo-Ttft-Ms: 60000\r\n"
    "X-Tierfleet-Tier: enterprise\r\n"
)


async def asked(scripted: ScriptedEngine, fields: str) -> Any:
    async with Inside(scripted.port, identification=GATEWAY) as inside:
        async with inside.connect() as wire:
            answer = await wire.ask(request(key=KEYS["hobby"], fields=fields))
        assert answer.status == 200, answer.body
        (line,) = await inside.lines(1)
    head = scripted.calls[0].head.lower()
    for name in (b"x-tenant", b"authorization", b"x-llm-d-", b"x-tierfleet-"):
        assert name not in head
    return line


async def test_what_a_caller_claims_to_be_is_ignored_and_not_passed_on(
    scripted: ScriptedEngine,
) -> None:
    line = await asked(scripted, CLAIMS + "X-Tierfleet-Gateway: guess\r\n")
    assert (line["tenant"], line["tier"]) == ("hobby", "retail")


async def test_what_the_gateway_says_counts(scripted: ScriptedEngine) -> None:
    line = await asked(scripted, CLAIMS + "X-Tierfleet-Gateway: proof\r\n")
    assert (line["tenant"], line["tier"]) == ("acme", "retail")


async def test_a_deadline_that_cannot_be_met_is_told_before_prefill(
    scripted: ScriptedEngine,
) -> None:
    fields = "X-Tierfleet-Gateway: proof\r\nX-Tenant: hobby\r\nX-Llm-D-Slo-Ttft-Ms: 0\r\n"
    async with (
        Inside(scripted.port, identification=GATEWAY) as inside,
        inside.connect() as wire,
    ):
        answer = await wire.ask(request(fields=fields))
    assert answer.status == 503
    assert answer.fields["x-llm-d-request-dropped-reason"] == "rejected-ttl-expired"
    assert not scripted.calls


@pytest.mark.parametrize(
    ("engine", "told", "got"),
    [
        ("VLLM", False, [None, None]),
        ("VLLM", True, [0, -100]),
        ("SGLang", True, [0, 100]),
        ("TensorRTLLM", False, [None, None]),
        ("Custom", False, [None, None]),
    ],
)
async def test_a_priority_of_the_callers_own_never_reaches_the_engine(
    scripted: ScriptedEngine, engine: str, told: bool, got: list[int | None]
) -> None:
    async with (
        Inside(scripted.port, engineType=engine, enginePriority=told) as inside,
        inside.connect() as wire,
    ):
        await wire.ask(request(priority=-1000))
        await wire.ask(request(key=KEYS["acme"]))
    assert [call.json.get("priority") for call in scripted.calls] == got
