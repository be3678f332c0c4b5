"""TLS on the data port, and an engine behind a Unix socket."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.integration.sidecar.processes import EngineProcess, SidecarProcess, run
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.plans import document
from tests.unit.sidecar.waiting import DEADLINE, until

STREAM: dict[str, Any] = {"max_tokens": 400, "ignore_eos": True, "stream": True}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document()))
    return path


class Files:
    """A certificate and its key on disk, as the kubelet or certbot would put them there."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.certificate = folder / "tls.crt"
        self.key = folder / "tls.key"
        self.renew()

    def renew(self) -> None:
        issued = self.authority.issue_cert("localhost")
        for path, blob in (
            (self.key, issued.private_key_pem),
            (self.certificate, issued.cert_chain_pems[0]),
        ):
            fresh = path.with_suffix(".new")
            blob.write_to_path(fresh)
            fresh.rename(path)

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    async def serial(self, port: int) -> str:
        async with connected(port, self.context()) as (_, writer):
            found = writer.get_extra_info("peercert")
        return str(found["serialNumber"])


class connected:  # noqa: N801 - reads as what it is
    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context

    async def __aenter__(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
        )
        return self._streams

    async def __aexit__(self, *_: object) -> None:
        self._streams[1].close()


@pytest.fixture
async def secured(
    engine: EngineProcess, plan: Path, tmp_path: Path
) -> AsyncIterator[tuple[SidecarProcess, Files]]:
    files = Files(tmp_path)
    options = ("--tls-certificate", str(files.certificate), "--tls-key", str(files.key))
    with SidecarProcess(plan, engine.url, *options) as process:
        yield process, files


async def test_a_stream_over_tls_is_whole_and_its_end_is_clean(
    secured: tuple[SidecarProcess, Files],
) -> None:
    sidecar, files = secured
    async with connected(sidecar.port, files.context()) as (reader, writer):
        writer.write(request(fields="Connection: close\r\n", **STREAM))
        answer = await asyncio.wait_for(reader.read(), DEADLINE)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert answer.count(b'"text"') == 400


async def test_a_client_that_vanishes_over_tls_frees_its_seat(
    secured: tuple[SidecarProcess, Files],
) -> None:
    sidecar, files = secured
    async with connected(sidecar.port, files.context()) as (reader, writer):
        writer.write(request(**STREAM))
        await reader.readuntil(b"data: ")
        writer.transport.abort()
    await until(lambda: any("client-gone" in line for line in sidecar.out))


async def test_plain_http_to_a_tls_port_is_no_answer(
    secured: tuple[SidecarProcess, Files],
) -> None:
    sidecar, _ = secured
    reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
    writer.write(request())
    assert b"HTTP" not in await asyncio.wait_for(reader.read(), DEADLINE)
    writer.close()


async def test_a_renewed_certificate_is_used_and_a_broken_one_is_not(
    secured: tuple[SidecarProcess, Files],
) -> None:
    sidecar, files = secured
    first = await files.serial(sidecar.port)
    files.renew()

    async def renewed() -> bool:
        return await files.serial(sidecar.port) != first

    await until(renewed)
    second = await files.serial(sidecar.port)
    files.certificate.write_text("rubbish")
    await until(lambda: any("refused" in line for line in sidecar.err))
    assert await files.serial(sidecar.port) == second


def test_a_key_that_does_not_fit_is_named(plan: Path, tmp_path: Path) -> None:
    files = Files(tmp_path)
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(files.key)
    done = run(
        "sidecar", "--plan", str(plan), "--group", "h100", "--upstream", "http://127.0.0.1:1",
        "--port", "0", "--admin-port", "0",
        "--tls-certificate", str(files.certificate), "--tls-key", str(files.key),
    )  # fmt: skip
    assert done.returncode == 2
    assert str(files.key) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_certificate_that_is_not_there_is_named_alone(plan: Path, tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.certificate.unlink()
    done = run(
        "sidecar", "--plan", str(plan), "--group", "h100", "--upstream", "http://127.0.0.1:1",
        "--tls-certificate", str(files.certificate), "--tls-key", str(files.key),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"{files.certificate} cannot be read: No such file or directory.\n"


async def test_an_engine_behind_a_unix_socket_is_served_from(plan: Path, tmp_path: Path) -> None:
    answer = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await reader.read(65536)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    path = tmp_path / "engine.sock"
    server = await asyncio.start_unix_server(serve, path)
    with SidecarProcess(plan, f"unix:{path}") as sidecar:
        reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
        writer.write(request())
        assert (await asyncio.wait_for(reader.readuntil(answer), DEADLINE)).startswith(
            b"HTTP/1.1 200 "
        )
        writer.close()
    server.close()
