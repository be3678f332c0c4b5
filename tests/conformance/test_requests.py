"""Requests as bytes on a socket: what the sidecar makes of each, with nginx as a second opinion.

A case that nginx answers otherwise says why ours is right, or at least not wrong; one that says so
and is answered alike fails too.
"""

import pytest

from tests.conformance import framing, heads
from tests.conformance.case import Case
from tests.conformance.differences import DIFFERENCES
from tests.conformance.origin import Origin
from tests.conformance.talk import Talk

CASES = {f"{case.name} ({case.section})": case for case in (*framing.CASES, *heads.CASES)}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def test_there_are_as_many_as_was_promised_and_no_two_have_one_name() -> None:
    assert len(CASES) == len(framing.CASES) + len(heads.CASES) >= 150


@ALL
def test_the_sidecar(case: Case, sidecar_port: int, origin: Origin) -> None:
    before = len(origin.requests)
    with Talk(sidecar_port) as talk:
        heard = talk.hear(case.sent, len(case.answers))
    reached = origin.requests[before:]
    assert heard.answers == case.answers
    assert heard.closed is case.closed
    assert len(reached) == case.reached <= max(1, len(case.answers))
    for head, _ in reached:
        assert b"/smuggled" not in head
        assert head.startswith(b"POST /v1/completions HTTP/1.1\r\n")


@ALL
def test_nginx(case: Case, nginx_port: int, origin: Origin) -> None:
    differs = DIFFERENCES.get(case.name)
    expected = case.answers if differs is None else differs.answers
    before = len(origin.requests)
    with Talk(nginx_port) as talk:
        heard = talk.hear(case.sent, len(expected))
    # Less the probe, which nginx passes on.
    reached = len([one for one in origin.requests[before:] if b"X-Probe" not in one[0]])
    wanted = case.reached if differs is None else differs.reached
    assert (heard.answers, reached) == (expected, wanted)
    if differs is not None:
        assert (expected, wanted) != (case.answers, case.reached), "they do not differ any more"
        assert differs.why


def test_every_difference_is_of_a_case() -> None:
    assert set(DIFFERENCES) <= {case.name for case in CASES.values()}
