"""What every answer tells the browser, whatever it answers; TLS, where the browser came by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client

from lvs import models
from piranha_web.access.headers import HEADERS, HSTS_BY_ITSELF, hsts
from piranha_web.tls import making, serving
from piranha_web.views import help as help_views
from tests.web.conftest import PASSWORD, USER
from tests.web.test_every_address import EVERY

STATIC = "/static/css/piranha.css"


def headers_of(client: Client, method: str, address: str, **more: Any) -> dict[str, str]:
    response: Any = client.generic(method, address, **more)
    if response.streaming:
        b"".join(response)  # which closes it; by close() Django would end the test's own connection as well
    return dict(response.headers)


def check(found: dict[str, str], where: str) -> None:
    for name, value in HEADERS.items():
        if name == "Cache-Control" and where == STATIC:
            assert found[name] == "max-age=300, public", where
        else:
            assert found[name] == value, where


def test_every_address_has_every_header_for_whoever_asks_by_whatever_method(
    administrator: Client, anonymous: Client, stranger: Client, cluster: models.Cluster
) -> None:
    """Pages, redirects, refusals by method, role, form and network, what is not there, static files."""
    addresses = [address for _name, address in EVERY if address not in ("/logout", "/login")]
    for address in [*addresses, "/nothing", "/static/nothing.css", STATIC]:
        check(headers_of(administrator, "GET", address), address)
    for address in ["/", "/login", "/lvs.cf", "/nothing", STATIC]:
        check(headers_of(administrator, "PUT", address), f"PUT {address}")
        check(headers_of(anonymous, "POST", address), f"POST {address}")
        found = headers_of(stranger, "GET", address)
        assert {name: found[name] for name in HEADERS} == HEADERS, f"{address} from outside"


def test_a_foreign_host_a_large_body_and_a_page_that_fails_have_them_too(
    administrator: Client, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(headers_of(administrator, "GET", "/", HTTP_HOST="evil.example"), "a foreign host")
    check(headers_of(administrator, "POST", "/", CONTENT_LENGTH="9" * 20), "a large body")

    def fails(request: HttpRequest) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(help_views, "render", fails)
    administrator.raise_request_exception = False
    response = administrator.get("/help")
    assert response.status_code == 500
    check(dict(response.headers), "a page that fails")


def logged_in(**more: Any) -> Any:
    return Client().post("/login", {"username": USER, "password": PASSWORD}, **more)


def test_cookies_that_came_by_tls_go_by_tls_alone(site: Any) -> None:
    assert {cookie["secure"] for cookie in logged_in(secure=True).cookies.values()} == {True}
    assert {cookie["secure"] for cookie in logged_in().cookies.values()} == {""}


def test_a_named_proxy_says_that_the_browser_came_by_tls_and_nobody_else_does(site: Any) -> None:
    said = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "10.0.0.9"}
    assert {cookie["secure"] for cookie in logged_in(**said).cookies.values()} == {""}
    site.PIRANHA_PROXIES = [ip_network("127.0.0.1/32")]
    assert {cookie["secure"] for cookie in logged_in(**said).cookies.values()} == {True}


def test_where_others_could_listen_plain_http_gets_nothing_but_a_sentence(site: Any) -> None:
    site.PIRANHA_ONLY_TLS = True
    client = Client(REMOTE_ADDR="10.0.0.9")
    for address in ("/", "/login", STATIC):
        response = client.get(address)
        assert response.status_code == 403
        assert "https://" in response.content.decode()
        assert not response.cookies
    assert client.get("/login", secure=True).status_code == 200
    assert Client().get("/login").status_code == 200  # on the machine itself


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[serving.Shown]:
    """A certificate that somebody else vouches for."""
    now = datetime.now(UTC)
    signer, key = making.authority(now)
    made, own = making.signed_by(signer, key, ["lb.example.org"], now)
    making.write(tmp_path / "pair.pem", making.pem_of_key(own) + making.pem(made))
    pair = str(tmp_path / "pair.pem")
    variables = {"PIRANHA_TLS": "on", "PIRANHA_TLS_CERT": pair, "PIRANHA_VAR": str(tmp_path)}
    yield serving.begin(serving.Serving.from_environment(variables))
    serving.SHOWN.clear()


def test_hsts_is_for_host_names_with_a_certificate_that_a_browser_trusts(
    shown: serving.Shown, tmp_path: Path
) -> None:
    assert hsts("lb.example.org:3636", shown, None) == HSTS_BY_ITSELF
    assert hsts("lb.example.org", shown, timedelta(days=90)) == timedelta(days=90)
    for no_name in ("localhost", "localhost:3636", "x.localhost", "192.0.2.7", "[2001:db8::1]:443", ""):
        assert hsts(no_name, shown, timedelta(days=90)) == timedelta()
    own = serving.Shown(
        serving.Serving.from_environment({"PIRANHA_TLS": "on", "PIRANHA_VAR": str(tmp_path / "own")})
    )
    assert hsts("lb.example.org", own, timedelta(days=90)) == timedelta()
    assert hsts("lb.example.org", None, None) == timedelta()  # who knows what a proxy shows?
    assert hsts("lb.example.org", None, timedelta(days=90)) == timedelta(days=90)


def test_hsts_goes_only_to_who_came_by_tls(shown: serving.Shown, site: Any) -> None:
    site.PIRANHA_HOSTS = ["lb.example.org"]
    secure = Client().get("/login", secure=True, HTTP_HOST="lb.example.org")
    assert secure["Strict-Transport-Security"] == f"max-age={7 * 86_400}"
    assert "Strict-Transport-Security" not in Client().get("/login", HTTP_HOST="lb.example.org")
    site.PIRANHA_HSTS = timedelta()
    assert "Strict-Transport-Security" not in Client().get("/login", secure=True, HTTP_HOST="lb.example.org")


def test_a_certificate_that_ends_soon_is_said_on_every_page(
    shown: serving.Shown, administrator: Client, cluster: models.Cluster
) -> None:
    assert "The certificate of these pages" not in administrator.get("/help").content.decode()
    shown.clock = lambda: shown.certificate.not_after - timedelta(days=5, hours=1)
    page = administrator.get("/help").content.decode()
    assert "The certificate of these pages ends in 5 days" in page
    assert "put another in its place" in page
