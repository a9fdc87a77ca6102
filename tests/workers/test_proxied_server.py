"""The real web server behind a proxy: what its own parsing of headers makes of what an attacker sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.test_web_server import Server

STYLE = b"GET /static/css/piranha.css HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
PROTO = b"X-Forwarded-Proto: https\r\n"


class Site(Server):
    """Ours."""

    site = "from piranha_web.wsgi import application as application\n"

    def asked(self, *headers: bytes, proto: bytes = PROTO) -> tuple[int, str]:
        """What comes of a request for the style sheet by whoever is at loopback: status and body."""
        answer = self.said(STYLE + proto + b"".join(header + b"\r\n" for header in headers) + b"\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode(errors="replace")


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Site]:
    """The site at loopback, where the proxy is as well; a network that may reach it."""
    (tmp_path / "key").write_text("k" * 60)
    one = Site(
        tmp_path,
        PIRANHA_SECRET_KEY_FILE=str(tmp_path / "key"),
        PIRANHA_PROXIES="127.0.0.1",
        PIRANHA_ALLOW="198.51.100.0/24",
        DJANGO_SETTINGS_MODULE="piranha_web.settings",
    )
    yield one.begun()
    one.stop()


def test_whoever_comes_by_the_proxy_is_who_the_proxy_says_whatever_they_send(proxied: Site) -> None:
    assert proxied.asked(b"X-Forwarded-For: 198.51.100.7")[0] == 200
    for headers in (
        [b"X-Forwarded-For: 203.0.113.9"],
        [b"X-Forwarded-For: 198.51.100.7, 203.0.113.9"],
        [b"X-Forwarded-For: 198.51.100.7", b"X-Forwarded-For: 203.0.113.9"],
        [b"x-forwarded-for:198.51.100.7", b"X-FORWARDED-FOR:203.0.113.9"],
        [b"X_Forwarded_For: 198.51.100.7", b"X-Forwarded-For: 203.0.113.9"],
        [b"X-Forwarded-For: 203.0.113.9", b"Forwarded: for=198.51.100.7"],
        [b"X-Forwarded-For: 203.0.113.9", b"X-Real-IP: 198.51.100.7"],
    ):
        status, body = proxied.asked(*headers)
        assert status == 403, headers
        assert "The address 203.0.113.9 may not use this site" in body


def test_a_proxy_that_says_nothing_plain_is_refused_and_what_is_no_request_too(proxied: Site) -> None:
    for headers in (
        [],
        [b"X_Forwarded_For: 198.51.100.7"],
        [b"X-Forwarded-For:"],
        [b"X-Forwarded-For: 198.51.100.7", b"X-Forwarded-For: "],
        [b"X-Forwarded-For: unknown"],
        [b"X-Forwarded-For: 198.51.100.7\r\n 203.0.113.9"],
        [b"X-Forwarded-For: 198.51.100.7\0"],
        [b"X-Forwarded-For : 198.51.100.7"],
    ):
        assert proxied.asked(*headers)[0] == 400, headers
    assert proxied.asked(b"X-Forwarded-For: 198.51.100.7")[0] == 200
    assert "Traceback" not in proxied.text
