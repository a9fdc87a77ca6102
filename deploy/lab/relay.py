"""Ways into and out of the lab: a TCP port here, a connection from one of the namespaces there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass

from deploy.lab.namespaces import open_socket

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Relay:
    """Whoever connects to address:port is led to target:target_port, as if from the namespace `via`.

    fresh: an HTTP client is told to make a new connection for its next request, so that every reload of a
    page is scheduled anew.
    """

    address: str
    port: int
    target: str
    target_port: int
    via: str | None = None
    fresh: bool = False

    async def serve(self) -> None:
        """Relays until cancelled. Raises OSError when the port is taken."""
        server = await asyncio.start_server(self.carry, self.address, self.port)
        async with server:
            await server.serve_forever()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        try:
            first = await asyncio.wait_for(once(reader), CONNECT_SECONDS) if self.fresh else b""
            there, out = await asyncio.wait_for(self.connect(), CONNECT_SECONDS)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            writer.write(self.apology(error))
            await close(writer)
            return
        out.write(first)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pour(reader, out))
                group.create_task(pour(there, writer))
        finally:
            await close(out)
            await close(writer)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = open_socket(self.via, socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (self.target, self.target_port))
        except BaseException:
            sock.close()
            raise
        return await asyncio.open_connection(sock=sock)

    def apology(self, error: BaseException) -> bytes:
        """What a browser is shown when the target does not answer; nothing for other protocols."""
        if not self.fresh:
            return b""
        text = (
            f"{self.target}:{self.target_port} does not answer in the lab ({error or 'no answer in time'}). "
            "Set up a virtual server there, with real servers 10.11.12.1 to 10.11.12.3, and apply.\n"
        ).encode()
        head = f"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
        return head.encode() + b"Connection: close\r\n\r\n" + text


async def once(reader: asyncio.StreamReader) -> bytes:
    """The head of an HTTP request, with the wish to end the connection after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes everything on; then the end."""
    with contextlib.suppress(OSError):  # either side may leave at any time
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def close(writer: asyncio.StreamWriter) -> None:
    """Closes, and does not mind that the other side has gone first."""
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()
