"""The engine's own order: higher is sooner for a tier, lower is sooner for vLLM."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.integration.sidecar.processes import EngineProcess, SidecarProcess
from tests.integration.sidecar.test_processes import until_seats
from tests.integration.sidecar.wire import Wire, request
from tests.unit.sidecar.plans import KEYS, document


def asked(name: str, tokens: int) -> bytes:
    members: dict[str, Any] = {"max_tokens": tokens, "ignore_eos": True, "priority": -(10**6)}
    return request(key=KEYS[name], path="/v1/completions", prompt=name, **members)


async def test_the_engine_serves_the_higher_tier_first_whatever_callers_ask_of_it(
    tmp_path: Path,
) -> None:
    plan = tmp_path / "plan.json"
    groups = document()["groups"]
    groups[0]["maxSequences"] = 8
    plan.write_text(
        json.dumps(document(groups=groups, reservations=[], engineType="VLLM", enginePriority=True))
    )
    with (
        EngineProcess("--max-num-seqs", "1", "--scheduling-policy", "priority") as engine,
        SidecarProcess(plan, engine.url) as sidecar,
    ):
        served: list[str] = []

        async def ask(name: str, tokens: int) -> None:
            async with Wire(sidecar.port) as wire:
                answer = await wire.ask(asked(name, tokens))
                assert answer.status == 200, answer.body
                served.append(name)

        first = asyncio.create_task(ask("hobby", 300))
        await until_seats(engine, 1)
        others = [asyncio.create_task(ask("hobby", 2)) for _ in range(3)]
        await until_seats(engine, 1, waiting=3)
        await ask("acme", 2)
        await asyncio.gather(first, *others)
    assert served == ["hobby", "acme", "hobby", "hobby", "hobby"]
