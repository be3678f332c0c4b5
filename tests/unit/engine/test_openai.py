"""Requests as vLLM reads them, and the bytes that go back."""

import json
from typing import Any

import pytest

from tierfleet.engine.surfaces import completions
from tierfleet.engine.surfaces.job import Job, Limits, RequestError
from tierfleet.engine.surfaces.openai import parse_chat, parse_completion

LIMITS = Limits(model="m", max_model_len=2048)
HELLO = [{"role": "user", "content": "hello"}]


def chat(**fields: Any) -> Job:
    return parse_chat(json.dumps({"messages": HELLO, **fields}).encode(), LIMITS)


def completion(**fields: Any) -> Job:
    return parse_completion(json.dumps({"prompt": "hello", **fields}).encode(), LIMITS)


@pytest.mark.parametrize(
    ("fields", "status", "param", "sentence"),
    [
        ({"messages": []}, 400, "messages", "at least 1 item"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "messages", "messages.0.content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "messages",
            "messages.0.content.0.type: Input should be 'text'",
        ),
        ({"model": "other"}, 404, "model", "There is no model 'other' here"),
        ({"max_tokens": 0}, 400, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": "many"}, 400, "max_tokens", "valid integer"),
        ({"max_tokens": 2048}, 400, "input_tokens", "context holds at most 2048"),
        ({"max_completion_tokens": 2048}, 400, "input_tokens", "the answer may have 2048"),
        ({"n": 0}, 400, "n", "greater than or equal to 1"),
        ({"n": 129}, 400, "n", "less than or equal to 128"),
        ({"min_tokens": 6, "max_tokens": 5}, 400, "min_tokens", "must not be above max_tokens"),
        ({"stream_options": {}}, 400, "stream_options", "with stream set to true"),
    ],
)
def test_a_bad_chat_request_is_told_what_is_wrong(
    fields: dict[str, Any], status: int, param: str, sentence: str
) -> None:
    with pytest.raises(RequestError) as refusal:
        chat(**fields)
    assert sentence in refusal.value.message
    body = json.loads(completions.error(refusal.value))["error"]
    assert (body["code"], body["param"]) == (status, param)
    assert body["type"] == ("NotFoundError" if status == 404 else "BadRequestError")


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        ({"prompt": ""}, "prompt", "must not be empty"),
        ({"prompt": []}, "prompt", "at least 1 item"),
        ({"prompt": ["a", ""]}, "prompt", "must not be empty"),
        ({"prompt": [1, -1]}, "prompt", "greater than or equal to 0"),
        ({"prompt": 7}, "prompt", "valid array"),
        ({"prompt": "a" * 9000, "max_tokens": None}, "input_tokens", "The prompt has 2250 tokens"),
        ({"prompt": ["a"] * 65, "n": 2}, "n", "at most 128, got 2 times 65"),
    ],
)
def test_a_bad_completion_request_is_told_what_is_wrong(
    fields: dict[str, Any], param: str, sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence) as refusal:
        completion(**fields)
    assert refusal.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"messages":"\\ud800"}'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError) as refusal:
        parse_chat(body, LIMITS)
    assert refusal.value.status == 400


def test_ignore_eos_runs_to_max_tokens_and_ends_by_length() -> None:
    [choice] = chat(max_tokens=1000, ignore_eos=True).choices
    assert (choice.output_tokens, choice.finish_reason) == (1000, "length")


def test_without_limits_an_answer_ends_by_itself_within_the_context() -> None:
    natural = [chat(seed=seed).choices[0] for seed in range(100)]
    assert {choice.finish_reason for choice in natural} == {"stop"}
    assert len({choice.output_tokens for choice in natural}) > 50
    assert natural[7] == chat(seed=7).choices[0], "the same request gets the same answer"


