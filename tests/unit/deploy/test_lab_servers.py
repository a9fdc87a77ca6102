"""The lab's web servers, relays and errands, on the loopback address."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from deploy.lab import errands
from deploy.lab.relay import Relay
from deploy.lab.webserver import WebServer


async def listen(talk) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def ask(port: int, text: bytes) -> bytes:
    """Sends, and reads until the other side ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_a_web_server_says_its_name_the_client_and_the_port():
    async def scene() -> tuple[bytes, int]:
        server, port = await listen(WebServer("s1").talk)
        async with server:
            return await ask(port, b"GET / HTTP/1.0\r\n\r\n"), port

    answer, port = asyncio.run(scene())
    assert answer.endswith(f"\r\n\r\ns1 127.0.0.1 {port}\n".encode())


def test_a_web_server_keeps_a_connection_until_the_client_wants_no_more():
    async def scene() -> bytes:
        server, port = await listen(WebServer("s1").talk)
        async with server:
            return await ask(port, b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert asyncio.run(scene()).count(b"s1 127.0.0.1") == 2


def test_a_stream_goes_on_until_the_client_leaves():
    async def scene() -> list[bytes]:
        server, port = await listen(WebServer("s2").talk)
        async with server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /stream HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            lines = [await reader.readline() for _ in range(3)]
            writer.close()
            await writer.wait_closed()
            return lines

    assert all(line.startswith(b"s2 ") for line in asyncio.run(scene()))


def test_a_download_is_bytes_that_show_whether_one_is_missing():
    async def scene() -> bytes:
        server, port = await listen(WebServer("s2").talk)
        async with server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /download HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            found = await reader.readexactly(20_000)
            writer.close()
            await writer.wait_closed()
            return found

    assert asyncio.run(scene()) == (bytes(range(256)) * 100)[:20_000]


@pytest.mark.parametrize("fresh", [False, True])
def test_a_relay_carries_both_ways_and_asks_for_a_fresh_connection_if_told(fresh):
    heard = bytearray()

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"answer")
        writer.close()
        await writer.wait_closed()

    async def scene() -> bytes:
        behind, port = await listen(target)
        relay = Relay("127.0.0.1", 0, "127.0.0.1", port, fresh=fresh)
        front, front_port = await listen(relay.carry)
        async with behind, front:
            return await ask(front_port, b"GET / HTTP/1.1\r\nConnection: keep-alive\r\nHost: x\r\n\r\n")

    assert asyncio.run(scene()) == b"answer"
    assert (b"Connection: close" in heard) is fresh
    assert (b"keep-alive" in heard) is not fresh


def test_a_relay_says_in_the_browser_that_nothing_answers_and_what_to_do():
    async def scene() -> bytes:
        behind, port = await listen(lambda reader, writer: None)
        behind.close()
        await behind.wait_closed()
        relay = Relay("127.0.0.1", 0, "127.0.0.1", port, fresh=True)
        front, front_port = await listen(relay.carry)
        async with front:
            return await ask(front_port, b"GET / HTTP/1.1\r\n\r\n")

    answer = asyncio.run(scene())
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"Set up a virtual server" in answer


def test_an_errand_brings_output_and_exit_status_back(tmp_path: Path, capsys):
    async def scene() -> int:
        lab = asyncio.create_task(errands.run(tmp_path))
        status = await asyncio.to_thread(
            errands.send, tmp_path, "", ["sh", "-c", "echo out; echo err >&2; exit 3"]
        )
        lab.cancel()
        return status

    assert asyncio.run(scene()) == 3
    assert capsys.readouterr().out == "out\nerr\n"
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_does_not_exist_is_an_answer_and_not_the_end_of_the_lab(tmp_path: Path):
    result = asyncio.run(errands.carry_out("", ["/no/such/command"]))
    assert result["status"] == 127
    assert "/no/such/command" in str(result["output"])
    assert json.dumps(result)


def test_traffic_is_off_until_it_is_switched_on(tmp_path: Path):
    assert errands.rate(tmp_path) == 0
    errands.set_rate(tmp_path, 25)
    assert errands.rate(tmp_path) == 25


def test_without_a_lab_the_error_says_how_to_have_one(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PIRANHA_VAR", str(tmp_path))
    with pytest.raises(errands.NoLab, match="make run"):
        errands.folder()
