"""`tierfleet engine` as a process: what clients and Prometheus see on its sockets.

No test looks at how long something took. Where one needs a seat to stay taken, the sequence in it
is so long that it cannot end while the test runs.
"""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.integration.engine.process import COMMAND, DEADLINE, EngineProcess, events, running

ENDLESS: dict[str, Any] = {"max_tokens": 100_000, "ignore_eos": True}
ONE_SEAT = ("--preset", "h100", "--max-num-seqs", "1")


def words(choices: Sequence[dict[str, Any]], index: int = 0) -> str:
    return "".join(
        choice["delta"].get("content", "") for choice in choices if choice["index"] == index
    )


async def test_a_stream_is_role_then_words_then_reason_then_usage_then_done() -> None:
    async with running("--preset", "cpu-tiny", "--model", "demo") as engine:
        stream = await engine.stream(
            model="demo", max_tokens=20, ignore_eos=True, stream_options={"include_usage": True}
        )
        *chunks, usage, done = stream
        assert done == "[DONE]"
        assert usage["choices"] == []
        assert usage["usage"]["completion_tokens"] == 20
        assert len({chunk["id"] for chunk in stream[:-1]}) == 1
        assert all("usage" not in chunk for chunk in chunks)
        choices = [chunk["choices"][0] for chunk in chunks]
        assert choices[0]["delta"] == {"role": "assistant", "content": ""}
        assert len(words(choices).split()) == 20
        reasons = [choice["finish_reason"] for choice in choices]
        assert reasons == [None] * (len(choices) - 1) + ["length"]

        _, whole = await engine.chat(max_tokens=20, ignore_eos=True)
        assert whole["choices"][0]["message"]["content"] == words(choices)
        assert whole["usage"] == usage["usage"]
        assert whole["model"] == chunks[0]["model"] == "demo"

        plain = await engine.stream(max_tokens=3, ignore_eos=True)
        assert plain[-1] == "[DONE]"
        assert all("usage" not in event for event in plain[:-1])


async def test_n_choices_are_n_sequences_with_words_of_their_own() -> None:
    async with running("--preset", "cpu-tiny") as engine:
        *chunks, _ = await engine.stream(n=3, max_tokens=7, ignore_eos=True)
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        texts = [words(choices, index) for index in range(3)]
        assert [len(text.split()) for text in texts] == [7, 7, 7]
        assert len(set(texts)) == 3
        body = {"prompt": ["a", "b"], "n": 2, "max_tokens": 4, "ignore_eos": True}
        _, whole = await engine.post("/v1/completions", **body)
        assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2, 3]
        assert whole["usage"]["completion_tokens"] == 16
        metrics = await engine.metrics()
        assert metrics["vllm:request_success_total{length}"] == 7


async def test_a_client_that_hangs_up_frees_its_seat_for_the_next() -> None:
    async with running(*ONE_SEAT) as engine:
        async with engine.streaming(**ENDLESS) as answer:
            await anext(events(answer))
            waiting = asyncio.create_task(engine.chat(max_tokens=5, ignore_eos=True))
            await engine.until(lambda metrics: metrics["vllm:num_requests_waiting"] == 1)
        status, _ = await waiting
        assert status == 200
        metrics = await engine.metrics()
        assert metrics["vllm:request_success_total{abort}"] == 1
        assert metrics["vllm:request_success_total{length}"] == 1
        assert metrics["vllm:num_requests_running"] == 0
        assert metrics["vllm:kv_cache_usage_perc"] == 0


async def test_a_client_that_hangs_up_while_it_waits_is_forgotten() -> None:
    async with running(*ONE_SEAT) as engine, engine.streaming(**ENDLESS) as answer:
        await anext(events(answer))
        waiting = asyncio.create_task(engine.chat(n=3, **ENDLESS))
        await engine.until(lambda metrics: metrics["vllm:num_requests_waiting"] == 3)
        waiting.cancel()
        metrics = await engine.until(lambda metrics: metrics["vllm:num_requests_waiting"] == 0)
        assert metrics["vllm:request_success_total{abort}"] == 3
        assert metrics["vllm:num_requests_running"] == 1


