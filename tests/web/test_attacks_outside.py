"""What somebody without a login tries: all methods, forged requests and addresses, foreign host names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from lvs import models, store
from piranha_web.access import passwords
from piranha_web.access.allowlist import is_allowed, is_own_name
from piranha_web.access.failures import Kind
from tests.web.conftest import CONFIG, PASSWORD, USER
from tests.web.test_every_address import EVERY, OFF, OPEN, UNREADY

pytestmark = pytest.mark.thorough

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X-y"]
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')
FORGED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_VIA",
          "HTTP_X_FORWARDED", "HTTP_X_CLUSTER_CLIENT_IP", "HTTP_CLIENT_IP", "HTTP_REMOTE_ADDR",
          "HTTP_X_ORIGINATING_IP", "HTTP_X_REMOTE_ADDR")  # fmt: skip


def said(client: Client, method: str, address: str) -> tuple[int, str, str]:
    """Status, where to, and body of an answer, without what differs each time."""
    response = client.generic(method, address)
    body = b"".join(response) if response.streaming else response.content
    response.close()
    return response.status_code, response.get("Location", ""), TOKEN.sub("", body.decode())


# Open by themselves, or to whoever has a token: what is said of the rest does not hold of them.
WITHOUT_LOGIN = {*OPEN, *UNREADY, *OFF, "login-code", "enrol", "metrics"}


def test_no_answer_tells_somebody_without_a_login_what_exists(anonymous: Client) -> None:
    addresses = [
        *(address for _, address in EVERY),
        *(address.replace("/1", "/999999") for _, address in EVERY if "/1" in address),
        "/nothing",
        "/admin/",
        "/static/",
        "/.git/config",
    ]
    before = {
        (method, address): said(anonymous, method, address) for address in addresses for method in METHODS
    }
    cluster = store.create_cluster("lab", "r1", "r2")
    store.save(cluster, CONFIG)
    store.freeze(cluster, author="anna", message="first")
    after = {(method, address): said(anonymous, method, address) for method, address in before}

    assert {asked: after[asked] for asked in after if after[asked] != before[asked]} == {}
    assert not [
        asked for asked, (_, _, body) in after.items() if re.search(r"\b(lab|shop|r1|web1|anna)\b", body)
    ]
    for address in (address for name, address in EVERY if name not in WITHOUT_LOGIN):
        for method in METHODS:
            status, _, body = after[method, address]
            assert (status, body) == (302, ""), (method, address)
            existing = after[method, address.replace("/1", "/999999")][:1]
            assert existing == (302,), (method, address)


@pytest.mark.parametrize(
    "path",
    [
        "../settings.py",
        "css/../../piranha_web/settings.py",
        "%2e%2e/pyproject.toml",
        "..%2fpyproject.toml",
        "%2e%2e%2fpyproject.toml",
        "..%5cpyproject.toml",
        "//etc/passwd",
        "%2fetc/passwd",
        "css/%00",
        "css",
        "css/",
        "css/piranha.css/",
        "....//pyproject.toml",
        "%ff%fe",
    ],
)
def test_the_address_of_a_static_file_leads_to_no_other_file(anonymous: Client, path: str) -> None:
    status, _, body = said(anonymous, "GET", "/static/" + path)

    assert status in (302, 400, 404)
    assert "root:" not in body
    assert "[project]" not in body
    assert "SECRET_KEY" not in body


def test_what_lies_among_the_static_files_is_for_browsers_only(anonymous: Client) -> None:
    kinds = {path.suffix for path in (Path(django_settings.BASE_DIR) / "static").rglob("*") if path.is_file()}

    assert kinds <= {".css", ".js", ".svg", ".md", ".txt", ""}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_static_file_is_only_read(anonymous: Client, method: str) -> None:
    assert said(anonymous, method, "/static/css/piranha.css")[0] in (403, 404, 405)


# ---- forged requests of a browser that is logged in


@pytest.fixture
def victim(administrator: Client) -> tuple[Client, str]:
    """A browser that is logged in, with the check of tokens on; and its right token."""
    client = Client(enforce_csrf_checks=True)
    client.cookies = administrator.cookies
    page = client.get("/password").content.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found
    return client, found[1]


FORGERIES: dict[str, tuple[str | None, dict[str, Any]]] = {
    "wrong token": ("x" * 64, {}),
    "short token": ("x", {}),
    "empty token": ("", {}),
    "wrong token in a header": (None, {"HTTP_X_CSRFTOKEN": "x" * 64}),
    "foreign origin": ("right", {"HTTP_ORIGIN": "https://evil.example"}),
    "no origin": ("right", {"HTTP_ORIGIN": "null"}),
    "origin that begins as ours": ("right", {"HTTP_ORIGIN": "http://testserver.evil.example"}),
    "another port": ("right", {"HTTP_ORIGIN": "http://testserver:8080"}),
    "another scheme": ("right", {"HTTP_ORIGIN": "https://testserver"}),
    "foreign referer": ("right", {"secure": True, "HTTP_REFERER": "https://evil.example/testserver/"}),
    "referer without TLS": ("right", {"secure": True, "HTTP_REFERER": "http://testserver/"}),
    "no referer": ("right", {"secure": True}),
}


def forged(client: Client, right: str, forgery: str, address: str) -> str:
    """What comes of a forged request; it is refused."""
    token, headers = FORGERIES[forgery]
    fields = {} if token is None else {"csrfmiddlewaretoken": right if token == "right" else token}
    response = client.post(address, {**fields, "name": "x", "verb": "enable"}, **headers)
    assert response.status_code == 403, address
    return response.content.decode()


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_page_elsewhere_cannot_send_a_form_in_somebodys_name(
    victim: tuple[Client, str], cluster: models.Cluster, forgery: str
) -> None:
    edition = cluster.edition
    for address in ("/virtual-servers", "/apply", "/logout"):
        assert "Nothing was changed" in forged(*victim, forgery, address)
    cluster.refresh_from_db()
    assert cluster.edition == edition
    assert victim[0].get("/password").status_code == 200  # not even logged out


@pytest.mark.parametrize("forgery", ["wrong token", "foreign origin"])
def test_every_address_asks_where_a_form_comes_from(
    victim: tuple[Client, str], cluster: models.Cluster, forgery: str
) -> None:
    edition = cluster.edition
    for name, address in EVERY:
        if name != "enrol":  # it looks at no cookie, so there is nothing to forge
            assert "Nothing was changed" in forged(*victim, forgery, address), address
    cluster.refresh_from_db()
    assert cluster.edition == edition


def test_the_right_token_of_the_own_page_is_taken(
    victim: tuple[Client, str], cluster: models.Cluster
) -> None:
    client, right = victim
    assert (
        client.post("/logout", {"csrfmiddlewaretoken": right}, HTTP_ORIGIN="http://testserver").status_code
        == 302
    )


def test_nobody_can_be_logged_in_as_somebody_else_by_a_foreign_page() -> None:
    client = Client(enforce_csrf_checks=True)
    fields = {"username": USER, "password": PASSWORD, "csrfmiddlewaretoken": "x" * 64}

    assert client.post("/login", fields, HTTP_ORIGIN="https://evil.example").status_code == 403
    assert client.get("/").status_code == 302


# ---- addresses and names


@pytest.mark.parametrize("header", FORGED)
@pytest.mark.parametrize("value", ["127.0.0.1", "10.0.0.1, 127.0.0.1", "::1", "[::1]:80", "unknown"])
def test_no_header_makes_a_foreign_address_an_allowed_one(stranger: Client, header: str, value: str) -> None:
    for address in ("/login", "/", "/static/css/piranha.css"):
        assert stranger.get(address, **{header: value}).status_code == 403


@pytest.mark.parametrize("value", ["for=127.0.0.1", 'for="[::1]:4711";proto=https;host=localhost'])
def test_nor_does_the_header_of_rfc_7239(stranger: Client, value: str) -> None:
    assert stranger.get("/login", HTTP_FORWARDED=value).status_code == 403


def test_a_forged_header_hides_nobody_who_guesses_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"username": USER, "password": "wrong password"}
    attacker = Client(REMOTE_ADDR="10.9.9.9")
    with monkeypatch.context() as quick:
        quick.setattr(passwords, "check_password", lambda *_: False)  # it takes its time on purpose
        for number in range(Kind.PAIR.value):
            attacker.post("/login", wrong, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}")

    right = {"username": USER, "password": PASSWORD}
    assert attacker.post("/login", right, HTTP_X_FORWARDED_FOR="10.0.0.77").status_code == 429
    assert Client(REMOTE_ADDR="10.0.0.1").post("/login", right).status_code == 302


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1 ",
        " 127.0.0.1",
        "127.0.0.1\n",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "0x7f.0.0.1",
        "2130706433",
        "017700000001",
        "127.0.0.1:80",
        "127.0.0.1,203.0.113.9",
        "127.0.0.1/8",
        "１２７.0.0.1",
        "localhost",
        "[::1]",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::ffff:203.0.113.9",
        "::ffff:cb00:7109",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001:0:7f00:1::",
        "203.0.113.9%127.0.0.1",
        "2001:db8::1%::1",
        "::1%",
        "0.0.0.0",
        "::",
        "\0",
    ],
)  # fmt: skip
def test_an_address_in_an_odd_spelling_is_not_taken_for_an_allowed_one(address: str) -> None:
    assert not is_allowed(address)
    assert Client(REMOTE_ADDR=address).get("/login").status_code == 403


@pytest.mark.parametrize(
    "address", ["::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:FFFF:127.0.0.1", "fe80::1%eth0"]
)
def test_an_allowed_address_is_known_in_the_spellings_of_a_dual_stack_socket(address: str) -> None:
    assert is_allowed(address)


NAMES = [
    "evil.example",
    "evil.example:3636",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.evil.example",
    "7f000001.evil.example",
    "127.0.0.1@evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1#evil.example",
    "127.0.0.1/evil.example",
    "127.0.0.1:80:evil.example",
    "127.0.0.1, evil.example",
    "localhost, evil.example",
    "[::1].evil.example",
    "[::1]evil.example",
    "evil.example[::1]",
    "[[::1]]",
    "[::1",
    "::1]",
    "127.1",
    "0x7f000001",
    "2130706433",
    "http://localhost/",
    "localhost\tevil.example",
    "localhost\0",
    "ｌocalhost",
    "localhost%2eevil.example",
    "*",
    ".",
    " ",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_whose_name_was_made_to_point_here_gets_nothing(administrator: Client, name: str) -> None:
    assert not is_own_name(name)
    for address in ("/", "/login", "/static/css/piranha.css", "/nothing"):
        response = administrator.get(address, HTTP_HOST=name)
        assert response.status_code == 403, address
        assert "PIRANHA_HOSTS" in response.content.decode()


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_HOST", "HTTP_X_HOST", "HTTP_X_FORWARDED_SERVER"])
def test_no_other_header_says_what_the_sites_name_is(
    anonymous: Client, cluster: models.Cluster, header: str
) -> None:
    response = anonymous.post(
        "/login",
        {"username": USER, "password": PASSWORD, "next": "http://evil.example/"},
        **{header: "evil.example"},
    )
    assert response["Location"] == "/"
    assert "evil.example" not in anonymous.get("/redundancy", **{header: "evil.example"}).content.decode()
