"""Small real servers on loopback for the probes, each with one way to behave."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp_server(
    behaviour: Behaviour, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serves each connection with behaviour, then closes it; gives the port. Leaves no connection behind."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def says(*parts: bytes) -> Behaviour:
    """Sends the parts in packets of their own, then closes."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = writer.get_extra_info("socket")
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            writer.write(part)
            await writer.drain()
            for _ in range(5):  # lets the probe, in the same loop, read this part by itself
                await asyncio.sleep(0)

    return behave


async def echoes_one_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a request that ends in an empty line with what it got."""
    writer.write(b"got " + await reader.readuntil(b"\r\n\r\n"))
    await writer.drain()


def answers(*parts: bytes, until: bytes = b"\r\n\r\n", then_waits: bool = False) -> Behaviour:
    """Reads a request, says the parts in packets of their own, and closes, or waits until the client goes."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(until)
        await says(*parts)(reader, writer)
        if then_waits:
            await reader.read()

    return behave


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Waits until the client goes."""
    await reader.read()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes some bytes and resets the connection."""
    await reader.read(1)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def udp_server(*answers: bytes) -> AsyncIterator[int]:
    """Answers each datagram with the answers, a datagram each, empty ones too; gives the port."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)

        def answer() -> None:
            _, client = opened.recvfrom(65536)
            for each in answers:
                opened.sendto(each, client)

        loop.add_reader(opened, answer)
        try:
            yield opened.getsockname()[1]
        finally:
            loop.remove_reader(opened)


def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket(socket.AF_INET, kind) as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
    return port
