"""The question to a weight agent, against agents on loopback."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.nanny.checks import Kind
from lvs.nanny.loads import Load, Word
from lvs.nanny.probes.finding import Finding, Record, What
from tests.unit.nanny.probing import found, probe, to_check, transcript
from tests.unit.nanny.servers import Behaviour, answers, closed_port, says, says_nothing, tcp_server


def ask(behaviour: Behaviour, host: str = "127.0.0.1", **settings: Any) -> Finding:
    settings |= {"kind": Kind.AGENT, "address": ip_address(host)}
    return found(tcp_server(behaviour, host), **settings)


@pytest.mark.parametrize("parts", [(b"up 75%\n",), (b"up 75%\r\n",), (b"up", b" 7", b"5%\r"), (b"up 75%",)])
def test_the_first_line_is_what_the_agent_says(parts: tuple[bytes, ...]) -> None:
    load = Load(factor=0.75, word=Word.UP, reason="up 75%")
    assert ask(says(*parts)) == Finding(True, "agent: up 75%", load=load)


def test_what_follows_the_line_is_left_aside_and_not_waited_for() -> None:
    assert ask(answers(b"down # disk\nup\n", until=b"?", then_waits=True), send=b"?").load == Load(
        word=Word.DOWN, reason="down # disk"
    )


def test_an_agent_is_asked_over_ipv6_too() -> None:
    assert ask(says(b"50%\n"), "::1").ok


def test_what_is_to_be_sent_first_is_sent() -> None:
    record = Record()
    server = tcp_server(answers(b"50%\n", until=b"\n"))
    assert found(server, record, kind=Kind.AGENT, send=b"load?\n").ok
    assert transcript(record, What.SENT) == b"load?\n"
    assert transcript(record, What.RECEIVED) == b"50%\n"


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (
            (b"HTTP/1.1 400\r\n",),
            "expected an agent's words, got 'HTTP/1.1 400' ('http/1.1' is no word of an",
        ),
        ((b"\n",), "expected an agent's words, got '' (neither a percentage nor a state)"),
        ((b"x" * 600,), f"expected an agent's words, got '{'x' * 40}…' ("),
        ((), "read: the real server closed the connection without an answer"),
    ],
)
def test_another_answer_is_none_and_is_quoted(parts: tuple[bytes, ...], reason: str) -> None:
    finding = ask(says(*parts))
    assert (finding.ok, finding.load) == (False, None)
    assert finding.reason.startswith(reason), finding.reason


def test_a_silent_agent_and_a_dead_one_are_named() -> None:
    assert ask(says_nothing, timeout=0.1) == Finding(False, "read: no answer within 0.1 s")
    assert asyncio.run(probe(to_check(closed_port(), kind=Kind.AGENT))) == Finding(False, "connect: refused")
