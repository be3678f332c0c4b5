"""Whatever answers in Prometheus' place: a sentence, and no sample that could be believed."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.prometheus.faulty import FaultyServer, faulty
from tierfleet.controllers import prometheus
from tierfleet.controllers.prometheus import Prometheus, PrometheusError, Settings, problem
from tierfleet.planning.measured import Sight, counts

START, END = 1_800_000_000, 1_800_000_120
POD = {"namespace": "inference", "pod": "llama-0"}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty() as one:
        yield one


async def refused(url: str) -> PrometheusError:
    with pytest.raises(PrometheusError) as caught:
        await Prometheus(Settings(url)).read(START, END)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>It works!</html>",
        "[]",
        "{}",
        '{"status": "success"}',
        '{"status": "success", "data": null}',
        '{"status": "success", "data": {"result": 7}}',
        '{"status": "success", "data": {"result": [7]}}',
        '{"status": "success", "data": {"result": [{"metric": {"namespace": "a", "pod": "b"}}]}}',
    ],
)
async def test_nonsense_is_told_from_an_answer(server: FaultyServer, text: str) -> None:
    server.says(text)
    assert (await refused(server.url)).sight is Sight.WRONG


@pytest.mark.parametrize("values", [[["x", "1"]], [[START, "many"]], [[START]], [["inf", "1"]]])
async def test_values_that_are_none_are_no_answer(server: FaultyServer, values: object) -> None:
    server.has({"metric": POD, "values": values})
    assert (await refused(server.url)).sight is Sight.WRONG


@pytest.mark.parametrize(
    ("status", "sight"),
    [
        (400, Sight.WRONG),
        (401, Sight.WRONG),
        (404, Sight.WRONG),
        (422, Sight.WRONG),
        (500, Sight.UNAVAILABLE),
        (503, Sight.UNAVAILABLE),
    ],
)
async def test_a_refusal_is_the_callers_fault_and_an_outage_is_not(
    server: FaultyServer, status: int, sight: Sight
) -> None:
    server.says("x" * 10_000, status)
    error = await refused(server.url)
    assert error.sight is sight
    assert str(status) in str(error)
    assert len(str(error)) <= 200
    assert len(server.asked) == 1, "the next poll is the next try"


async def test_one_that_is_away_is_unavailable() -> None:
    with faulty() as server:
        url = server.url
    assert (await refused(url)).sight is Sight.UNAVAILABLE


async def test_an_answer_that_never_ends_is_given_up_and_asked_for_once(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "TOTAL_SECONDS", 0.2)
    server.says("{")
    server.announced = 1000
    source = Prometheus(Settings(server.url))
    for _ in range(3):
        with pytest.raises(PrometheusError) as caught:
            await source.read(START, END)
        assert caught.value.sight is Sight.UNAVAILABLE
    assert len(server.asked) == 1, "there is never a second thread"
    server.closing.set()
    server.has()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await source.read(START, END) == {}
                break
            except PrometheusError:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-5", "0", "1e300"])
async def test_numbers_that_cannot_be_are_read_and_do_not_count(
    server: FaultyServer, value: str
) -> None:
    server.has({"metric": POD, "values": [[START, value]]})
    ((found,),) = (await Prometheus(Settings(server.url)).read(START, END)).values()
    assert not counts(found._replace(full=1.0), ())


async def test_what_was_not_asked_for_is_left_out(server: FaultyServer) -> None:
    values = [[START - 60, "1"], [START, "1"], [END, "1"], [END + 60, "1"]]
    nobody = {"metric": {"instance": "x"}, "values": values}
    server.has({"metric": POD, "values": values}, nobody)
    ((key, found),) = (await Prometheus(Settings(server.url)).read(START, END)).items()
    assert key == ("inference", "llama-0")
    assert [int(one.end.timestamp()) for one in found] == [START, END]


async def test_the_token_is_read_anew_shown_to_prometheus_and_to_nobody_else(
    server: FaultyServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = tmp_path / "token"
    source = Prometheus(Settings(server.url, token))
    for word in ("secret-1", "secret-2"):
        token.write_text(f"{word}\n")
        server.says("no", 401)
        with pytest.raises(PrometheusError) as caught:
            await source.read(START, END)
        assert "secret" not in str(caught.value)
    assert server.asked == ["Bearer secret-1", "Bearer secret-2"]
    for bad in ("two words", "", "ü", "a\nb"):
        token.write_text(f"{bad}\n")
        with pytest.raises(PrometheusError) as caught:
            await source.read(START, END)
        assert not bad or bad not in str(caught.value)
    token.unlink()
    with pytest.raises(PrometheusError, match=r"No such file.*--prometheus-token-file"):
        await source.read(START, END)
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "prometheus:9090",
        "ftp://x",
        "http://",
        "http://[",
        "http://x:0",
        "http://x?a=b",
        "http://x#a",
    ],
)
def test_a_url_that_cannot_be_is_named(url: str) -> None:
    found = problem(Settings(url))
    assert found is not None
    assert "--prometheus-url" in found


def test_credentials_in_the_url_are_refused_unseen() -> None:
    found = problem(Settings("http://me:secret@prometheus:9090"))
    assert found is not None
    assert "secret" not in found
    assert "--prometheus-token-file" in found


def test_a_url_that_can_be_is_taken() -> None:
    assert problem(Settings("http://prometheus.monitoring:9090")) is None
    assert problem(Settings("https://thanos.example/tenant/a/")) is None
