"""What somebody tries with sessions and with what a browser keeps: fixed, stolen, framed, led astray."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from lvs import models, store
from lvs.sent import orders
from piranha_web.access import passwords
from tests.conftest import RedisServer
from tests.web.conftest import PASSWORD, USER
from tests.web.reports import report, status
from tests.web.test_every_address import EVERY

pytestmark = pytest.mark.thorough

COOKIE = "piranha_session"
LOGIN = {"username": USER, "password": PASSWORD}


@pytest.fixture
def own_file(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A password file that a test may change, with hashes that are quickly made."""
    quick = passwords.CONTEXT.copy(argon2__time_cost=1, argon2__memory_cost=64, argon2__parallelism=1)
    monkeypatch.setattr(passwords, "CONTEXT", quick)
    path = tmp_path / "piranha.passwd"
    passwords.set_password(USER, PASSWORD, path)
    site.PIRANHA_PASSWORD_FILE = path
    return path


def with_cookie(value: str) -> Client:
    """A browser that has this session cookie, wherever it comes from."""
    client = Client()
    client.cookies[COOKIE] = value
    return client


def gets_in(client: Client) -> bool:
    return client.get("/password").status_code == 200


def made_session() -> str:
    """A session that the site itself made, for nobody."""
    session = SessionStore()
    session["cluster"] = 1
    session.save()
    assert session.session_key
    return session.session_key


@pytest.mark.parametrize("made", [True, False], ids=["made by the site", "invented"])
def test_a_session_that_the_attacker_knew_before_the_login_is_not_the_one_after_it(
    own_file: Path, made: bool
) -> None:
    known = made_session() if made else "0123456789abcdefghijklmnopqrstuv"
    victim = with_cookie(known)

    assert victim.post("/login", LOGIN).status_code == 302

    assert victim.cookies[COOKIE].value != known
    assert gets_in(victim)
    assert not gets_in(with_cookie(known))


def test_the_token_against_forged_forms_changes_with_the_login(own_file: Path) -> None:
    client = Client()
    client.get("/login")
    before = client.cookies["piranha_csrf"].value

    client.post("/login", LOGIN)

    assert client.cookies["piranha_csrf"].value != before


def test_a_stolen_cookie_is_worth_nothing_after_the_log_out(administrator: Client) -> None:
    stolen = administrator.cookies[COOKIE].value
    assert gets_in(with_cookie(stolen))

    administrator.post("/logout")

    assert not gets_in(with_cookie(stolen))


def test_a_stolen_cookie_is_worth_nothing_after_a_change_of_the_password(own_file: Path) -> None:
    victim = Client()
    victim.post("/login", LOGIN)
    stolen = victim.cookies[COOKIE].value

    victim.post("/password", {"old": PASSWORD, "new": "battery staple", "again": "battery staple"})

    assert gets_in(victim)
    assert not gets_in(with_cookie(stolen))


def test_a_stolen_cookie_is_worth_nothing_after_piranha_passwd(own_file: Path) -> None:
    victim = Client()
    victim.post("/login", LOGIN)

    passwords.set_password(USER, PASSWORD, own_file)  # even to the same one: its salt is another

    assert not gets_in(victim)


def test_a_session_of_a_removed_account_does_not_come_back_with_the_name(own_file: Path) -> None:
    victim = Client()
    victim.post("/login", LOGIN)
    own_file.write_text("")
    assert not gets_in(victim)

    passwords.set_password(USER, "another person's", own_file)

    assert not gets_in(victim)


@pytest.mark.parametrize(
    "value", ["", "x", "a" * 32, "../../etc/passwd", "' OR 1=1 --", "\xff\xfe", "x" * 4000]
)
def test_an_invented_session_opens_nothing(administrator: Client, value: str) -> None:
    assert not gets_in(with_cookie(value))


def test_what_the_cookie_says_cannot_be_calculated(administrator: Client) -> None:
    value = administrator.cookies[COOKIE].value

    assert len(value) == 32
    assert USER not in value
    assert SESSION_KEY not in value


def test_cookies_are_for_this_site_and_no_script(own_file: Path, anonymous: Client) -> None:
    anonymous.get("/login")
    anonymous.post("/login", LOGIN)

    session, token = anonymous.cookies[COOKIE], anonymous.cookies["piranha_csrf"]
    assert (session["httponly"], session["samesite"], session["domain"]) == (True, "Lax", "")
    assert (token["httponly"], token["samesite"], token["domain"]) == (True, "Strict", "")


