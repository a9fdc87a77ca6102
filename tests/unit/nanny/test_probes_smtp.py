"""The SMTP check against servers on loopback."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.nanny.checks import Kind
from lvs.nanny.probes.finding import Finding, Record, What
from tests.unit.nanny.probing import found, probe, to_check, transcript
from tests.unit.nanny.servers import Behaviour, closed_port, says_nothing, tcp_server

GREETING = b"220 mail.example ESMTP\r\n"
OKAY = b"250-mail.example\r\n250-SIZE 1000\r\n250 8BITMIME\r\n"
GOODBYE = b"221 2.0.0 Bye\r\n"


def replies(*lines: bytes, waits: bool = False) -> Behaviour:
    """Says the first, and each of the others after a command; then closes, or waits."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, line in enumerate(lines):
            if number:
                await reader.readuntil(b"\r\n")
            writer.write(line)
            await writer.drain()
        if waits:
            await reader.read()

    return behave


def ask(
    behaviour: Behaviour, record: Record | None = None, host: str = "127.0.0.1", **settings: Any
) -> Finding:
    settings |= {"kind": Kind.SMTP, "address": ip_address(host)}
    return found(tcp_server(behaviour, host), record or Record(), **settings)


def test_a_server_that_greets_and_accepts_ehlo_is_good() -> None:
    record = Record()
    assert ask(replies(GREETING, OKAY, GOODBYE), record) == Finding(True, "greeted, accepted EHLO")
    assert transcript(record, What.SENT) == b"EHLO [127.0.0.1]\r\nQUIT\r\n"
    assert transcript(record, What.RECEIVED) == GREETING + OKAY + GOODBYE


def test_the_router_names_itself_by_its_address_over_ipv6_too() -> None:
    record = Record()
    assert ask(replies(b"220-mail\r\n" + GREETING, OKAY, GOODBYE), record, "::1").ok
    assert transcript(record, What.SENT).startswith(b"EHLO [IPv6:::1]\r\n")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((b"554 5.7.1 Go away\r\n",), "greeting: expected 220, got '554 5.7.1 Go away'"),
        ((b"220-mail\r\n421 Too busy\r\n",), "greeting: expected 220, got '421 Too busy'"),
        ((b"SSH-2.0-x\r\n",), "greeting: expected 220, got 'SSH-2.0-x'"),
        ((GREETING, b"502 No EHLO here\r\n"), "EHLO: expected 250, got '502 No EHLO here'"),
        ((GREETING, OKAY, b"500 What?\r\n"), "QUIT: expected 221, got '500 What?'"),
        ((), "greeting: the real server closed the connection without an answer"),
        (
            (b"220 mai",),
            "greeting: the real server closed the connection in the middle of its answer, got '220 mai'",
        ),
        (
            (GREETING, b"250-mail\r\n"),
            "EHLO: the real server closed the connection in the middle of its answer",
        ),
    ],
)
def test_each_wrong_reply_is_named_in_the_servers_own_words(lines: tuple[bytes, ...], reason: str) -> None:
    finding = ask(replies(*lines))
    assert not finding.ok
    assert finding.reason.startswith(reason), finding.reason


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((), "greeting: no answer within 0.1 s"),
        ((GREETING,), "EHLO: no answer within 0.1 s"),
        ((GREETING, b"250-mail\r\n"), "EHLO: the answer was not complete within 0.1 s"),
    ],
)
def test_a_server_that_stops_answering_is_out_after_the_limit(lines: tuple[bytes, ...], reason: str) -> None:
    assert ask(replies(*lines, waits=True), timeout=0.1) == Finding(False, reason)


def test_a_dead_server_and_a_half_open_one_are_named() -> None:
    assert asyncio.run(probe(to_check(closed_port(), kind=Kind.SMTP))) == Finding(False, "connect: refused")
    assert ask(says_nothing, timeout=0.1) == Finding(False, "greeting: no answer within 0.1 s")


def test_a_reply_without_an_end_is_left_at_the_bound() -> None:
    for endless in (b"220-x\r\n", b"220 xxxxx"):
        finding = ask(replies(endless * 20_000, waits=True))
        assert finding == Finding(False, "greeting: the reply has no end within 65536 bytes")
