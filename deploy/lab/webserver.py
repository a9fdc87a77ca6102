"""The lab's real servers: say who they are, over HTTP and UDP, IPv4 and IPv6.

`webserver.py s1 s2 s3` starts one process in each of these namespaces. A page is one line: the server's name,
the client's address, the port that was asked. /stream sends it twenty times a second until the client leaves;
/download sends bytes without end, 0 to 255 over and over.
Ports 80, 443 (plain HTTP as well: what is told apart is the port) and 8080; UDP port 5353 echoes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.lab.namespaces import move_into

PORTS = (80, 443, 8080)
UDP_PORT = 5353
STREAM_SECONDS = 0.05
DOWNLOAD_SECONDS, DOWNLOAD_BLOCK = 0.02, bytes(range(256)) * 32  # 400 kB a second
IDLE_SECONDS = 60.0
IPV6_PKTINFO = 50  # include/uapi/linux/in6.h; Python leaves it out on some builds


def page(status: str, body: bytes, *, keep: bool) -> bytes:
    """An HTTP/1.1 answer of plain text."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + body


def plain(address: str) -> str:
    """An IPv4 address as such, though an IPv6 socket took the connection."""
    return address.removeprefix("::ffff:")


class WebServer:
    """One real server."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def serve(self) -> None:
        """Serves until cancelled."""
        async with asyncio.TaskGroup() as group:
            for port in PORTS:
                listener = socket.create_server(
                    ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
                )
                server = await asyncio.start_server(self.talk, sock=listener)
                group.create_task(server.serve_forever())
            asyncio.get_running_loop().add_reader(echo := udp_socket(), self.echo, echo)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests one after the other, as long as the client wants."""
        try:
            while await self.answer(reader, writer):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the client left, or never spoke HTTP: nothing to tell it
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; whether the connection stays."""
        async with asyncio.timeout(IDLE_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        request, _, fields = head.partition("\r\n")
        path = [*request.split(), "", ""][1]
        client, port = writer.get_extra_info("peername")[0], writer.get_extra_info("sockname")[1]
        line = f"{self.name} {plain(client)} {port}\n".encode()
        if path.startswith("/stream"):
            await self.stream(writer, line, STREAM_SECONDS)
            return False
        if path.startswith("/download"):
            await self.stream(writer, DOWNLOAD_BLOCK, DOWNLOAD_SECONDS)
            return False
        keep = "connection: close" not in fields and not request.endswith("http/1.0")
        writer.write(page("200 OK", line, keep=keep))
        await writer.drain()
        return keep

    async def stream(self, writer: asyncio.StreamWriter, block: bytes, pause: float) -> None:
        """Sends the block again and again until the client leaves."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(pause)

    def echo(self, sock: socket.socket) -> None:
        """Answers one datagram, from the address it was sent to: a virtual one, with direct routing."""
        text, ancillary, _, sender = sock.recvmsg(2048, 256)
        source = [
            (level, kind, content[:16] + bytes(4))  # struct in6_pktinfo: the address, any interface
            for level, kind, content in ancillary
            if (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO)
        ]
        answer = f"{self.name} {plain(sender[0])} {UDP_PORT} ".encode() + text
        sock.sendmsg([answer], source, 0, sender)


def udp_socket() -> socket.socket:
    """The socket of the echo, which is told to which of its addresses a datagram came."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.setblocking(False)
    sock.bind(("::", UDP_PORT))
    return sock


def main(names: Sequence[str]) -> int:
    """One process a server; ends when told so, and its children with it."""
    children = []
    for name in names:
        child = os.fork()
        if child == 0:
            move_into(name)
            asyncio.run(WebServer(name).serve())
            return 0
        children.append(child)

    def stop(number: int, frame: object) -> None:
        for one in children:
            os.kill(one, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for one in children:
        os.waitpid(one, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