def test_behind_https_cookies_never_go_in_the_clear(own_file: Path, anonymous: Client, site: Any) -> None:
    site.SESSION_COOKIE_SECURE = site.CSRF_COOKIE_SECURE = True  # PIRANHA_HTTPS=1
    anonymous.get("/login", secure=True)
    anonymous.post("/login", LOGIN, secure=True)

    assert all(anonymous.cookies[name]["secure"] for name in (COOKIE, "piranha_csrf"))


# ---- what a browser, a proxy, a frame may do with a page


@pytest.fixture
def asked(
    redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> models.Cluster:
    """A cluster with a revision, whose routers report and are not waited for."""
    for name in [name for name in dir(orders) if name.endswith("_SECONDS")]:
        monkeypatch.setattr(orders, name, 0.01)
    store.freeze(cluster, author="anna", message="first")
    report("r1", status())
    return cluster


def test_no_answer_may_be_kept_framed_or_taken_for_something_else(
    administrator: Client, asked: models.Cluster
) -> None:
    for _, address in [*EVERY, ("", "/nothing")]:
        for method in ("GET", "POST", "PUT"):
            if method == "POST" and address in ("/logout", "/login"):
                continue
            answer = administrator.generic(method, address)
            headers = answer.headers
            where = f"{method} {address}"
            assert headers["Cache-Control"] == "no-store", where
            assert headers["X-Frame-Options"] == "DENY", where
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], where
            assert headers["X-Content-Type-Options"] == "nosniff", where
            assert headers["Referrer-Policy"] == "same-origin", where
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin", where
            assert "Server" not in headers, where
            assert not [name for name in headers if name.startswith("Access-Control")], where
            assert answer.get("Content-Type", "charset=utf-8").endswith("charset=utf-8"), where


def test_after_the_log_out_the_browser_is_not_shown_a_page_that_it_kept(administrator: Client) -> None:
    answer = administrator.post("/logout")

    assert answer["Cache-Control"] == "no-store"
    assert administrator.cookies[COOKIE]["max-age"] == 0


# ---- led to another site

ASTRAY = [
    "https://evil.example/",
    "HTTPS://EVIL.EXAMPLE",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "\x1f//evil.example",
    "http:evil.example",
    "http:/evil.example",
    "http:///evil.example",
    "https:\\\\evil.example",
    "http://testserver@evil.example/",
    "http://testserver:80@evil.example/",
    "http://testserver.evil.example/",
    "http://evil.example#testserver",
    "http://evil.example\\testserver",
    "http://[::1]evil.example/",
    "//[evil.example",
    "ftp://testserver/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "JaVaScRiPt://testserver/%0aalert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:http://testserver/x",
    "/\u2028/evil.example",
    "\u3000//evil.example",
    "／／evil.example",
    "//evil。example",
    "/login?next=//evil.example\r\nSet-Cookie: a=b",
]


def stays_here(location: str) -> bool:
    """Whether a browser (WHATWG URL: blanks at the ends go, tabs and line ends everywhere, \\ is /) stays."""
    text = "".join(sign for sign in location.strip() if sign not in "\t\r\n").replace("\\", "/")
    found = urlsplit(text)
    return found.scheme in ("", "http") and found.netloc in ("", "testserver") and not text.startswith("//")


@pytest.mark.parametrize("wanted", ASTRAY)
def test_the_login_leads_to_no_other_site(
    monkeypatch: pytest.MonkeyPatch, anonymous: Client, wanted: str
) -> None:
    monkeypatch.setattr(passwords, "check_password", lambda *_: True)  # it takes its time on purpose
    answer = anonymous.post("/login", {**LOGIN, "next": wanted})

    assert answer.status_code == 302
    assert stays_here(answer["Location"]), answer["Location"]
    assert set(answer.cookies) <= {COOKIE, "piranha_csrf", "messages"}
    assert not set(answer["Location"]) & set("\r\n\t\\")


@pytest.mark.parametrize("wanted", ASTRAY)
def test_an_order_leads_back_to_no_other_site(
    administrator: Client, cluster: models.Cluster, wanted: str
) -> None:
    answer = administrator.get("/real-servers/order", {"order": "none", "next": wanted})

    assert answer.status_code == 302
    assert stays_here(answer["Location"]), answer["Location"]
    assert answer["Location"].startswith("/")


def test_the_way_to_the_login_names_a_page_of_this_site(anonymous: Client) -> None:
    for address in ("//evil.example/", "/%0d%0aSet-Cookie:a=b", "/\\evil.example", "/redundancy?next=//evil"):
        answer = anonymous.generic("GET", address)
        assert answer.status_code in (302, 404), address
        assert stays_here(answer.get("Location", "/")), address
        assert "\r" not in answer.get("Location", ""), address
