"""A connection on which a probe talks, with TLS or without, within the check's one limit.

A probe gives `talk` a script, which sends and receives in turn and ends with a Finding; whatever goes wrong
on the way ends the check with the step at which it did.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from lvs.config.model import Protocol
from lvs.nanny.certificate import Validity, outside
from lvs.nanny.checks import Check, Tls
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding, Record, explain
from lvs.nanny.probes.tls import Layer, Refused

_MOST = 16 * 1024
_BOUND = 1024 * 1024  # bytes taken from a real server in one check, with...
_EACH = 64  # ...so many for each piece, however small


class Ended(Exception):
    """The real server did what ends the check; the message is the reason."""


class Stream:
    """The connection of one check.

    step: what is under way, as the reason names it. partial: whether part of an answer came in this step.
    warning, dates: of the real server's certificate, after the handshake.
    """

    def __init__(self, opened: socket.socket, check: Check, record: Record) -> None:
        self.check = check
        self.record = record
        self.step = "connect"
        self.partial = False
        self.warning = ""
        self.dates: Validity | None = None
        self._opened = opened
        self._layer: Layer | None = None
        self._waiting = b""
        self._left = _BOUND

    @property
    def own_address(self) -> str:
        """The router's end of the connection."""
        address: str = self._opened.getsockname()[0]
        return address

    async def connect(self) -> None:
        """Raises OSError."""
        where = (str(self.check.address), self.check.port)
        await asyncio.get_running_loop().sock_connect(self._opened, where)
        self.record.note(f"connected to {self.check}")

    async def secure(self, tls: Tls) -> None:
        """The handshake; raises Refused, OSError."""
        self.step = "TLS handshake"
        layer = Layer(tls, self._send, self._receive)
        await layer.shake_hands(self.record)
        self.dates, self.warning = layer.dates(), layer.warning()
        self._layer = layer

    async def send(self, data: bytes) -> None:
        self.step = "send"
        self.record.sent(data)
        await (self._layer.send(data) if self._layer else self._send(data))
        self.begin("read")

    def begin(self, step: str) -> None:
        """A new answer is waited for."""
        self.step = step
        self.partial = False

    async def receive(self, most: int = _MOST) -> bytes:
        """What has come and was not taken yet, else what comes next; b"" at the end."""
        if self._waiting:
            data, self._waiting = self._waiting[:most], self._waiting[most:]
            return data
        data = await (self._layer.receive(most) if self._layer else self._receive(most))
        self.record.received(data)
        self.partial = self.partial or bool(data)
        return data

    async def line(self, most: int, ends: bytes = b"\n") -> bytes:
        """The next line with its end, one of the bytes `ends`; less when the connection or `most` ends it."""
        taken = b""
        while len(taken) < most:
            data = await self.receive(most - len(taken))
            if not data:
                break
            end = min((at for at in map(data.find, _each(ends)) if at >= 0), default=-1)
            if end >= 0:
                self._waiting = data[end + 1 :] + self._waiting
                return taken + data[: end + 1]
            taken += data
        return taken

    async def exactly(self, count: int) -> bytes:
        """The next count bytes; raises Ended when the connection closes before."""
        taken = b""
        while len(taken) < count:
            data = await self.receive(count - len(taken))
            if not data:
                raise Ended(f"{self.step}: {closed(self)}")
            taken += data
        return taken

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._opened, data)

    async def _receive(self, most: int) -> bytes:
        # What is always ready never waits, and would hold up the event loop beyond every limit of time. So
        # the others have their turn between two pieces, and there is an end.
        if self._left < _BOUND:
            await asyncio.sleep(0)
        data = await asyncio.get_running_loop().sock_recv(self._opened, most)
        self._left -= len(data) + _EACH
        if self._left < 0:
            raise Ended(f"{self.step}: the real server does not stop talking")
        return data


def _each(ends: bytes) -> list[bytes]:
    return [bytes([end]) for end in ends]


Script = Callable[[Stream], Awaitable[Finding]]


async def talk(check: Check, record: Record, script: Script) -> Finding:
    """Connect, with TLS if the check has it, and follow script; the finding has the certificate's warning."""
    stream: Stream | None = None
    try:
        with _open(check) as opened:
            stream = Stream(opened, check, record)
            async with asyncio.timeout(check.timeout):
                await stream.connect()
                if check.tls is not None:
                    await _secure(stream, check.tls)
                return replace(await script(stream), warning=stream.warning)
    except TimeoutError:
        return _too_late(stream, check)
    except (Ended, Refused) as end:
        return Finding(False, str(end), stream.warning if stream else "")
    except OSError as error:
        return explain(stream.step if stream else "connect", error)


def closed(stream: Stream) -> str:
    how = "in the middle of its answer" if stream.partial else "without an answer"
    return f"the real server closed the connection {how}"


def _open(check: Check) -> socket.socket:
    family = socket.AF_INET6 if check.address.version == 6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if check.protocol is Protocol.UDP else socket.SOCK_STREAM
    return socket.socket(family, kind | socket.SOCK_NONBLOCK)


def _too_late(stream: Stream | None, check: Check) -> Finding:
    step = stream.step if stream else "connect"
    what = "the answer was not complete" if stream and stream.partial else "no answer"
    return Finding(False, f"{step}: {what} within {check.timeout:g} s", stream.warning if stream else "")


async def _secure(stream: Stream, tls: Tls) -> None:
    try:
        await stream.secure(tls)
    except Refused as refusal:
        if not refusal.out_of_date:
            raise
        raise Refused(await _when(stream.check, tls) or str(refusal)) from refusal


async def _when(check: Check, tls: Tls) -> str:
    """Since or until when the certificate is no good; "" when it is another one of its chain.

    OpenSSL tells dates only of a connection that came about, hence a second one that verifies nothing.
    """
    try:
        with _open(check) as opened:
            async with asyncio.timeout(check.timeout / 4):
                again = Stream(opened, check, NOTHING_KEPT)
                await again.connect()
                await again.secure(replace(tls, verify=False))
    except (Refused, OSError):
        return ""
    return outside(again.dates, datetime.now(UTC)) if again.dates else ""
