"""The check that sends an echo request and waits for the reply (RFC 792, RFC 4443).

All pings of an event loop share one raw socket for each IP version, open while any is waited for. The kernel
gives a raw socket a copy of every ICMP message of the machine; a filter on the socket lets through echo
replies alone. A reply is ours when address, identifier and sequence number fit, and the random bytes that
were sent.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from lvs.nanny.checks import Check
from lvs.nanny.probes.finding import Finding, Record, explain

_TOKEN_BYTES = 16
_ECHO = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
_BUFFER = 1 << 20  # bytes of replies that wait for us; hundreds may come at once
_MOST = 2048
_AT_ONCE = 200  # taken before the event loop gets its turn


@dataclass(frozen=True, slots=True)
class _Version:
    """What differs between ICMP and ICMPv6.

    option: level and number of the socket's filter, a mask with a 1 for each type that is kept out.
    """

    family: socket.AddressFamily
    protocol: int
    request: int
    reply: int
    option: tuple[int, int]
    types: int

    @property
    def mask(self) -> bytes:
        words = [0xFFFFFFFF] * (self.types // 32)
        words[self.reply // 32] ^= 1 << self.reply % 32
        return struct.pack(f"={len(words)}I", *words)


# linux/icmp.h: ICMP_FILTER is option 1 of SOL_RAW, which is 255 (bits/socket.h), and knows types 0 to 31;
# linux/icmpv6.h: ICMPV6_FILTER is option 1 of IPPROTO_ICMPV6, and knows them all.
_VERSIONS = {
    4: _Version(socket.AF_INET, socket.IPPROTO_ICMP, request=8, reply=0, option=(255, 1), types=32),
    6: _Version(
        socket.AF_INET6,
        socket.IPPROTO_ICMPV6,
        request=128,
        reply=129,
        option=(socket.IPPROTO_ICMPV6, 1),
        types=256,
    ),
}


async def probe(check: Check, record: Record) -> Finding:
    """Good when the reply comes in time."""
    try:
        async with asyncio.timeout(check.timeout):
            async with _echoes(check.address.version) as echoes:
                await echoes.echo(str(check.address), record)
    except TimeoutError:
        return Finding(False, f"ping: no reply within {check.timeout:g} s")
    except PermissionError:
        return Finding(False, "ping: this router may not; pulse needs the capability CAP_NET_RAW")
    except OSError as error:
        return explain("ping", error)
    return Finding(True, "replied")


class _Echoes:
    """One raw socket, and who waits for a reply on it."""

    def __init__(self, version: _Version) -> None:
        self.users = 0
        self._version = version
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()  # the event loop can wait for one writer of a socket only
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[str, bytes, asyncio.Future[bytes]]] = {}
        self._socket = socket.socket(version.family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, version.protocol)
        try:
            self._socket.setsockopt(*version.option, version.mask)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._receive)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def echo(self, address: str, record: Record) -> None:
        """Return when the reply has come; raises OSError when there is no way to ask."""
        number = next(self._numbers) & 0xFFFF
        token = os.urandom(_TOKEN_BYTES)
        message = self._message(number, token)
        replied: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[number] = (address.partition("%")[0], token, replied)
        try:
            record.sent(message)
            async with self._sending:
                await self._loop.sock_sendto(self._socket, message, (address, 0))
            record.received(await replied)
        finally:
            self._waiting.pop(number, None)

    def _message(self, number: int, token: bytes) -> bytes:
        head = _ECHO.pack(self._version.request, 0, 0, self._identifier, number)
        if self._version.family is socket.AF_INET6:
            return (
                head + token
            )  # the kernel works out the checksum, which covers the addresses (RFC 3542, 3.1)
        checked = _ECHO.pack(self._version.request, 0, _checksum(head + token), self._identifier, number)
        return checked + token

    def _receive(self) -> None:
        """Take what has come, some at a time, and tell those who wait for it."""
        for _ in range(_AT_ONCE):
            try:
                packet, sender = self._socket.recvfrom(_MOST)
            except BlockingIOError:
                return
            except OSError:
                continue  # of a packet sent before (no route any more): its echo stays without reply
            self._dispatch(packet, sender[0].partition("%")[0])

    def _dispatch(self, packet: bytes, sender: str) -> None:
        if self._version.family is socket.AF_INET:
            packet = packet[(packet[0] & 0x0F) * 4 :]  # the IP header stands before it (raw(7))
        if len(packet) < _ECHO.size:
            return
        kind, _, _, identifier, number = _ECHO.unpack_from(packet)
        address, token, replied = self._waiting.get(number, ("", b"", None))
        ours = kind == self._version.reply and identifier == self._identifier and sender == address
        if ours and packet[_ECHO.size :] == token and replied is not None and not replied.done():
            replied.set_result(packet)


def _checksum(message: bytes) -> int:
    """The Internet checksum (RFC 1071) of a message of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


_open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, _Echoes]] = WeakKeyDictionary()


@asynccontextmanager
async def _echoes(version: int) -> AsyncIterator[_Echoes]:
    """The shared socket of this event loop, closed behind the last who uses it; raises OSError."""
    shared = _open.setdefault(asyncio.get_running_loop(), {})
    echoes = shared.get(version)
    if echoes is None:
        echoes = shared[version] = _Echoes(_VERSIONS[version])
    echoes.users += 1
    try:
        yield echoes
    finally:
        echoes.users -= 1
        if not echoes.users:
            del shared[version]
            echoes.close()