async def test_a_crowd_that_hangs_up_in_the_middle_of_its_streams_leaves_nothing_behind() -> None:
    async with running("--preset", "h100", "--speed", "20") as engine:
        async with AsyncExitStack() as crowd:
            for _ in range(30):
                answer = await crowd.enter_async_context(engine.streaming(**ENDLESS))
                await anext(events(answer))
        metrics = await engine.until(lambda m: m["vllm:request_success_total{abort}"] == 30)
        assert metrics["vllm:num_requests_running"] == metrics["vllm:kv_cache_usage_perc"] == 0


async def test_the_lower_priority_number_gets_the_free_seat() -> None:
    async with running(*ONE_SEAT, "--scheduling-policy", "priority") as engine:
        ended: list[int] = []

        async def ask(priority: int) -> None:
            status, _ = await engine.chat(max_tokens=40, ignore_eos=True, priority=priority)
            assert status == 200
            ended.append(priority)

        async with engine.streaming(**ENDLESS) as answer, asyncio.TaskGroup() as asking:
            await anext(events(answer))
            for priority in (5, -5, 0):
                asking.create_task(ask(priority))
            await engine.until(lambda metrics: metrics["vllm:num_requests_waiting"] == 3)
            answer.close()
        assert ended == [-5, 0, 5]


async def test_metrics_agree_with_what_clients_got() -> None:
    async with running("--preset", "cpu-tiny", "--model", "demo") as engine:
        answers = await asyncio.gather(
            *(engine.chat(f"question {n}", max_tokens=n, ignore_eos=True) for n in range(1, 21)),
            *(engine.chat(f"question {n}") for n in range(5)),
        )
        usages = [answer["usage"] for _, answer in answers]
        tokens = sum(usage["completion_tokens"] for usage in usages)
        metrics = await engine.metrics()
        assert metrics["vllm:prompt_tokens_total"] == sum(u["prompt_tokens"] for u in usages)
        assert metrics["vllm:generation_tokens_total"] == tokens
        assert metrics["vllm:time_to_first_token_seconds_count"] == 25
        assert metrics["vllm:inter_token_latency_seconds_count"] == tokens - 25
        assert metrics["vllm:request_queue_time_seconds_count"] == 25
        assert metrics["vllm:e2e_request_latency_seconds_count"] == 25
        assert metrics["vllm:e2e_request_latency_seconds_bucket{+Inf}"] == 25
        assert metrics["vllm:request_success_total{length}"] == 20
        assert metrics["vllm:request_success_total{stop}"] == 5
        assert metrics["vllm:request_success_total{abort}"] == 0
        assert metrics["vllm:num_preemptions_total"] == 0
        assert metrics["vllm:num_requests_running"] == metrics["vllm:num_requests_waiting"] == 0
        async with engine.http.get(engine.url + "/metrics") as answer:
            text = await answer.text()
        assert 'vllm:num_requests_running{engine="0",model_name="demo"} 0.0' in text
        assert 'block_size="16"' in text
        assert 'num_gpu_blocks="65536"' in text


async def test_gauges_show_seats_queue_and_kv_while_requests_run() -> None:
    async with running("--preset", "h100", "--max-num-seqs", "2") as engine:
        asking = [asyncio.create_task(engine.chat("x" * 6000, **ENDLESS)) for _ in range(5)]
        metrics = await engine.until(lambda metrics: metrics["vllm:num_requests_waiting"] == 3)
        assert metrics["vllm:num_requests_running"] == 2
        # Two prompts of 1,500 tokens and a bit, in 38,414 blocks of 16.
        assert metrics["vllm:kv_cache_usage_perc"] >= 2 * 1500 / 16 / 38_414
        for task in asking:
            task.cancel()
        await engine.until(lambda metrics: metrics["vllm:request_success_total{abort}"] == 5)


