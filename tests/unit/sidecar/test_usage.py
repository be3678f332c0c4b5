"""What an answer cost."""

import pytest

from tierfleet.sidecar import usage
from tierfleet.sidecar.usage import JsonMeter, StreamMeter

TOKEN = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
USAGE = (
    b'data: {"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":2,'
    b'"prompt_tokens_details":{"cached_tokens":3}}}\n\n'
)
DONE = b"data: [DONE]\n\n"


def test_tokens_are_counted_by_event_until_the_engine_says() -> None:
    meter = StreamMeter(shows_usage=False)
    meter.feed(TOKEN + TOKEN)
    meter.feed(TOKEN)
    assert meter.output_tokens == 3
    assert meter.feed(USAGE + DONE) == DONE
    assert meter.output_tokens == 2
    assert meter.usage is not None
    assert (meter.usage.prompt_tokens, meter.usage.cached_tokens) == (8, 3)


def test_whole_events_are_passed_on_at_once() -> None:
    meter = StreamMeter(shows_usage=False)
    assert meter.feed(TOKEN + TOKEN[:10]) == TOKEN
    assert meter.feed(TOKEN[10:]) == TOKEN


def test_an_event_with_choices_and_usage_is_kept_and_counted() -> None:
    both = b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":5}}\n\n'
    meter = StreamMeter(shows_usage=False)
    assert meter.feed(both) == both
    assert meter.output_tokens == 5


def test_null_usage_in_an_event_says_nothing() -> None:
    null = b'data: {"choices":[{"delta":{"content":"a"}}],"usage":null}\n\n'
    meter = StreamMeter(shows_usage=False)
    assert meter.feed(null) == null
    assert (meter.usage, meter.output_tokens) == (None, 1)


def test_the_word_usage_in_a_text_is_not_usage() -> None:
    text = b'data: {"choices":[{"delta":{"content":"\\"usage\\": {}"}}],"x":{"usage":{}}}\n\n'
    meter = StreamMeter(shows_usage=False)
    assert meter.feed(text) == text
    assert meter.usage is None


def test_an_event_that_does_not_end_is_not_held_back_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage, "_MAX_HELD", 100)
    meter = StreamMeter(shows_usage=False)
    assert meter.feed(b"data: " + b"x" * 50) == b""
    assert meter.feed(b"y" * 50) == b"data: " + b"x" * 50 + b"y" * 50


def test_an_answer_in_one_document_tells_its_usage_at_the_end() -> None:
    meter = JsonMeter()
    meter.feed(b'{"choices":[],"usage":{"prompt_')
    meter.feed(b'tokens":8,"completion_tokens":2}}')
    meter.close()
    assert meter.usage is not None
    assert (meter.usage.prompt_tokens, meter.output_tokens) == (8, 2)


@pytest.mark.parametrize("usage_member", [b"", b',"usage":null'])
def test_a_document_without_usage_is_estimated_by_the_size_of_its_choices(
    usage_member: bytes,
) -> None:
    meter = JsonMeter()
    choice = b'{"text":"%b"}' % (b"x" * 389)
    meter.feed(b'{"id":"%b","choices":[%b]%b}' % (b"i" * 1000, choice, usage_member))
    meter.close()
    assert (meter.usage, meter.output_tokens) == (None, 100)


def test_a_document_too_long_to_be_read_is_estimated_by_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage, "_MAX_HELD", 100)
    meter = JsonMeter()
    for _ in range(4):
        meter.feed(b"x" * 100)
    meter.close()
    assert (meter.usage, meter.output_tokens) == (None, 100)


@pytest.mark.parametrize("document", [b'{"error":{"message":"no"}}', b"Internal Server Error", b""])
def test_an_error_has_no_output(document: bytes) -> None:
    meter = JsonMeter()
    meter.feed(document)
    meter.close()
    assert (meter.usage, meter.output_tokens) == (None, 0)
