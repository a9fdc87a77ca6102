"""Signing in by an OpenID Connect issuer in tests: the site's file, and what a browser does."""

from __future__ import annotations

import html
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from lvs import models
from piranha_web import audit
from piranha_web.access import oidc, oidc_wire
from tests.web.pages import text_of
from tests.web.provider import CLIENT, SECRET, Claims, Provider, Server

ROLES = models.UserRole
ANNA = {"sub": "0001", "preferred_username": "anna", "groups": ["shop", "lvs-operators"]}
BEGIN, BACK = "/login/by", "/login/by/return"


@pytest.fixture(scope="session")
def oidc_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def provider(oidc_server: Server, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """An honest provider, at which anna is logged in."""
    oidc_wire.SHELF.clear()
    monkeypatch.setattr(audit, "REFUSALS", audit.Refusals())
    fresh = oidc_server.fresh()
    fresh.person = dict(ANNA)
    return fresh


@pytest.fixture
def oidc_words(provider: Provider) -> Claims:
    """What the file says at first."""
    return {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "roles": {
            "lvs-operators": "operator",
            "lvs-admins": "administrator",
            "shop": {"lab": "administrator", "not there": "operator"},
        },
    }


WriteFile = Callable[..., None]


@pytest.fixture
def oidc_file(site: Any, tmp_path: Path, oidc_words: Claims) -> WriteFile:
    """Writes the file, with changes."""
    site.AUTHENTICATION_BACKENDS = [*site.AUTHENTICATION_BACKENDS, oidc.BACKEND]
    site.PIRANHA_OIDC_FILE = tmp_path / "oidc.json"

    def write(**changes: Any) -> None:
        site.PIRANHA_OIDC_FILE.unlink(missing_ok=True)
        site.PIRANHA_OIDC_FILE.touch(mode=0o600)
        site.PIRANHA_OIDC_FILE.write_text(json.dumps(oidc_words | changes))

    write()
    return write


def away(client: Client, next_page: str = "") -> str:
    """Begins a sign-in; the address at the issuer to which the browser is sent."""
    response = client.get(BEGIN, {"next": next_page} if next_page else {})
    assert response.status_code == 302
    return str(response["Location"])


def at_the_issuer(address: str) -> str:
    """What the issuer makes of it: the path and query with which the browser comes back."""
    parts = urlsplit(address)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    line.request("GET", f"{parts.path}?{parts.query}")
    location = line.getresponse().headers["Location"]
    line.close()
    assert location.startswith(f"http://testserver{BACK}?")
    return str(location).removeprefix("http://testserver")


def sign_in(client: Client, next_page: str = "") -> Any:
    """All of it; the site's answer to the browser that comes back."""
    return client.get(at_the_issuer(away(client, next_page)))


def is_in(client: Client) -> bool:
    return client.get("/help").status_code == 200


def refused(client: Client, response: Any) -> str:
    """Sees that nobody is logged in by it; the words on the login page."""
    assert response.status_code == 302
    assert response["Location"].partition("?")[0] == "/login"
    assert not is_in(client)
    page = client.get(response["Location"])
    assert page.status_code == 200
    assert 'name="password"' in page.content.decode()
    return html.unescape(text_of(page))


def account(name: str = "anna") -> models.Account:
    return models.Account.objects.get(name=name)


def clusters(name: str = "anna") -> dict[str, int]:
    return {one.cluster.name: one.role for one in account(name).cluster_roles.all()}
