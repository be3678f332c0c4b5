"""Bodies: the request that the engine gets, and the usage that is read from its answer."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tierfleet.sidecar.surfaces import surface
from tierfleet.sidecar.surfaces.meters import DocumentMeter
from tierfleet.sidecar.surfaces.meters import StreamMeter as Meter
from tierfleet.sidecar.surfaces.surface import BadBodyError, Inference
from tierfleet.sidecar.surfaces.table import SURFACES

CHAT = SURFACES[b"/v1/chat/completions"]
read = CHAT.read


def for_engine(raw: bytes, asked: Inference, model: str) -> bytes:
    return surface.for_engine(raw, asked, model, None)


def StreamMeter(*, shows_usage: bool) -> Meter:  # noqa: N802
    options = b',"stream_options":{"include_usage":true}' if shows_usage else b""
    return Meter(CHAT, read(b'{"model":"a","stream":true%b}' % options), "gold")


def JsonMeter() -> DocumentMeter:  # noqa: N802
    return DocumentMeter(CHAT, read(b'{"model":"a"}'), "gold")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip
OURS = {
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "priority",
    "service_tier",
}
OTHERS = st.dictionaries(st.text(max_size=8).filter(lambda name: name not in OURS), JSON)


@given(OTHERS, st.booleans(), st.none() | st.integers(), st.booleans())
def test_the_engine_gets_every_other_member_unchanged(
    others: dict[str, Any], stream: bool, priority: int | None, spaced: bool
) -> None:
    members = {**others, "model": "alias", "stream": stream}
    if priority is not None:
        members["priority"] = priority
    raw = json.dumps(members, indent=1 if spaced else None).encode()
    got = json.loads(for_engine(raw, read(raw), "name"))
    expected = {**others, "model": "name", "stream": stream}
    if stream:
        expected["stream_options"] = {"include_usage": True}
    assert got == expected


@given(
    st.binary(max_size=60) | st.text('{}[]":,ntrueflas01 modelpi\\', max_size=40).map(str.encode)
)
def test_any_body_is_read_or_refused(raw: bytes) -> None:
    try:
        asked = read(raw)
    except BadBodyError:
        return
    assert json.loads(for_engine(raw, asked, "name"))["model"] == "name"


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":")).encode()


TEXTS = st.text(st.sampled_from('ab "usage":{}\n\\\u00e4'), max_size=10)


@given(
    st.data(), st.lists(TEXTS, max_size=8), st.booleans(), st.sampled_from([b"\n\n", b"\r\n\r\n"])
)
def test_a_stream_is_passed_on_as_it_came_but_for_the_usage_event(
    data: st.DataObject, texts: list[str], shows_usage: bool, separator: bytes
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}
    events = [event({"choices": [{"delta": {"content": text}}]}) for text in texts]
    last = event({"choices": [], "usage": usage})
    sent = b"".join(e + separator for e in [*events, last, b"data: [DONE]"])
    wanted = [*events, *([last] if shows_usage else []), b"data: [DONE]"]
    meter = StreamMeter(shows_usage=shows_usage)
    at = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=10)))
    got = b"".join(meter.feed(sent[i:j]) for i, j in zip([0, *at], [*at, len(sent)], strict=True))
    assert got + meter.close() == b"".join(e + separator for e in wanted)
    assert meter.usage is not None
    assert (meter.usage.prompt_tokens, meter.output_tokens) == (9, 4)


@given(st.lists(st.binary(max_size=30), max_size=10), st.booleans())
def test_what_is_not_a_stream_of_events_passes_unchanged(
    pieces: list[bytes], shows_usage: bool
) -> None:
    meter = StreamMeter(shows_usage=shows_usage)
    got = b"".join([*(meter.feed(piece) for piece in pieces), meter.close()])
    assert got == b"".join(pieces)


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_an_answer_in_one_document_passes_unchanged(pieces: list[bytes]) -> None:
    meter = JsonMeter()
    got = b"".join([*(meter.feed(piece) for piece in pieces), meter.close()])
    assert got == b"".join(pieces)
