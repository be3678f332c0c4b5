"""The arguments that the operator generates make one engine of several nodes."""

import aiohttp

from e2e.vllm.caller import completion
from e2e.vllm.nodes import NODES, serving


async def test_two_nodes_answer_as_one_engine_and_only_the_first_serves_requests(
    session: aiohttp.ClientSession,
) -> None:
    with serving() as replica:
        url = f"{replica.url}/v1/completions"
        async with session.post(url, json=completion(1, 16, 5)) as answer:
            said = await answer.json()
        assert answer.status == 200, said
        assert said["usage"]["completion_tokens"] == 5
        served = ["Started server process" in log.read_text() for log in replica.logs]
        assert served == [True] + [False] * (NODES - 1)
