"""Services of the lab's real servers that fail at a word: each says what a test has it say."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import dns.message
import dns.rcode

from deploy.lab.namespaces import inside
from deploy.lab.webserver import WebServer
from tests.kernel.traffic import LIMIT
from tests.kernel.traffic_clients import at_work

Where = tuple[str, int]  # a real server and a port of it
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]

PAGE = "HTTP/1.1 {} \r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
GOOD, BAD = (PAGE.format(status).encode() for status in ("200 OK", "503 Closed for lunch"))


class Services:
    """What the real servers run besides the lab's web servers. says: what each answers, from now on.

    An answer of None is none: whoever asks waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.says: dict[Where, bytes | None] = {}
        self._loop = loop
        self._open: dict[Where, asyncio.Server] = {}
        self._datagrams: list[socket.socket] = []
        self._talks: set[asyncio.Task[None]] = set()

    def answer(self, where: Where, says: bytes | None, *, after: bytes = b"\r\n\r\n") -> None:
        """Opens a port that says this once it has read `after` (b"": at once), and closes."""
        self.open(where, self.answering(where, says, after))

    def answering(self, where: Where, says: bytes | None, after: bytes = b"\r\n\r\n") -> Talk:
        """The same for a port that is opened by somebody else."""
        self.says[where] = says

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if after:
                await reader.readuntil(after)
            if (now := self.says[where]) is None:
                await reader.read()
            else:
                writer.write(now)

        return talk

    def mail(self, where: Where, greeting: bytes) -> None:
        """Opens a mail server's port that greets like this (RFC 5321)."""
        self.says[where] = greeting

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(self.says[where] or b"")
            while line := await reader.readline():
                writer.write(b"221 good bye\r\n" if line.startswith(b"QUIT") else b"250 pleased\r\n")

        self.open(where, talk)

    def web(self, where: Where) -> None:
        """Opens a port as the lab's web server does."""
        self.open(where, WebServer(where[0]).talk)

    def names(self, where: Where, code: bytes) -> None:
        """Opens a DNS server's UDP port that answers each question with this code (b"NOERROR")."""
        self.says[where] = code
        name, port = where
        with inside(name):
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("", port))
        opened.setblocking(False)

        def reply() -> None:
            wire, client = opened.recvfrom(4096)
            answer = dns.message.make_response(dns.message.from_wire(wire))
            answer.set_rcode(dns.rcode.from_text((self.says[where] or b"").decode()))
            opened.sendto(answer.to_wire(), client)

        self._datagrams.append(opened)
        self._loop.call_soon_threadsafe(self._loop.add_reader, opened, reply)

    def open(self, where: Where, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        """Opens a port where each connection is talked to like this; what was open there is closed first."""
        if where in self._open:
            self.shut(where)
        with inside(where[0]):
            listener = socket.create_server(("", where[1]), backlog=1024)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._talks.add(task)
            try:
                await talk(reader, writer)
            except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
                writer.transport.abort()  # the other end left, or we do
            finally:
                writer.close()
                self._talks.discard(task)

        async def begin() -> asyncio.Server:
            return await asyncio.start_server(serve, sock=listener, ssl=tls)

        self._open[where] = asyncio.run_coroutine_threadsafe(begin(), self._loop).result(LIMIT)

    def shut(self, where: Where) -> None:
        """Closes a port: from now on whoever connects is refused."""
        server = self._open.pop(where)

        async def end() -> None:
            for listener in server.sockets:
                self._loop.remove_reader(listener.fileno())
            # Whom the server has accepted it must take up before it closes, or nobody closes that connection.
            await asyncio.sleep(0)
            server.close()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(LIMIT)

    def close(self) -> None:
        """Ends everything."""
        for where in list(self._open):
            self.shut(where)
        for opened in self._datagrams:
            self._do(partial(self._loop.remove_reader, opened))
            opened.close()
        self._do(lambda: [task.cancel() for task in self._talks])

    def _do(self, what: Callable[[], object]) -> None:
        async def begin() -> None:
            what()

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result(LIMIT)


@contextmanager
def services() -> Iterator[Services]:
    """For the time of a with."""

    async def stay() -> None:
        await asyncio.Event().wait()

    with at_work(stay) as loop:
        made = Services(loop)
        try:
            yield made
        finally:
            made.close()