async def test_preempted_sequences_still_get_every_token_once() -> None:
    small = ("--num-gpu-blocks-override", "20", "--max-model-len", "256")
    async with running("--preset", "cpu-tiny", *small) as engine:
        streams = await asyncio.gather(
            *(engine.stream(max_tokens=150, ignore_eos=True, seed=n) for n in range(6))
        )
        for *chunks, _ in streams:
            assert len(words([chunk["choices"][0] for chunk in chunks]).split()) == 150
        metrics = await engine.metrics()
        assert metrics["vllm:num_preemptions_total"] > 0
        assert metrics["vllm:generation_tokens_total"] == 6 * 150
        assert metrics["vllm:time_to_first_token_seconds_count"] == 6
        assert metrics["vllm:inter_token_latency_seconds_count"] == 6 * 149
        assert metrics["vllm:prompt_tokens_total"] == 6 * 8


@pytest.mark.parametrize(
    ("options", "cached"), [((), 64), (("--no-enable-prefix-caching",), 0)], ids=["on", "off"]
)
async def test_a_prompt_seen_before_is_reported_as_cached(
    options: tuple[str, ...], cached: int
) -> None:
    async with running("--preset", "cpu-tiny", *options) as engine:
        seen = []
        for _ in range(2):
            _, answer = await engine.post("/v1/completions", prompt="a" * 300, max_tokens=2, n=2)
            seen.append(answer["usage"]["prompt_tokens_details"]["cached_tokens"])
        assert seen == [0, cached], "a prompt counts once, however many choices it has"
        metrics = await engine.metrics()
        # Of four sequences with 75 tokens all but the very first.
        assert metrics["vllm:prefix_cache_hits_total"] == 3 * cached
        assert metrics["vllm:prefix_cache_queries_total"] == (300 if cached else 0)


async def test_hundreds_of_streams_at_once_get_exactly_their_tokens() -> None:
    async with running("--preset", "h100") as engine:
        streams = await asyncio.gather(
            *(
                engine.stream(
                    max_tokens=10 + n % 20,
                    ignore_eos=True,
                    seed=n,
                    stream_options={"include_usage": True},
                )
                for n in range(300)
            )
        )
        for n, (*chunks, usage, _) in enumerate(streams):
            assert usage["usage"]["completion_tokens"] == 10 + n % 20
            assert len(words([c["choices"][0] for c in chunks]).split()) == 10 + n % 20


