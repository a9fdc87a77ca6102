"""The check that sends and looks at the answer (TCP, SCTP, UDP).

One limit, the check's timeout, covers all of it. The answer may come in any number of packets; it is judged
as soon as it can be, and at most BOUND bytes of it are kept.
"""

from __future__ import annotations

import asyncio
import socket

from lvs.config.model import Protocol
from lvs.config.patterns import is_found
from lvs.nanny.checks import ANYTHING, Check
from lvs.nanny.probes.connect import connect, open_socket
from lvs.nanny.probes.finding import Finding, explain

BOUND = 64 * 1024  # bytes of answer looked at
_SHOWN = 40  # bytes of an unexpected answer quoted in the reason


async def probe(check: Check) -> Finding:
    """Good when the real server's answer is the expected one.

    TCP and SCTP without `expect` need no answer; UDP always does: nothing else shows that anyone listens.
    """
    answer = bytearray()
    step = "connect"
    try:
        with open_socket(check) as opened:
            async with asyncio.timeout(check.timeout):
                await connect(opened, check)
                step = "send"
                if check.protocol is Protocol.UDP:
                    opened.send(
                        check.send
                    )  # one datagram, an empty one too, which sock_sendall would not send
                    step = "read"
                    return await _datagrams(opened, check, answer)
                await asyncio.get_running_loop().sock_sendall(opened, check.send)
                step = "read"
                return await _stream(opened, check, answer)
    except TimeoutError:
        return _too_late(check, step, bytes(answer))
    except OSError as error:
        return explain(step, error)


async def _stream(opened: socket.socket, check: Check, answer: bytearray) -> Finding:
    if not check.expect:
        return Finding(True, "connected, sent" if check.send else "connected")
    loop = asyncio.get_running_loop()
    while len(answer) < BOUND:
        received = await loop.sock_recv(opened, BOUND - len(answer))
        if not received:
            break
        answer += received
        finding = judge(check, bytes(answer))
        if finding is not None:
            return finding
    return _unexpected(check, bytes(answer), "" if len(answer) >= BOUND else ", then the connection closed")


async def _datagrams(opened: socket.socket, check: Check, answer: bytearray) -> Finding:
    """Any datagram is an answer, an empty one too; an expected text may be spread over several."""
    loop = asyncio.get_running_loop()
    while len(answer) < BOUND:
        answer += await loop.sock_recv(opened, BOUND)
        if not check.expect or check.expect == ANYTHING:
            return Finding(True, "answered")
        finding = judge(check, bytes(answer))
        if finding is not None:
            return finding
    return _unexpected(check, bytes(answer), "")


def judge(check: Check, answer: bytes) -> Finding | None:
    """The finding on what has come so far; None: more could still make it good."""
    if check.use_regex:
        return Finding(True, "answered as expected") if is_found(check.expect, answer) else None
    if check.expect == ANYTHING:
        return Finding(True, "answered") if answer else None
    if answer.startswith(check.expect):
        return Finding(True, "answered as expected")
    if check.expect.startswith(answer):
        return None
    return _unexpected(check, answer, "")


def _unexpected(check: Check, answer: bytes, ending: str) -> Finding:
    got = _quote(answer) if answer else "nothing"
    return Finding(False, f"expected {_expectation(check)}, got {got}{ending}")


def _too_late(check: Check, step: str, answer: bytes) -> Finding:
    limit = f"within {check.timeout:g} s"
    if answer:
        return Finding(False, f"expected {_expectation(check)}, got {_quote(answer)} {limit}")
    return Finding(False, f"{step}: no answer {limit}")


def _expectation(check: Check) -> str:
    if check.use_regex:
        return f"a match of {_quote(check.expect)}"
    return "an answer" if check.expect in (b"", ANYTHING) else _quote(check.expect)


def _quote(raw: bytes) -> str:
    shown = raw[:_SHOWN].decode("utf-8", "backslashreplace")
    escaped = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in shown)
    return f"'{escaped}…'" if len(raw) > _SHOWN else f"'{escaped}'"
