"""The check that greets a mail server (RFC 5321): its greeting, EHLO, QUIT."""

from __future__ import annotations

from ipaddress import ip_address

from lvs.nanny.checks import Check
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.stream import Ended, Stream, closed, talk
from lvs.nanny.quoting import quote

BOUND = 64 * 1024  # bytes of one reply
_SHOWN = 80  # bytes of a reply in the reason: it mostly says why
_GREETING, _OKAY, _GOODBYE = b"220", b"250", b"221"


async def probe(check: Check, record: Record) -> Finding:
    """Good when the server greets, accepts EHLO, and says good-bye."""
    return await talk(check, record, _greet)


async def _greet(stream: Stream) -> Finding:
    stream.begin("greeting")
    await _reply(stream, _GREETING)
    await _command(stream, f"EHLO {_literal(stream.own_address)}", _OKAY)
    await _command(stream, "QUIT", _GOODBYE)
    return Finding(True, "greeted, accepted EHLO")


def _literal(own: str) -> str:
    """This router as an address literal (RFC 5321, 4.1.3): it may have no name that a server accepts."""
    address = ip_address(own.partition("%")[0])
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


async def _command(stream: Stream, command: str, wanted: bytes) -> None:
    await stream.send(f"{command}\r\n".encode())
    stream.begin(command.partition(" ")[0])
    await _reply(stream, wanted)


async def _reply(stream: Stream, wanted: bytes) -> None:
    """Read one reply, of all its lines (4.2.1: a hyphen behind the code of all but the last)."""
    first, size = b"", 0
    while size < BOUND:
        line = await stream.line(BOUND - size)
        size += len(line)
        first = first or line
        if not line.endswith(b"\n"):
            break
        if line[:3] != wanted:
            raise Ended(f"{stream.step}: expected {wanted.decode()}, got {quote(line.rstrip(), _SHOWN)}")
        if line[3:4] != b"-":
            return
    if size >= BOUND:
        raise Ended(f"{stream.step}: the reply has no end within {BOUND} bytes")
    got = f", got {quote(first.rstrip(), _SHOWN)}" if first else ""
    raise Ended(f"{stream.step}: {closed(stream)}{got}")
