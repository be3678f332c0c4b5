"""What an answer cost."""

import pytest

from tierfleet.sidecar.surfaces import meters
from tierfleet.sidecar.surfaces.meters import DocumentMeter
from tierfleet.sidecar.surfaces.meters import StreamMeter as Meter
from tierfleet.sidecar.surfaces.table import SURFACES


def made(path: str, asked: bytes) -> tuple[object, ...]:
    surface = SURFACES[f"/v1/{path}".encode()]
    return surface, surface.read(asked), "gold"


def StreamMeter(*, shows_usage: bool, asked: bytes = b"") -> Meter:  # noqa: N802
    options = b',"stream_options":{"include_usage":true}' if shows_usage else b""
    return Meter(*made("chat/completions", b'{"model":"a","stream":true%b%b}' % (options, asked)))  # type: ignore[arg-type]


def JsonMeter(path: str = "chat/completions", asked: bytes = b"") -> DocumentMeter:  # noqa: N802
    return DocumentMeter(*made(path, b'{"model":"a"%b}' % asked))  # type: ignore[arg-type]


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
    monkeypatch.setattr(meters, "_MAX_HELD", 100)
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
    monkeypatch.setattr(meters, "_MAX_HELD", 100)
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


ASKED = b',"service_tier":"auto"'
COUNT = b'"usage":{"prompt_tokens":8,"completion_tokens":2}'


@pytest.mark.parametrize(
    ("document", "asked", "got"),
    [
        (b'{"id":"1",%b}' % COUNT, b"", None),
        (b'{"id":"1",%b}' % COUNT, ASKED, b'{"service_tier":"gold","id":"1",%b}' % COUNT),
        (b'{"service_tier":null,%b}' % COUNT, b"", b'{"service_tier":"gold",%b}' % COUNT),
        (b'{"service_tier" : "auto",%b}' % COUNT, ASKED, b'{"service_tier":"gold",%b}' % COUNT),
        (b'{"a":{"service_tier":"x"},"service_tier":"y",%b}' % COUNT, ASKED, None),
        (b'{"t":"\\"service_tier\\":1",%b}' % COUNT, b"", None),
    ],
)
def test_an_answer_names_the_tier_that_was_charged_where_it_has_a_place_for_it(
    document: bytes, asked: bytes, got: bytes | None
) -> None:
    meter = JsonMeter(asked=asked)
    assert meter.feed(document) == b""
    assert meter.close() == (got or document)


def test_a_stream_names_the_tier_in_the_event_that_tells_usage() -> None:
    meter = StreamMeter(shows_usage=True, asked=ASKED)
    assert (
        meter.feed(TOKEN + USAGE + DONE)
        == TOKEN + USAGE.replace(b"{", b'{"service_tier":"gold",', 1) + DONE
    )


RESPONSE_EVENTS = (
    b'event: response.created\ndata: {"type":"response.created","response":{"usage":null}}\n\n',
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"}\n\n',
    (
        b'event: response.completed\ndata: {"type":"response.completed","response":{"service_tier":'
        b'"auto","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},'
        b'"output_tokens":7}}}\n\n'
    ),
)


def test_a_response_tells_its_usage_in_its_last_event() -> None:
    created, delta, completed = RESPONSE_EVENTS
    meter = Meter(*made("responses", b'{"model":"a","stream":true}'))  # type: ignore[arg-type]
    assert meter.feed(created + delta + delta) == created + delta + delta
    assert meter.output_tokens == 2
    assert meter.feed(completed) == completed.replace(b'"auto"', b'"gold"')
    assert meter.usage is not None
    usage = meter.usage
    assert (usage.prompt_tokens, usage.cached_tokens, meter.output_tokens) == (9, 4, 7)


MESSAGE_EVENTS = (
    (
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":5,'
        b'"cache_read_input_tokens":4,"cache_creation_input_tokens":1,"output_tokens":1}}}\n\n'
    ),
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"a"}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":7}}\n\n',
)


def test_a_message_counts_its_output_until_the_engine_says() -> None:
    start, delta, end = MESSAGE_EVENTS
    meter = Meter(*made("messages", b'{"model":"a","stream":true}'))  # type: ignore[arg-type]
    sent = meter.feed(start + delta + delta + delta)
    assert sent == start + delta + delta + delta
    assert meter.usage is not None
    usage = meter.usage
    assert (usage.prompt_tokens, usage.cached_tokens, meter.output_tokens) == (10, 4, 3)
    assert meter.feed(end) == end
    assert meter.output_tokens == 7
    assert meter.usage.prompt_tokens == 10


@pytest.mark.parametrize(
    ("path", "document", "usage", "output"),
    [
        ("embeddings", b'{"data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}', (8, 0), 0),
        ("embeddings", b'{"data":[1,2,3]}', None, 0),
        (
            "responses",
            b'{"output":[],"usage":{"input_tokens":9,"output_tokens":7}}',
            (9, 0),
            7,
        ),
        ("responses", b'{"output":["%b"]}' % (b"x" * 38), None, 10),
        (
            "messages",
            (
                b'{"content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":4,'
                b'"output_tokens":7}}'
            ),
            (9, 4),
            7,
        ),
        ("messages", b'{"content":["%b"]}' % (b"x" * 38), None, 10),
    ],
)
def test_every_api_tells_its_usage_in_one_document(
    path: str, document: bytes, usage: tuple[int, int] | None, output: int
) -> None:
    meter = JsonMeter(path)
    meter.feed(document)
    assert meter.close() == document
    found = meter.usage
    assert (found and (found.prompt_tokens, found.cached_tokens)) == usage
    assert meter.output_tokens == output


@pytest.mark.parametrize("at", range(1, 60))
def test_blank_lines_before_the_usage_event_stay_wherever_the_answer_is_cut(at: int) -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}'
    answer = b'data: {"choices":[]}\n\n\n\n\n' + usage + b"\n\ndata: [DONE]\n\n"
    meter = StreamMeter(shows_usage=False)
    passed = meter.feed(answer[:at]) + meter.feed(answer[at:]) + meter.close()
    assert passed == b'data: {"choices":[]}\n\n\n\n\ndata: [DONE]\n\n'
