"""The probes against real servers on loopback."""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.config.model import Protocol
from lvs.nanny.checks import Kind
from lvs.nanny.probes import answer
from lvs.nanny.probes.finding import Finding
from tests.unit.nanny.probing import descriptors_left, found, probe, to_check
from tests.unit.nanny.servers import (
    closed_port,
    echoes_one_request,
    resets,
    says,
    says_nothing,
    tcp_server,
    udp_server,
)


def test_connecting_is_enough_when_nothing_else_is_asked() -> None:
    assert found(tcp_server(says_nothing)) == Finding(True, "connected")


def test_connecting_works_over_ipv6() -> None:
    assert found(tcp_server(says_nothing, "::1"), address=ip_address("::1")).ok


def test_a_closed_port_is_refused() -> None:
    for settings in ({}, {"send": b"x", "expect": b"y"}):
        assert asyncio.run(probe(to_check(closed_port(), **settings))) == Finding(False, "connect: refused")


@pytest.mark.parametrize("kind", [Kind.CONNECT, Kind.SMTP])
def test_what_this_router_lacks_says_nothing_of_the_real_server(kind: Kind) -> None:
    async def story() -> Finding:
        # The first kind has a descriptor of its own to watch the others with.
        with descriptors_left(1 if kind is Kind.CONNECT else 0):
            return await probe(to_check(9, kind=kind))

    finding = asyncio.run(story())
    assert finding.ours
    assert finding.reason.endswith("this router has no file descriptor left; raise LimitNOFILE")


def test_a_listener_that_does_not_accept_is_out_after_the_timeout() -> None:
    with socket.socket() as listener, socket.socket() as filler, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        filler.connect(("127.0.0.1", port))
        second.setblocking(False)
        second.connect_ex(
            ("127.0.0.1", port)
        )  # one fills the queue, one waits in it: the next is not answered
        assert asyncio.run(probe(to_check(port, timeout=0.1))) == Finding(
            False, "connect: no answer within 0.1 s"
        )


@pytest.mark.parametrize(
    ("parts", "settings"),
    [
        pytest.param((b"220 mail ESMTP\r\n",), {"expect": b"220"}, id="the answer starts with it"),
        pytest.param((b"2", b"2", b"0", b" mail"), {"expect": b"220"}, id="the answer comes in single bytes"),
        pytest.param(
            (b"x" * 9000 + b"y",), {"expect": b"x" * 9000 + b"y"}, id="an answer far over 254 bytes"
        ),
        pytest.param((b"anything",), {"expect": b"*"}, id="a star takes anything"),
        pytest.param(
            (b"well, 42 it is",), {"expect": b"[0-9]+ it", "use_regex": True}, id="a pattern anywhere"
        ),
        pytest.param(
            (b"well, 4", b"2 it is"), {"expect": b"42", "use_regex": True}, id="a pattern over packets"
        ),
        pytest.param(
            (b"z" * 9000, b"end"), {"expect": b"end$", "use_regex": True}, id="a pattern after much text"
        ),
    ],
)
def test_an_expected_answer_is_good(parts: tuple[bytes, ...], settings: dict[str, Any]) -> None:
    assert found(tcp_server(says(*parts)), **settings).ok


@pytest.mark.parametrize(
    ("parts", "settings", "reason"),
    [
        ((b"SSH-2.0-x\r\n",), {"expect": b"HTTP"}, r"expected 'HTTP', got 'SSH-2.0-x\r\n'"),
        ((b"say HTTP",), {"expect": b"HTTP"}, "expected 'HTTP', got 'say HTTP'"),
        ((b"HT",), {"expect": b"HTTP"}, "expected 'HTTP', got 'HT', then the connection closed"),
        ((), {"expect": b"*"}, "expected an answer, got nothing, then the connection closed"),
        ((b"no",), {"expect": b"y+", "use_regex": True}, "expected a match of 'y+', got 'no', then the conn"),
    ],
)
def test_another_answer_is_bad_and_is_quoted(
    parts: tuple[bytes, ...], settings: dict[str, Any], reason: str
) -> None:
    finding = found(tcp_server(says(*parts)), **settings)
    assert not finding.ok
    assert finding.reason.startswith(reason)


def test_what_is_to_be_sent_is_sent() -> None:
    settings = {"send": b"GET / HTTP/1.0\r\n\r\n", "expect": b"got GET / HTTP/1.0"}
    assert found(tcp_server(echoes_one_request), **settings) == Finding(True, "answered as expected")


def test_sending_without_an_expectation_needs_no_answer() -> None:
    assert found(tcp_server(says_nothing), send=b"hello") == Finding(True, "connected, sent")


def test_a_silent_server_is_out_after_the_timeout() -> None:
    finding = found(tcp_server(says_nothing), expect=b"220", timeout=0.1)
    assert finding == Finding(False, "read: no answer within 0.1 s")


def test_a_reset_is_named() -> None:
    finding = found(tcp_server(resets), send=b"hello", expect=b"220")
    assert finding == Finding(False, "read: reset by the real server")


def test_no_more_than_the_bound_is_read_of_an_endless_answer() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 16384)
            await writer.drain()

    finding = found(tcp_server(endless), expect=b"never", use_regex=True)
    assert not finding.ok
    assert re.match(r"expected a match of 'never', got 'x+…'$", finding.reason)
    assert answer.BOUND == 65536


def test_unprintable_answers_are_quoted_harmlessly() -> None:
    assert (
        found(tcp_server(says(b"\x1b[31m\xff")), expect=b"ok").reason == r"expected 'ok', got '\x1b[31m\xff'"
    )


@pytest.mark.parametrize(
    ("answers", "settings", "expected"),
    [
        ((b"pong",), {"send": b"ping", "expect": b"pong"}, Finding(True, "answered as expected")),
        ((b"pong",), {"send": b"ping"}, Finding(True, "answered")),
        ((b"",), {"send": b"ping"}, Finding(True, "answered")),
        ((b"po", b"ng"), {"send": b"ping", "expect": b"pong"}, Finding(True, "answered as expected")),
        ((b"what",), {"send": b"ping", "expect": b"pong"}, Finding(False, "expected 'pong', got 'what'")),
        ((), {"send": b"ping", "timeout": 0.1}, Finding(False, "read: no answer within 0.1 s")),
        ((b"x",), {}, Finding(True, "answered")),
    ],
)
def test_udp_always_needs_an_answer(
    answers: tuple[bytes, ...], settings: dict[str, Any], expected: Finding
) -> None:
    assert found(udp_server(*answers), protocol=Protocol.UDP, **settings) == expected


def test_a_closed_udp_port_is_refused_at_once() -> None:
    check = to_check(closed_port(socket.SOCK_DGRAM), protocol=Protocol.UDP, send=b"ping")
    assert asyncio.run(probe(check)).reason in ("read: refused", "send: refused")


def test_an_sctp_check_ends_with_a_reason_even_where_the_kernel_has_no_sctp() -> None:
    finding = asyncio.run(probe(to_check(closed_port(), protocol=Protocol.SCTP, timeout=1)))
    assert not finding.ok
    assert finding.reason.startswith("connect: ")
