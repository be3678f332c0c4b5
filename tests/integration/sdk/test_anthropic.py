"""Anthropic's own SDK, unmodified, through the sidecar."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from tests.integration.sdk.seats import until_running
from tests.integration.sidecar.processes import EngineProcess, SidecarProcess
from tests.unit.sidecar.plans import KEYS

HELLO: dict[str, Any] = {
    "model": "default",
    "max_tokens": 8,
    "messages": [{"role": "user", "content": "hello"}],
}
TOOL = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


Client = Callable[..., Any]


@pytest.fixture
def client(sidecar: SidecarProcess) -> Iterator[Client]:
    """Makes clients of the SDK, and closes them at the end."""
    with ExitStack() as clients:

        def made(key: str = KEYS["acme"], retries: int = 0) -> Any:
            url = f"http://127.0.0.1:{sidecar.port}"
            return clients.enter_context(Anthropic(base_url=url, api_key=key, max_retries=retries))

        yield made


@pytest.fixture
def acme(client: Client) -> Any:
    return client()


def test_a_message_is_answered(acme: Any) -> None:
    raw = acme.messages.with_raw_response.create(**HELLO, extra_body={"ignore_eos": True})
    message = raw.parse()
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 8
    assert message._request_id == raw.headers["request-id"]
    assert raw.headers["x-tierfleet-tier"] == "enterprise"


def test_a_message_is_streamed(acme: Any) -> None:
    with acme.messages.stream(**HELLO) as stream:
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert said == final.content[0].text
    assert final.usage.output_tokens == len(said.split())


def test_a_tool_is_called(acme: Any) -> None:
    asked = {**HELLO, "max_tokens": 100, "tools": [TOOL], "tool_choice": {"type": "any"}}
    message = acme.messages.create(**asked)
    assert message.stop_reason == "tool_use"
    assert message.content[0].input == {"city": "text"}
    with acme.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert final.content[0].input == {"city": "text"}


@pytest.mark.parametrize(
    ("key", "fields", "error", "kind"),
    [
        ("wrong", {}, anthropic.AuthenticationError, "authentication_error"),
        (KEYS["stranger"], {}, anthropic.PermissionDeniedError, "permission_error"),
        (KEYS["acme"], {"model": "other"}, anthropic.NotFoundError, "not_found_error"),
    ],
)
def test_errors_are_those_that_the_sdk_knows(
    client: Client,
    key: str,
    fields: dict[str, Any],
    error: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    with pytest.raises(error) as raised:
        client(key).messages.create(**{**HELLO, **fields})
    body: Any = raised.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert raised.value.request_id == body["request_id"]


def test_a_limit_is_a_429_with_anthropics_headers(client: Client) -> None:
    hobby = client(KEYS["hobby"])
    headers: Any = {}
    for _ in range(300):
        try:
            raw = hobby.messages.with_raw_response.create(**{**HELLO, "max_tokens": 1})
            headers = raw.headers
        except anthropic.RateLimitError as refused:
            headers = refused.response.headers
            break
        assert headers["anthropic-ratelimit-requests-limit"] == "60"
        assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert float(headers["retry-after-ms"]) > 0


def test_a_cancelled_stream_frees_its_seat(acme: Any, engine: EngineProcess) -> None:
    asked = {**HELLO, "max_tokens": 1900, "extra_body": {"ignore_eos": True}}
    with acme.messages.stream(**asked) as stream:
        next(iter(stream))
        until_running(engine.url, 1)
    seconds = until_running(engine.url, 0)
    print(f"seat free after {seconds * 1000:.0f} ms (goal: 50)")
