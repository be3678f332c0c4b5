"""OpenAI's own SDK, unmodified, through the sidecar."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.integration.sdk.seats import until_running
from tests.integration.sidecar.processes import EngineProcess, SidecarProcess
from tests.unit.sidecar.plans import KEYS

MODEL = "default"
HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
ARGUMENTS = {"city": "text", "days": 1}


Client = Callable[..., Any]


@pytest.fixture
def client(sidecar: SidecarProcess) -> Iterator[Client]:
    """Makes clients of the SDK, and closes them at the end."""
    with ExitStack() as clients:

        def made(key: str = KEYS["acme"], retries: int = 0) -> Any:
            url = f"http://127.0.0.1:{sidecar.port}/v1"
            return clients.enter_context(OpenAI(base_url=url, api_key=key, max_retries=retries))

        yield made


@pytest.fixture
def acme(client: Client) -> Any:
    return client()


def test_a_chat_is_answered_and_names_its_tier(acme: Any) -> None:
    answer = acme.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=8,
        extra_body={"ignore_eos": True},
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8
    assert answer.service_tier == "enterprise"


def test_a_tier_is_asked_for_and_charged(acme: Any) -> None:
    raw = acme.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=2,
        service_tier="flex",
    )
    assert raw.headers["x-tierfleet-tier"] == "flex"
    assert raw.headers["x-tierfleet-partition"] == "shared"
    assert raw.parse().service_tier == "flex"


@pytest.mark.parametrize("usage", [False, True])
def test_a_chat_is_streamed(acme: Any, usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    stream = acme.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=8,
        stream=True,
        **options,
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).strip()
    assert [c.usage.completion_tokens for c in chunks if c.usage] == ([8] if usage else [])


def test_a_text_completion_is_answered(acme: Any) -> None:
    answer = acme.completions.create(model=MODEL, prompt=["a", "b"], max_tokens=2)
    assert len(answer.choices) == 2


def test_texts_are_embedded(acme: Any) -> None:
    many = [f"text {number}" for number in range(20)]
    answer = acme.embeddings.create(model=MODEL, input=many)
    assert len(answer.data) == 20
    assert len({tuple(one.embedding) for one in answer.data}) == 20
    plain = acme.embeddings.create(model=MODEL, input=many[0], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(answer.data[0].embedding)


def test_a_response_is_answered_and_streamed(acme: Any) -> None:
    answer = acme.responses.create(model=MODEL, input="hello")
    assert answer.output_text.strip()
    assert answer.usage is not None
    assert answer.service_tier == "enterprise"
    with acme.responses.stream(model=MODEL, input="hello") as stream:
        said = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert said == final.output_text == answer.output_text
    assert final.usage == answer.usage


def test_tools_are_called(acme: Any) -> None:
    tools = [{"type": "function", "function": WEATHER}]
    asked = {"model": MODEL, "messages": HELLO, "tools": tools, "tool_choice": "required"}
    answer = acme.chat.completions.create(**asked)
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    with acme.chat.completions.stream(**asked) as stream:
        for _ in stream:
            pass
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    response = acme.responses.create(
        model=MODEL,
        input="hello",
        tools=[{"type": "function", "strict": False, **WEATHER}],
        tool_choice={"type": "function", "name": "weather"},
    )
    (item,) = response.output
    assert item.type == "function_call"
    assert json.loads(item.arguments) == ARGUMENTS


def test_the_model_is_listed(acme: Any) -> None:
    assert [model.id for model in acme.models.list()] == ["llama", "default"]
    assert acme.models.retrieve("default").id == "default"


@pytest.mark.parametrize(
    ("key", "fields", "error", "code"),
    [
        ("wrong", {}, openai.AuthenticationError, "invalid_api_key"),
        (KEYS["stranger"], {}, openai.PermissionDeniedError, "no_access"),
        (KEYS["acme"], {"model": "gpt-9"}, openai.NotFoundError, "model_not_found"),
        (KEYS["acme"], {"n": 3}, openai.BadRequestError, "too_many_sequences"),
        (
            KEYS["acme"],
            {"extra_body": {"service_tier": "gold"}},
            openai.BadRequestError,
            "invalid_value",
        ),
    ],
)
def test_errors_are_those_that_the_sdk_knows(
    client: Client,
    key: str,
    fields: dict[str, object],
    error: type[openai.APIStatusError],
    code: str,
) -> None:
    with pytest.raises(error) as raised:
        client(key).chat.completions.create(**{"model": MODEL, "messages": HELLO, **fields})
    assert raised.value.code == code
    assert raised.value.request_id


@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset", openai.InternalServerError), ("status=503", openai.InternalServerError)],
)
def test_an_engine_that_fails_is_an_error(acme: Any, fault: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        acme.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            max_tokens=2,
            extra_headers={"x-engine-fault": fault},
        )


def test_a_stream_that_breaks_off_is_an_error_and_not_an_end(acme: Any) -> None:
    stream = acme.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=50, stream=True,
        extra_headers={"x-engine-fault": "reset=3"}, extra_body={"ignore_eos": True},
    )  # fmt: skip
    events = iter(stream)
    next(events)
    with pytest.raises(openai.APIConnectionError):
        list(events)


def test_a_cancelled_stream_frees_its_seat(acme: Any, engine: EngineProcess) -> None:
    stream = acme.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=1900, stream=True,
        extra_body={"ignore_eos": True},
    )  # fmt: skip
    next(iter(stream))
    until_running(engine.url, 1)
    stream.close()
    seconds = until_running(engine.url, 0)
    print(f"seat free after {seconds * 1000:.0f} ms (goal: 50)")


def test_retries_wait_as_long_as_they_are_told_and_then_succeed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hobby = client(KEYS["hobby"], retries=3)
    waits: list[float] = []
    real_sleep = time.sleep

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        real_sleep(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    hints: list[float] = []
    raw = client(KEYS["hobby"])
    for _ in range(300):
        try:
            raw.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=1)
        except openai.RateLimitError as refused:
            hints.append(float(refused.response.headers["retry-after-ms"]) / 1000)
            break
    assert hints, "sixty a minute are allowed, so one of sixty-one is too many"
    answer = hobby.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=1)
    assert answer.choices
    print(f"hint {hints[0]:.3f} s, waited {[f'{wait:.3f}' for wait in waits]} s")
    assert waits, "the bucket was empty"
    assert len(waits) == 1, "told the truth once, the second try is served"
