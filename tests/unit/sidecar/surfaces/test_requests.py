"""What is read of a body, and the body that the engine gets."""

import json
from typing import Any

import pytest

from tierfleet.sidecar.surfaces import surface
from tierfleet.sidecar.surfaces.surface import BadBodyError, Inference
from tierfleet.sidecar.surfaces.table import SURFACES

MODEL = "llama"


def read(raw: bytes, path: str = "") -> Inference:
    """As chat, or as completions where there is a prompt."""
    guessed = "completions" if b'"prompt"' in raw else "chat/completions"
    return SURFACES[f"/v1/{path or guessed}".encode()].read(raw)


def for_engine(
    raw: bytes, asked: Inference, model: str = MODEL, priority: int | None = None
) -> bytes:
    return surface.for_engine(raw, asked, model, priority)


def body(**members: Any) -> bytes:
    return json.dumps({"model": MODEL, **members}).encode()


def sent(raw: bytes, model: str = MODEL) -> Any:
    return json.loads(for_engine(raw, read(raw), model))


def test_a_chat_request_is_understood() -> None:
    asked = read(body(messages=[{"role": "user", "content": "x" * 400}], max_tokens=7, n=2))
    assert asked.model == MODEL
    assert not asked.stream
    assert asked.max_tokens == 7
    assert asked.sequences == 2
    assert 100 <= asked.prompt_tokens <= 120


@pytest.mark.parametrize(
    ("prompt", "prompts", "tokens"),
    [
        ("x" * 40, 1, 10),
        ([1, 2, 3], 1, 3),
        (["x" * 40, "x" * 40], 2, 20),
        ([[1, 2, 3], [4, 5]], 2, 5),
        ([], 1, 1),
        (None, 1, 1),
    ],
)
def test_each_form_of_prompt_is_counted(prompt: object, prompts: int, tokens: int) -> None:
    asked = read(body(prompt=prompt, n=3))
    assert asked.sequences == 3 * prompts
    assert asked.prompt_tokens == tokens


def test_the_newer_name_of_the_cap_on_output_wins() -> None:
    assert read(body(max_tokens=5, max_completion_tokens=3)).max_tokens == 3
    assert read(body(max_completion_tokens=None, max_tokens=5)).max_tokens == 5
    assert read(body(max_tokens=0)).max_tokens is None


def test_a_body_that_needs_no_change_reaches_the_engine_as_it_came() -> None:
    raw = b' { "model" : "llama", "temperature": 0.10, "messages": [] } '
    assert for_engine(raw, read(raw), MODEL) is raw


def test_an_alias_reaches_the_engine_as_the_models_name() -> None:
    raw = body(messages=[], temperature=0.1)
    assert sent(raw, "real/name") == {"model": "real/name", "messages": [], "temperature": 0.1}


def test_a_priority_never_reaches_the_engine() -> None:
    for raw in (body(priority=-5), body(priority=None), b'{"model":"llama","prio\\u0072ity":-5}'):
        assert "priority" not in sent(raw)


@pytest.mark.parametrize("members", [{}, {"priority": 5}, {"stream": True}, {"model": "alias"}])
def test_our_own_priority_reaches_the_engine(members: dict[str, Any]) -> None:
    raw = body(**members)
    assert json.loads(for_engine(raw, read(raw), MODEL, -100))["priority"] == -100


def test_the_tier_that_is_asked_for_is_not_for_the_engine() -> None:
    raw = body(service_tier="flex")
    assert read(raw).service_tier == "flex"
    assert "service_tier" not in sent(raw)


def test_adding_members_keeps_every_byte_of_the_others() -> None:
    raw = b'\n{ "messages": [], "model":"llama", "stream":true }'
    assert for_engine(raw, read(raw), MODEL, 7) == (
        b'\n{"priority":7,"stream_options":{"include_usage":true},'
        b' "messages": [], "model":"llama", "stream":true }'
    )


def test_a_batch_of_texts_to_embed_takes_one_seat_and_no_output() -> None:
    asked = read(body(input=["x" * 40] * 500), "embeddings")
    assert (asked.sequences, asked.prompt_tokens, asked.max_tokens) == (1, 5000, 0)


@pytest.mark.parametrize("given", ["x" * 78, [{"role": "user", "content": "x" * 47}]])
def test_a_response_is_asked_for_by_text_or_items(given: object) -> None:
    asked = read(body(input=given, instructions="y" * 78, max_output_tokens=9), "responses")
    assert (asked.prompt_tokens, asked.max_tokens, asked.sequences) == (40, 9, 1)


def test_a_message_counts_its_system_prompt() -> None:
    asked = read(body(messages=[], system="y" * 76, max_tokens=9, stream=True), "messages")
    assert (asked.prompt_tokens, asked.max_tokens, asked.stream) == (20, 9, True)
    assert asked.shows_usage


@pytest.mark.parametrize("path", ["responses", "messages", "embeddings"])
def test_only_chat_and_completions_have_stream_options(path: str) -> None:
    raw = body(stream=True)
    assert for_engine(raw, read(raw, path)) is raw


def test_a_stream_is_made_to_carry_usage() -> None:
    assert sent(body(stream=True))["stream_options"] == {"include_usage": True}
    shown = {"include_usage": False, "continuous_usage_stats": True}
    assert sent(body(stream=True, stream_options=shown))["stream_options"] == {
        "include_usage": True
    }


def test_a_stream_whose_caller_wants_usage_is_left_alone() -> None:
    raw = body(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
    assert for_engine(raw, read(raw), MODEL) is raw
    assert read(raw).shows_usage


def test_other_members_keep_their_bytes() -> None:
    raw = b'{"model":"alias","seed":12345678901234567890123,"x":1.50,"t":"\\u00e4","stream":true}'
    rewritten = for_engine(raw, read(raw), MODEL)
    for kept in (b'"seed":12345678901234567890123', b'"x":1.50', b'"t":"\\u00e4"'):
        assert kept in rewritten


@pytest.mark.parametrize(
    ("raw", "param", "said"),
    [
        (b"", None, "JSON object"),
        (b"{", None, "JSON object"),
        (b'{"model":"a"} x', None, "JSON object"),
        (b"[1]", None, "JSON object"),
        (b'"a"', None, "JSON object"),
        (b"\xff", None, "JSON object"),
        (b"{}", "model", "GET /v1/models"),
        (b'{"model":null}', "model", "GET /v1/models"),
        (b'{"model":1}', "model", "model: expected"),
        (b'{"model":"a","stream":"yes"}', "stream", "stream: expected"),
        (b'{"model":"a","n":"2"}', "n", "n: expected"),
        (b'{"model":"a","max_tokens":1.5}', "max_tokens", "max_tokens: expected"),
        (b'{"model":"a","stream_options":1}', "stream_options", "stream_options: expected"),
        (b'{"model":"a","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, "deeply"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_what_is_wrong(
    raw: bytes, param: str | None, said: str
) -> None:
    with pytest.raises(BadBodyError) as refused:
        read(raw)
    assert refused.value.param == param
    assert said in refused.value.message
    assert refused.value.message.endswith(".")