def test_max_tokens_cuts_an_answer_and_min_tokens_prolongs_it() -> None:
    [free] = chat().choices
    [cut] = chat(max_tokens=free.output_tokens - 1).choices
    assert (cut.output_tokens, cut.finish_reason) == (free.output_tokens - 1, "length")
    [exact] = chat(max_tokens=free.output_tokens).choices
    assert exact == free
    [longer] = chat(min_tokens=free.output_tokens + 9).choices
    assert (longer.output_tokens, longer.finish_reason) == (free.output_tokens + 9, "stop")


def test_the_newer_name_of_max_tokens_wins_in_chat() -> None:
    job = chat(max_tokens=5, max_completion_tokens=3, ignore_eos=True)
    assert job.choices[0].output_tokens == 3


def test_text_completions_end_after_16_tokens_unless_told_otherwise() -> None:
    assert completion(ignore_eos=True).choices[0].output_tokens == 16


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [("a" * 40, [10]), ([1, 2, 3], [3]), (["a" * 40, "b"], [10, 1]), ([[1, 2], [3]], [2, 1])],
)
def test_prompts_come_as_text_or_ids_one_or_many(prompt: Any, tokens: list[int]) -> None:
    job = completion(prompt=prompt)
    assert [choice.prompt_tokens for choice in job.choices] == tokens
    assert job.prompt_tokens == sum(tokens)


def test_choices_stand_in_the_order_of_prompts_and_each_has_words_of_its_own() -> None:
    job = completion(prompt=["a", "b"], n=3)
    assert [choice.prompt for choice in job.choices] == ["a"] * 3 + ["b"] * 3
    assert len({choice.text(0, 9) for choice in job.choices}) == 6
    assert job.prompt_tokens == 2, "a prompt counts once, however many choices it has"


def test_text_parts_and_plain_text_are_the_same_prompt() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": t} for t in ("hel", "lo")]}]
    assert chat(messages=parts).choices == chat().choices


def test_fields_that_mean_nothing_here_are_ignored() -> None:
    unknown = {"stop": ["x"], "temperature": 0.1, "service_tier": "flex", "user": "u"}
    assert chat(**unknown).choices == chat().choices


def events(raw: bytes) -> list[dict[str, Any]]:
    assert raw.endswith(b"\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in raw.decode().split("\n\n")[:-1]]


@pytest.mark.parametrize("chatty", [True, False])
def test_streamed_events_add_up_to_the_whole_answer(chatty: bool) -> None:
    job = (chat if chatty else completion)(n=2, max_tokens=5, ignore_eos=True)
    made = completions.ChatStream if chatty else completions.TextStream
    stream = made(job, 'id-"1"', 1, "m")
    texts = ["", ""]
    for index in (0, 1):
        for event in events(stream.tokens(index, 0, 3) + stream.tokens(index, 3, 5)):
            [choice] = event["choices"]
            assert event["id"] == 'id-"1"'
            assert choice["index"] == index
            texts[index] += choice["delta"]["content"] if chatty else choice["text"]
            last = len(texts[index].split()) == 5
            assert choice["finish_reason"] == ("length" if last else None)
    complete = completions.chat if chatty else completions.text
    whole = json.loads(complete(job, "id", 1, "m", 0))
    assert texts == [
        choice["message"]["content"] if chatty else choice["text"] for choice in whole["choices"]
    ]


def test_usage_comes_alone_in_its_event_and_only_when_asked_for() -> None:
    asked = chat(max_tokens=5, ignore_eos=True, stream=True, stream_options={"include_usage": True})
    closing = completions.ChatStream(asked, "id", 1, "m").closing(cached_tokens=0)
    assert closing.endswith(b"data: [DONE]\n\n")
    [event] = events(closing.removesuffix(b"data: [DONE]\n\n"))
    assert event["choices"] == []
    assert event["usage"] == json.loads(completions.chat(asked, "id", 1, "m", 0))["usage"]
    plain = completions.ChatStream(chat(stream=True), "id", 1, "m")
    assert plain.closing(0) == b"data: [DONE]\n\n"
