"""What the sidecar says itself."""

import json

import pytest

from tierfleet.admission.types import Allowance, Headroom, Shed, ShedReason
from tierfleet.sidecar import answers

SECOND = 1_000_000_000


def shed(reason: ShedReason, retry_after: int | None = 1_500_000_001) -> answers.Answer:
    return answers.shed(Shed(1, reason, retry_after, "A sentence."))


@pytest.mark.parametrize("reason", ShedReason)
def test_every_reason_to_shed_has_an_answer_in_openais_shape(reason: ShedReason) -> None:
    answer = shed(reason)
    error = json.loads(answer.body)["error"]
    assert error["message"] == "A sentence."
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.reason == reason.value


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (ShedReason.REQUEST_LIMIT, 429),
        (ShedReason.TOKEN_LIMIT, 429),
        (ShedReason.OVER_GUARANTEE, 429),
        (ShedReason.QUEUE_FULL, 503),
        (ShedReason.EXPIRED, 503),
        (ShedReason.ENGINE_STALLED, 503),
    ],
)
def test_what_may_be_tried_again_says_when_and_why(reason: ShedReason, status: int) -> None:
    answer = shed(reason)
    assert answer.status == status
    assert b"retry-after-ms: 1501\r\nretry-after: 2\r\n" in answer.fields
    assert b"x-llm-d-request-dropped-reason: rejected-" in answer.fields
    assert b"x-should-retry: false\r\n" in shed(reason, None).fields
    assert b"retry-after" not in shed(reason, None).fields


@pytest.mark.parametrize("status", [429, 502, 503, 529])
def test_an_error_that_passes_says_whether_and_when_to_try_again(status: int) -> None:
    second = b"retry-after-ms: 1000\r\nretry-after: 1\r\n"
    no = b"x-should-retry: false\r\n"
    assert answers.come_back(status, b"", again=True) == second
    assert answers.come_back(status, b"a: retry-after\r\n", again=False) == second + no
    assert answers.come_back(status, b"retry-after: 7\r\n", again=True) == b""
    assert answers.come_back(status, b"a: b\r\nretry-after: 7\r\n", again=False) == no
    assert answers.come_back(status, no, again=False) == b""


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_an_error_that_does_not_pass_by_itself_says_nothing_of_trying_again(status: int) -> None:
    assert answers.come_back(status, b"", again=False) == b""


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, b"0ms"),
        (1, b"1ms"),
        (12_000_000, b"12ms"),
        (SECOND, b"1s"),
        (1_500_000_000, b"1.5s"),
        (60 * SECOND, b"1m0s"),
        (72_500 * 1_000_000, b"1m12.5s"),
        (360 * SECOND, b"6m0s"),
    ],
)
def test_resets_are_written_as_openai_does(nanoseconds: int, text: bytes) -> None:
    assert answers.duration(nanoseconds) == text


def test_only_limits_that_there_are_are_told() -> None:
    assert answers.rate_limits(Headroom(None, None)) == b""
    assert answers.rate_limits(Headroom(Allowance(500, 499, 120_000_000), None)) == (
        b"x-ratelimit-limit-requests: 500\r\nx-ratelimit-remaining-requests: 499\r\n"
        b"x-ratelimit-reset-requests: 120ms\r\n"
    )
    assert b"x-ratelimit-limit-tokens: 9\r\n" in answers.rate_limits(
        Headroom(None, Allowance(9, 9, 0))
    )
