"""The HTTPS check: handshake, certificates, and what is warned of."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.config.model import HttpMethod, StatusRange
from lvs.nanny.checks import Http, Kind, Tls
from lvs.nanny.probes import tls as layer
from lvs.nanny.probes.finding import Finding, Record, What
from tests.unit.nanny.authority import Authority
from tests.unit.nanny.probing import found, transcript
from tests.unit.nanny.servers import Behaviour, answers, says, says_nothing, tcp_server

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def router_trusts(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test authority is the only one that this router knows (SSL_CERT_FILE: openssl-env(7))."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    layer.forget_authorities()
    yield
    layer.forget_authorities()


def ask(
    server: ssl.SSLContext,
    *,
    name: str = "a.example",
    verify: bool = True,
    expiry: int = 14,
    behaviour: Behaviour = answers(PAGE),  # noqa: B008 (it keeps nothing)
    record: Record | None = None,
    **settings: Any,
) -> Finding:
    address = settings.get("address", ip_address("127.0.0.1"))
    return found(
        tcp_server(behaviour, str(address), server),
        record or Record(),
        kind=Kind.HTTP,
        http=Http(HttpMethod.GET, "/", "a.example", (StatusRange(200, 200),)),
        tls=Tls(name, verify, expiry),
        **settings,
    )


def day(distance: timedelta) -> str:
    return f"{datetime.now(UTC) + distance:%Y-%m-%d}"


def test_a_page_over_tls_is_good_with_and_without_verifying(authority: Authority) -> None:
    server = authority.server()
    assert ask(server) == Finding(True, "answered 200 OK")
    assert ask(server, verify=False, name="b.example") == Finding(True, "answered 200 OK")


def test_an_address_is_verified_without_a_name_asked_for(authority: Authority) -> None:
    asked: list[str | None] = []
    server = authority.server()
    server.sni_callback = lambda _object, name, _context: asked.append(name)
    assert ask(server, name="127.0.0.1").ok
    assert ask(server, name="::1", address=ip_address("::1")).ok
    assert ask(server, name="a.example").ok
    assert asked == [None, None, "a.example"]


@pytest.mark.parametrize("name", ["b.example", "127.0.0.2"])
def test_a_certificate_for_another_name_is_bad_when_verified(authority: Authority, name: str) -> None:
    assert ask(authority.server(), name=name) == Finding(False, f"certificate is not for {name}")


def test_a_self_signed_certificate_is_bad_when_verified(authority: Authority) -> None:
    server = authority.server(self_signed=True)
    assert ask(server) == Finding(False, "certificate is self-signed")
    assert ask(server, verify=False).ok


def test_an_unknown_authority_is_bad_when_verified(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).root))
    layer.forget_authorities()
    finding = ask(authority.server())
    assert finding == Finding(False, "certificate is of an authority that this router does not trust")


def test_an_expired_certificate_is_bad_when_verified_and_a_warning_else(authority: Authority) -> None:
    ended = timedelta(days=-3)
    server = authority.server(ends=ended)
    words = f"certificate expired on {day(ended)}"
    assert ask(server) == Finding(False, words)
    assert ask(server, verify=False) == Finding(True, "answered 200 OK", words)
    assert ask(server, verify=False, expiry=0) == Finding(True, "answered 200 OK")


def test_a_certificate_that_is_not_valid_yet_is_bad_when_verified(authority: Authority) -> None:
    begins = timedelta(days=2)
    finding = ask(authority.server(begins=begins))
    assert not finding.ok
    assert re.fullmatch(f"certificate is not valid before {day(begins)} [0-9:]{{5}} UTC", finding.reason)


@pytest.mark.parametrize("verify", [True, False])
def test_an_end_that_comes_near_is_a_warning(authority: Authority, verify: bool) -> None:
    server = authority.server(ends=timedelta(days=9, hours=1))
    warned = Finding(True, "answered 200 OK", "certificate ends in 9 days")
    assert ask(server, verify=verify) == warned
    assert ask(server, verify=verify, expiry=9) == Finding(True, "answered 200 OK")


def test_a_warning_stands_beside_a_bad_answer_too(authority: Authority) -> None:
    server = authority.server(ends=timedelta(days=1, hours=1))
    finding = ask(server, behaviour=answers(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
    assert finding == Finding(False, "answered 503 Busy, not 200", "certificate ends in 1 day")


def test_a_server_without_tls_on_the_port_is_named_so() -> None:
    plain = tcp_server(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    finding = found(plain, kind=Kind.HTTP, tls=Tls("a.example", False, 14))
    assert not finding.ok
    assert finding.reason.startswith("TLS: the real server does not speak it on this port (")


def test_a_server_that_accepts_and_says_nothing_is_out_after_the_limit() -> None:
    finding = found(tcp_server(says_nothing), kind=Kind.HTTP, tls=Tls("a.example", True, 14), timeout=0.1)
    assert finding == Finding(False, "TLS handshake: no answer within 0.1 s")


def test_a_server_that_closes_during_the_handshake_is_named_so() -> None:
    finding = found(tcp_server(answers(until=b"\x00")), kind=Kind.HTTP, tls=Tls("a.example", True, 14))
    assert not finding.ok
    assert finding.reason in (
        "TLS: the real server closed the connection during the handshake",
        "TLS handshake: reset by the real server",
    )


def test_a_server_that_closes_in_the_middle_of_its_page_is_bad(authority: Authority) -> None:
    finding = ask(authority.server(), behaviour=answers(PAGE[:-1]))
    assert finding == Finding(
        False, "read: the real server closed the connection in the middle of its answer"
    )


def test_what_the_server_refuses_is_named_as_it_names_it() -> None:
    alert = b"\x15\x03\x03\x00\x02\x02\x46"  # fatal, protocol_version (RFC 8446, 6)
    finding = found(tcp_server(answers(alert, until=b"\x00")), kind=Kind.HTTP, tls=Tls("a.example", True, 14))
    assert finding == Finding(False, "TLS: tlsv1 alert protocol version")


def test_a_name_that_cannot_be_asked_for_is_bad_and_says_what_to_correct(authority: Authority) -> None:
    assert ask(authority.server(), name="a..example") == Finding(
        False, "'a..example' is no name of a host: correct tls_name or http_host"
    )


def test_the_transcript_has_the_page_in_the_clear_and_the_certificates_dates(authority: Authority) -> None:
    record = Record()
    assert ask(authority.server(ends=timedelta(days=90)), record=record).ok
    assert transcript(record, What.SENT).startswith(b"GET / HTTP/1.1\r\n")
    assert transcript(record, What.RECEIVED) == PAGE
    notes = transcript(record, What.NOTE).decode()
    assert "TLSv1.3, " in notes
    assert f"to {day(timedelta(days=90))}" in notes