async def test_a_client_that_reads_late_still_gets_every_token() -> None:
    async with running("--preset", "h100", "--speed", "100000") as engine:
        with socket.socket() as late:
            late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            late.setblocking(False)
            loop = asyncio.get_running_loop()
            host, port = engine.url.removeprefix("http://").split(":")
            await loop.sock_connect(late, (host, int(port)))
            body = b'{"prompt": "a", "stream": true, "max_tokens": 2000, "ignore_eos": true}'
            # The id stands in every event: 8 MB in all, more than sockets buffer.
            head = (
                f"POST /v1/completions HTTP/1.0\r\nX-Request-Id: {'x' * 4000}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            await loop.sock_sendall(late, head.encode() + body)
            await engine.until(lambda metrics: metrics["vllm:request_success_total{length}"] == 1)
            late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            received = b""
            while chunk := await loop.sock_recv(late, 65536):
                received += chunk
        *chunks, done = [
            event.removeprefix("data: ")
            for event in received.decode().partition("\r\n\r\n")[2].strip().split("\n\n")
        ]
        assert done == "[DONE]"
        texts = [json.loads(event)["choices"][0]["text"] for event in chunks]
        assert len("".join(texts).split()) == 2_000
        assert len(chunks) < 2_000, "the reader was not late: this tested nothing"


async def test_errors_have_vllms_shape_on_every_route() -> None:
    async with running("--preset", "cpu-tiny") as engine:
        for path, body, status, kind in (
            ("/v1/chat/completions", {}, 400, "BadRequestError"),
            ("/v1/completions", {"prompt": "a" * 9000}, 400, "BadRequestError"),
            ("/v1/completions", {"prompt": "a", "model": "no"}, 404, "NotFoundError"),
            ("/v1/nothing", {}, 404, "NotFoundError"),
            ("/v1/models", {}, 405, "BadRequestError"),
        ):
            got, answer = await engine.post(path, **body)
            assert got == answer["error"]["code"] == status, path
            assert answer["error"]["type"] == kind
            assert answer["error"]["message"]


async def test_models_health_and_version_answer() -> None:
    async with running("--preset", "cpu-tiny", "--model", "demo") as engine:
        async with engine.http.get(engine.url + "/v1/models") as answer:
            [model] = (await answer.json())["data"]
            assert (model["id"], model["max_model_len"]) == ("demo", 2048)
        async with engine.http.get(engine.url + "/health") as answer:
            assert (answer.status, await answer.read()) == (200, b"")
        async with engine.http.get(engine.url + "/version") as answer:
            assert (await answer.json())["version"]


async def test_it_starts_with_the_arguments_that_a_pool_gives_vllm() -> None:
    arguments = ["--model", "some/source", "--served-model-name", "demo", "small", "default"]
    arguments += ["--host", "127.0.0.1", "--max-num-seqs", "4", "--scheduling-policy", "priority"]
    arguments += ["--tensor-parallel-size", "4", "--preset", "cpu-tiny"]
    async with running(*arguments) as engine:
        async with engine.http.get(engine.url + "/v1/models") as answer:
            served = [model["id"] for model in (await answer.json())["data"]]
        assert served == ["demo", "small", "default"]
        for name in served:
            status, answer = await engine.chat(model=name, max_tokens=1)
            assert (status, answer["model"]) == (200, "demo")
        assert (await engine.chat(model="some/source"))[0] == 404


async def test_sigterm_lets_a_running_stream_finish_and_takes_no_new_one() -> None:
    async with running("--preset", "h100", "--shutdown-timeout", "60") as engine:
        async with engine.streaming(max_tokens=100, ignore_eos=True) as answer:
            stream = events(answer)
            chunks = [await anext(stream)]
            engine.process.send_signal(signal.SIGTERM)
            await refused(engine)
            chunks += [event async for event in stream]
        assert chunks.pop() == "[DONE]"
        assert len(words([chunk["choices"][0] for chunk in chunks]).split()) == 100
        assert await asyncio.wait_for(engine.process.wait(), DEADLINE) == 0


@pytest.mark.parametrize("seconds", ["0", "0.1"])
async def test_sigterm_cuts_what_does_not_finish_in_time(seconds: str) -> None:
    async with running("--preset", "h100", "--shutdown-timeout", seconds) as engine:
        async with engine.streaming(**ENDLESS) as answer:
            stream = events(answer)
            await anext(stream)
            engine.process.send_signal(signal.SIGTERM)
            with pytest.raises(aiohttp.ClientPayloadError):
                async for _ in stream:
                    pass
        assert await asyncio.wait_for(engine.process.wait(), DEADLINE) == 0


async def refused(engine: EngineProcess) -> None:
    """Wait until nobody listens any more."""
    host, port = engine.url.removeprefix("http://").split(":")
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                # It was in the backlog of the socket that has just been closed.
                continue
            writer.close()
            await asyncio.sleep(0.02)


async def test_a_port_that_is_taken_is_named_in_a_sentence() -> None:
    async with running("--preset", "cpu-tiny") as engine:
        port = engine.url.rsplit(":", 1)[1]
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            COMMAND,
            "--port",
            port,
            stderr=asyncio.subprocess.PIPE,
        )
        _, error = await asyncio.wait_for(second.communicate(), DEADLINE)
        assert second.returncode == 2
        expected = f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another"
        assert error.decode().startswith(expected)
