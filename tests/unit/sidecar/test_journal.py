"""The access log."""

import asyncio
import json

import pytest

from tierfleet.sidecar import journal
from tierfleet.sidecar.journal import Journal
from tierfleet.sidecar.record import Record


def record(name: str) -> Record:
    return Record(id=name, method="POST", path="/v1/completions")


async def test_each_request_is_one_line_of_json_with_its_time() -> None:
    written: list[bytes] = []
    log = Journal(written.append)
    log.note(1_700_000_000.5, record("a"))
    log.note(1_700_000_001.0, record("b"))
    await log.flush()
    lines = [json.loads(line) for line in b"".join(written).splitlines()]
    assert [line["id"] for line in lines] == ["a", "b"]
    assert lines[0]["time"] == "2023-11-14T22:13:20.500Z"
    assert len(written) == 1, "lines are written in batches"


async def test_a_reader_that_sleeps_costs_lines_but_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "_MAX_WAITING", 1000)
    log = Journal(lambda _: None)
    for _ in range(10):
        log.note(0.0, record("a"))
    assert 0 < log.dropped < 10


async def test_a_reader_that_is_gone_does_not_end_the_process() -> None:
    def broken(_: bytes) -> None:
        raise BrokenPipeError

    log = Journal(broken)
    log.note(0.0, record("a"))
    await log.flush()
    assert log.dropped == 1


async def test_lines_noted_while_others_are_written_come_after_them() -> None:
    written: list[bytes] = []
    loop = asyncio.get_running_loop()
    log = Journal(written.append)

    def write(lines: bytes) -> None:
        if not written:
            loop.call_soon_threadsafe(log.note, 0.0, record("second"))
        written.append(lines)

    log._write = write
    log.note(0.0, record("first"))
    await log.flush()
    await asyncio.sleep(0)
    await log.flush()
    assert [json.loads(lines)["id"] for lines in written] == ["first", "second"]
