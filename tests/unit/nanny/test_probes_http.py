"""The HTTP check against servers on loopback."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.config.model import ANY_SUCCESS, HttpMethod, StatusRange
from lvs.nanny.checks import Http, Kind
from lvs.nanny.probes.finding import Finding, Record, What
from tests.unit.nanny.probing import found, probe, to_check, transcript
from tests.unit.nanny.servers import (
    Behaviour,
    answers,
    closed_port,
    echoes_one_request,
    resets,
    says,
    says_nothing,
    tcp_server,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def request(
    *,
    method: HttpMethod = HttpMethod.GET,
    path: str = "/",
    host: str = "shop.example",
    status: tuple[StatusRange, ...] = ANY_SUCCESS,
) -> Http:
    return Http(method, path, host, status)


def ask(
    behaviour: Behaviour, *, http: Http | None = None, host: str = "127.0.0.1", **settings: Any
) -> Finding:
    settings |= {"kind": Kind.HTTP, "http": http or request(), "address": ip_address(host)}
    return found(tcp_server(behaviour, host), **settings)


@pytest.mark.parametrize(
    ("parts", "settings", "reason"),
    [
        pytest.param((HEAD + b"hello world",), {}, "answered 200 OK", id="a page"),
        pytest.param(
            tuple(bytes([byte]) for byte in HEAD + b"hello world"),
            {"expect": b"o w"},
            "answered 200 OK with the expected text",
            id="a page in single bytes",
        ),
        pytest.param(
            (HEAD, b"hello world"),
            {"expect": b"wo[r]ld$", "use_regex": True},
            "answered 200 OK with the expected text",
            id="a pattern anywhere",
        ),
        pytest.param(
            (HEAD, b"hello world"), {"expect": b"*"}, "answered 200 OK with the expected text", id="any text"
        ),
        pytest.param(
            (CHUNKED, b"4\r\nhell\r\n", b"3\r\no w\r\n0\r\n\r\n"),
            {"expect": b"hello w"},
            "answered 200 OK with the expected text",
            id="a text over chunks",
        ),
        pytest.param((b"HTTP/1.0 200\r\n\r\nhello",), {}, "answered 200", id="HTTP/1.0 that ends by closing"),
        pytest.param((b"HTTP/1.1 204 No Content\r\n\r\n",), {}, "answered 204 No Content", id="no body"),
        pytest.param(
            (b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"hello world"), {}, "answered 200 OK", id="100 before"
        ),
        pytest.param(
            (b"HTTP/1.1 302 Found\r\nLocation: http://10.9.9.9/\r\nContent-Length: 0\r\n\r\n",),
            {},
            "answered 302 Found",
            id="a redirect is an answer and is not followed",
        ),
        pytest.param((HEAD,), {"http": request(method=HttpMethod.HEAD)}, "answered 200 OK", id="HEAD"),
        pytest.param(
            (b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n",),
            {"http": request(status=(StatusRange(200, 200), StatusRange(400, 499)))},
            "answered 418 I'm a teapot",
            id="a status that is wanted",
        ),
    ],
)
def test_a_good_answer_is_good(parts: tuple[bytes, ...], settings: dict[str, Any], reason: str) -> None:
    assert ask(answers(*parts), **settings) == Finding(True, reason)


@pytest.mark.parametrize(
    ("parts", "settings", "reason"),
    [
        (
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n",),
            {},
            "answered 503 Service Unavailable, not 200-399",
        ),
        (
            (b"HTTP/1.1 301 Moved\r\nLocation: /a\x1b\r\n\r\n".replace(b"\x1b", b"b"),),
            {"http": request(status=(StatusRange(200, 204), StatusRange(418, 418)))},
            "answered 301 Moved to '/ab', not 200-204, 418",
        ),
        (
            (HEAD + b"hello world",),
            {"expect": b"bye"},
            "answered 200 OK, expected 'bye' in the body, got 'hello world'",
        ),
        (
            (HEAD + b"hello world",),
            {"expect": b"^world", "use_regex": True},
            "answered 200 OK, expected a match of '^world' in the body, got 'hello world'",
        ),
        (
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",),
            {"expect": b"*"},
            "answered 200 OK, expected anything in the body, got nothing",
        ),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), {}, r"no HTTP: got 'SSH-2.0-OpenSSH_9.2\r\n' (peer unexpectedly"),
        ((b"x" * 20_000,), {}, f"no HTTP: got '{'x' * 40}…' (Receive buffer too long)"),
        ((b"HTTP/1.1 2000 Very OK\r\n\r\n",), {}, r"no HTTP: got 'HTTP/1.1 2000 Very OK\r\n\r\n' (illegal"),
        ((CHUNKED + b"zz\r\n",), {}, "no HTTP: got 'HTTP/1.1 200 OK"),
        ((), {}, "read: the real server closed the connection without an answer"),
        ((b"HT",), {}, "read: the real server closed the connection in the middle of its answer"),
        ((HEAD[:-2],), {}, "read: the real server closed the connection in the middle of its answer"),
        ((HEAD + b"hello",), {}, "read: the real server closed the connection in the middle of its answer"),
        (
            (CHUNKED + b"b\r\nhello",),
            {},
            "read: the real server closed the connection in the middle of its answer",
        ),
    ],
)
def test_another_answer_is_bad_and_says_why(
    parts: tuple[bytes, ...], settings: dict[str, Any], reason: str
) -> None:
    finding = ask(answers(*parts), **settings)
    assert not finding.ok
    assert finding.reason.startswith(reason), finding.reason


def test_a_server_that_never_answers_is_out_after_the_limit() -> None:
    assert ask(says_nothing, timeout=0.1) == Finding(False, "read: no answer within 0.1 s")


@pytest.mark.parametrize("parts", [(HEAD[:20],), (HEAD, b"hell")])
def test_a_server_that_stops_in_the_middle_is_out_after_the_limit(parts: tuple[bytes, ...]) -> None:
    finding = ask(answers(*parts, then_waits=True), timeout=0.1)
    assert finding == Finding(False, "read: the answer was not complete within 0.1 s")


def test_a_page_that_drips_is_out_after_the_one_limit() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    finding = ask(drips, timeout=0.1)
    assert finding == Finding(False, "read: the answer was not complete within 0.1 s")


def test_the_text_is_enough_whatever_would_follow_it() -> None:
    finding = ask(answers(HEAD, b"hello", then_waits=True), expect=b"hell")
    assert finding == Finding(True, "answered 200 OK with the expected text")


def test_no_more_than_the_bound_is_read_of_an_endless_page() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 16384)
            await writer.drain()

    assert ask(endless) == Finding(True, "answered 200 OK")
    assert ask(endless, expect=b"y").reason.startswith("answered 200 OK, expected 'y' in the body, got 'xxx")


def test_a_server_that_never_comes_to_its_answer_is_left_soon() -> None:
    async def continues(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            await writer.drain()

    assert ask(continues) == Finding(False, "read: more than 10 interim answers")


def test_a_dead_server_and_one_that_resets_are_named() -> None:
    check = to_check(closed_port(), kind=Kind.HTTP, http=request())
    assert asyncio.run(probe(check)) == Finding(False, "connect: refused")
    assert ask(resets) == Finding(False, "read: reset by the real server")


def test_the_request_asks_for_path_and_host_and_to_close() -> None:
    finding = ask(
        answers_with_the_request_as_body,
        http=request(path="/health?x=1", host="[fd00::1]:8080"),
        expect=b"GET /health?x=1 HTTP/1.1\r\nHost: [fd00::1]:8080\r\n",
        host="::1",
    )
    assert finding.ok, finding.reason
    assert ask(answers_with_the_request_as_body, expect=b"Connection: close\r\n").ok


async def answers_with_the_request_as_body(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + await reader.readuntil(b"\r\n\r\n"))
    await writer.drain()


def test_a_request_that_http_does_not_allow_is_bad_and_says_what_to_correct() -> None:
    for http in (request(path="/a b"), request(host="a\nb"), request(path="/é")):
        finding = ask(echoes_one_request, http=http)
        assert not finding.ok
        assert finding.reason.startswith("the request cannot be sent, correct http_path or http_host: ")


def test_the_transcript_has_every_byte() -> None:
    record = Record()
    assert found(tcp_server(answers(HEAD, b"hello world")), record, kind=Kind.HTTP, http=request()).ok
    assert transcript(record, What.RECEIVED) == HEAD + b"hello world"
    assert transcript(record, What.SENT).startswith(b"GET / HTTP/1.1\r\nHost: shop.example\r\n")
    assert transcript(record, What.NOTE).startswith(b"connected to 127.0.0.1:")


def test_a_server_that_speaks_at_once_is_not_taken_for_a_web_server() -> None:
    assert not ask(says(b"220 mail ESMTP\r\n")).ok
