"""What holds for every address of the site, whatever is added to it."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from lvs import models

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
OPEN = {"login", "healthz"}
UNREADY = {"readyz"}  # open as well: it says that no worker runs here
OFF = {"oidc-begin", "oidc-return"}  # nothing is there as long as nobody switches it on


def patterns() -> list[URLPattern]:
    return [one for one in get_resolver().url_patterns if isinstance(one, URLPattern)]


def address_of(pattern: URLPattern) -> str:
    text = re.sub(r"<int:\w+>", "1", str(pattern.pattern)).replace("<slug:name>", "forwarding")
    return "/" + text.replace("<path:name>", "index.html")


EVERY = [(pattern.name or "", address_of(pattern)) for pattern in patterns()]


# Nothing is changed by what these send, which is just what they see to: one site does for all addresses.


def test_without_login_no_method_gets_anything(anonymous: Client, cluster: models.Cluster) -> None:
    edition = cluster.edition
    for name, address in EVERY:
        for method in METHODS:
            response = anonymous.generic(method, address)
            where = f"{method} {address}"
            if name in OPEN and method in ("GET", "HEAD"):
                assert response.status_code == 200, where
            elif name in OPEN:
                assert response.status_code in (200, 403, 405), where
            elif name in UNREADY:
                assert response.status_code == (503 if method in ("GET", "HEAD") else 405), where
            elif name == "metrics":
                assert response.status_code == (401 if method in ("GET", "HEAD") else 405), where
            elif name in OFF or name == "enrol":  # open to whoever has a token, and nobody has
                assert response.status_code in (404, 405), where
            elif name == "login-code":  # open to whoever has given the right password, and nobody has
                assert response.status_code == 405 or response.headers["Location"] == "/login", where
            else:
                assert response.status_code == 302, where
                assert response["Location"].startswith("/login?next="), where
        cluster.refresh_from_db()
        assert cluster.edition == edition, address


def test_from_outside_the_allowlist_every_address_is_refused_in_plain_words(stranger: Client) -> None:
    for _name, address in EVERY:
        for method in METHODS:
            response = stranger.generic(method, address)
            assert response.status_code == 403, f"{method} {address}"
            if method != "HEAD":
                assert "piranha allow add 203.0.113.9" in response.content.decode(), f"{method} {address}"


def test_no_address_takes_a_method_that_it_has_no_use_for(
    administrator: Client, cluster: models.Cluster
) -> None:
    for _name, address in EVERY:
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            response = administrator.generic(method, address)
            assert response.status_code == 405, f"{method} {address}"


def test_without_the_token_of_the_page_nothing_is_posted(
    administrator: Client, cluster: models.Cluster
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = administrator.cookies
    edition = cluster.edition
    for name, address in EVERY:
        response = client.post(address, {"name": "x", "verb": "enable"})
        if name == "enrol":  # it looks at no cookie, so there is nothing to forge
            assert response.status_code == 404
            continue
        assert response.status_code == 403, address
        assert "Nothing was changed" in response.content.decode(), address
        cluster.refresh_from_db()
        assert cluster.edition == edition, address


def test_every_answer_forbids_foreign_and_inline_scripts(
    administrator: Client, cluster: models.Cluster
) -> None:
    response = administrator.get("/virtual-servers")

    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cache-Control"] == "no-store"


def test_reading_a_page_changes_nothing_and_finds_labels_words_and_no_inline_scripts(
    administrator: Client, cluster: models.Cluster
) -> None:
    edition = cluster.edition
    shown = 0
    for _name, address in EVERY:
        response = administrator.get(address)

        cluster.refresh_from_db()
        assert cluster.edition == edition, address
        assert not models.Revision.objects.exists(), address
        if response.headers.get("Content-Type", "").startswith("text/html"):
            page = response.content.decode()
            assert inline_in(page) == [], address
            if response.status_code == 200:
                assert nameless_in(page) == [], address
                shown += 1
    assert shown > 40


def inline_in(page: str) -> list[str]:
    """Scripts and styles that the page brings along itself, which its policy forbids."""
    return re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", page)


def nameless_in(page: str) -> list[str]:
    """Fields without a label, and buttons without a word."""
    labelled = set(re.findall(r'<label[^>]*\bfor="([^"]+)"', page))
    fields = [
        tag
        for tag in re.findall(r"<(?:input|select|textarea)\b[^>]*>", page)
        if 'type="hidden"' not in tag and "aria-label=" not in tag
    ]
    found = [(tag, re.search(r'\bid="([^"]+)"', tag)) for tag in fields]
    buttons = re.findall(r"<button\b[^>]*>(.*?)</button>", page, re.DOTALL)
    return [
        *(tag for tag, name in found if name is None or name[1] not in labelled),
        *(f"button: {content}" for content in buttons if not re.sub(r"<[^>]+>", "", content).strip()),
    ]


def test_static_files_need_no_login_but_an_allowed_address(anonymous: Client, stranger: Client) -> None:
    response = anonymous.get("/static/css/piranha.css")
    assert response.status_code == 200
    assert b"--accent" in b"".join(response)
    response.close()
    assert stranger.get("/static/css/piranha.css").status_code == 403


def test_a_page_that_does_not_exist_says_where_to_go(administrator: Client, cluster: models.Cluster) -> None:
    response = administrator.get("/nothing/here")

    assert response.status_code == 404
    assert "/virtual-servers" in response.content.decode()


@pytest.mark.parametrize("length", [str(17 * 1024 * 1024), "9" * 5000])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(anonymous: Client, length: str) -> None:
    class Body:
        def read(self, *_size: int) -> bytes:
            raise AssertionError("the body was read")

        readline = read

    multipart = "multipart/form-data; boundary=b"
    response = anonymous.post(
        "/import", b"", content_type=multipart, CONTENT_LENGTH=length, **{"wsgi.input": Body()}
    )
    assert response.status_code == 413
    assert "at most 16 MB" in response.content.decode()
