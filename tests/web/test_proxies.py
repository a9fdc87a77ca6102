"""Whose request it is, as somebody tries who would like to be somebody else."""

from __future__ import annotations

import logging
from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory

from lvs import models
from piranha_web import audit
from piranha_web.access import addresses
from piranha_web.access.addresses import client_address, is_secure, origin_of
from tests.web.conftest import PASSWORD, USER

PROXY = "10.0.0.5"
STRANGER = "203.0.113.9"


@pytest.fixture(autouse=True)
def proxies(site: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two proxies and a network of them, and a list without the networks that they are in."""
    site.PIRANHA_PROXIES = [ip_network(text) for text in ("10.0.0.5", "10.0.0.6", "2001:db8:1::/64")]
    site.PIRANHA_PROXY_SOCKET = False
    site.PIRANHA_ALLOW = [ip_network(text) for text in ("127.0.0.0/8", "198.51.100.0/24", "2001:db8::/64")]
    monkeypatch.setattr(addresses, "IGNORED", addresses.Ignored())
    monkeypatch.setattr(audit, "REFUSALS", audit.Refusals())
    return site


def asked(forwarded: str | None = None, peer: str = PROXY, **meta: Any) -> HttpRequest:
    """A request of that peer."""
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    return RequestFactory().get("/", REMOTE_ADDR=peer, **meta)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("127.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1,198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.6", "198.51.100.7"),
        ("127.0.0.1, 198.51.100.7, 2001:db8:1::9, 10.0.0.6", "198.51.100.7"),
        ("198.51.100.7,\t10.0.0.6 ", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("[::ffff:198.51.100.7]:1", "198.51.100.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown, 198.51.100.7", "198.51.100.7"),
        (", , ,198.51.100.7", "198.51.100.7"),
        ("<script>, \x00, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1," * 11_000 + "198.51.100.7", "198.51.100.7"),
        ("x" * 100_000 + ",198.51.100.7", "198.51.100.7"),
        ("10.0.0.6", "10.0.0.6"),
        ("10.0.0.6, 10.0.0.5", "10.0.0.6"),
    ],
)
def test_of_a_named_proxys_header_the_first_from_the_right_that_is_no_proxy_counts(
    header: str, client: str
) -> None:
    assert origin_of(asked(header)) == addresses.Origin(client, secure=False)


@pytest.mark.parametrize(
    "header",
    ["", " ", ",", "198.51.100.7,", "198.51.100.7, ", "unknown", "_hidden", "198.51.100.7, unknown",
     '"198.51.100.7"', "for=198.51.100.7", "198.51.100.7;", "198.51.100.7 127.0.0.1", "198.51.100.7:",
     "198.51.100.7:123456", "198.51.100.7:port", "[198.51.100.7]", "[2001:db8::7", "2001:db8::7]",
     "[2001:db8::7]x", "[fe80::1%eth0]", "0306.063.0144.07", "198.51.100.007", "0xc6336407", "3325256711",
     "198.51.25607", "198.51.100.7/32", "localhost", "198.51.100.7, 10.0.0.6, x", "１98.51.100.7",
     "x" * 100_000, "10.0.0.6," * 17 + "10.0.0.6", "10.0.0.5," * 20_000 + "10.0.0.5"],
)  # fmt: skip
def test_a_proxy_that_does_not_say_plainly_for_whom_it_asks_is_refused(header: str) -> None:
    response = Client(REMOTE_ADDR=PROXY).get("/static/css/piranha.css", HTTP_X_FORWARDED_FOR=header)

    assert response.status_code == 400
    body = response.content.decode()
    assert body.startswith(f"The proxy {PROXY} ")
    assert "X-Forwarded-For" in body
    assert len(body) < 300
    entry = models.AuditEntry.objects.get()
    assert (entry.address, entry.outcome) == (PROXY, "refused")


def test_a_proxy_without_the_header_is_refused_also_where_its_own_address_is_allowed(proxies: Any) -> None:
    proxies.PIRANHA_PROXIES = [ip_network("127.0.0.1")]

    response = Client().get("/login")

    assert response.status_code == 400
    assert "does not say for whom it asks" in response.content.decode()


def test_what_counts_behind_a_proxy_is_the_clients_address_and_not_the_proxys() -> None:
    proxy = Client(REMOTE_ADDR=PROXY)

    assert proxy.get("/login", HTTP_X_FORWARDED_FOR="198.51.100.7").status_code == 200
    refused = proxy.get("/login", HTTP_X_FORWARDED_FOR=f"198.51.100.7, {STRANGER}")
    assert refused.status_code == 403
    assert STRANGER in refused.content.decode()
    assert proxy.get("/static/css/piranha.css", HTTP_X_FORWARDED_FOR=STRANGER).status_code == 403
    # Nobody may make out of two proxies a client that is one.
    assert proxy.get("/login", HTTP_X_FORWARDED_FOR="10.0.0.6").status_code == 403


@pytest.mark.parametrize("peer", [STRANGER, "10.0.0.50", "10.0.0.4", "2001:db8:2::1", "", "10.0.0.05", "x"])
@pytest.mark.parametrize("header", ["127.0.0.1", "198.51.100.7", "10.0.0.5", "198.51.100.7, 10.0.0.5"])
def test_the_header_of_anybody_else_is_not_believed(peer: str, header: str) -> None:
    request = asked(header, peer, HTTP_X_FORWARDED_PROTO="https")

    assert client_address(request) == peer
    assert not is_secure(request)
    assert Client(REMOTE_ADDR=peer).get("/login", HTTP_X_FORWARDED_FOR=header).status_code == 403


def test_a_proxy_is_known_in_the_spelling_of_a_dual_stack_socket() -> None:
    assert client_address(asked("198.51.100.7", f"::ffff:{PROXY}")) == "198.51.100.7"


@pytest.mark.parametrize(
    "header",
    ["HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_X_FORWARDED"],
)
def test_no_other_header_is_read_even_of_a_named_proxy(header: str) -> None:
    request = asked(
        f"{STRANGER}", **{header: "for=198.51.100.7" if "FORWARDED" in header else "198.51.100.7"}
    )

    assert client_address(request) == STRANGER


def test_a_proxy_at_a_unix_socket_is_believed_where_it_is_named(proxies: Any) -> None:
    assert client_address(asked("198.51.100.7", "")) == ""

    proxies.PIRANHA_PROXY_SOCKET = True

    assert client_address(asked("198.51.100.7", "")) == "198.51.100.7"
    assert origin_of(asked(None, "")).problem.startswith("The proxy at the socket does not say")


@pytest.mark.parametrize(
    ("header", "secure"),
    [("https", True), ("HTTPS", True), ("http", False), ("https, http", False), ("http,https", False),
     ("https,https", True)],
)  # fmt: skip
def test_a_named_proxy_says_whether_the_browser_uses_tls(header: str, secure: bool) -> None:
    assert is_secure(asked("198.51.100.7", HTTP_X_FORWARDED_PROTO=header)) is secure


@pytest.mark.parametrize("header", ["", "ftp", "https;", "on", "https, ", "x" * 100_000, "https," * 20_000])
def test_a_scheme_that_is_none_is_refused(header: str) -> None:
    response = Client(REMOTE_ADDR=PROXY).get(
        "/login", HTTP_X_FORWARDED_FOR="198.51.100.7", HTTP_X_FORWARDED_PROTO=header
    )

    assert response.status_code == 400
    assert "X-Forwarded-Proto" in response.content.decode()
    assert len(response.content) < 300


def test_without_a_scheme_the_proxys_own_connection_counts() -> None:
    assert is_secure(asked("198.51.100.7", **{"wsgi.url_scheme": "https"}))
    assert not is_secure(asked("198.51.100.7"))


@pytest.mark.parametrize(
    ("proto", "origin", "status"),
    [("https", "https://testserver", 302), ("https", "http://testserver", 403),
     ("http", "https://testserver", 403), ("http", "http://testserver", 302)],
)  # fmt: skip
def test_forms_work_behind_a_proxy_that_does_the_tls_and_only_from_its_own_origin(
    proto: str, origin: str, status: int
) -> None:
    client = Client(
        REMOTE_ADDR=PROXY,
        HTTP_X_FORWARDED_FOR="198.51.100.7",
        HTTP_X_FORWARDED_PROTO=proto,
        HTTP_HOST="testserver",
        enforce_csrf_checks=True,
    )
    token = client.get("/login").context["csrf_token"]

    response = client.post(
        "/login",
        {"username": USER, "password": PASSWORD, "csrfmiddlewaretoken": str(token)},
        HTTP_ORIGIN=origin,
    )

    assert response.status_code == status


def test_sessions_and_the_audit_log_name_the_client_and_not_the_proxy() -> None:
    client = Client(REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR="127.0.0.1, ::ffff:198.51.100.7")

    assert client.post("/login", {"username": USER, "password": PASSWORD}).status_code == 302

    assert models.Login.objects.get().address == "198.51.100.7"
    assert {entry.address for entry in models.AuditEntry.objects.all()} == {"198.51.100.7"}


def test_headers_that_are_not_believed_are_told_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(addresses.time, "monotonic", lambda: now)
    with caplog.at_level(logging.WARNING, "piranha.access"):
        for number in range(50):
            client_address(asked("127.0.0.1\n", f"203.0.113.{number}"))
        now += 60
        client_address(asked("127.0.0.1", STRANGER))

    first, second = (record.getMessage() for record in caplog.records)
    assert first == (
        "ignored a forwarding header of '203.0.113.0', which is no proxy that PIRANHA_PROXIES names"
    )
    assert second.endswith("(and 49 more since the last line like this)")
