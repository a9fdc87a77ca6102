"""Sign-in by OpenID Connect when the issuer or the file is not as it should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from lvs import models
from piranha_web import cli
from piranha_web.access import oidc_wire
from piranha_web.access.oidc_file import issuer
from tests.web.conftest import PASSWORD, USER
from tests.web.pages import text_of
from tests.web.provider import SECRET, Claims, Provider
from tests.web.signing_in import (
    BACK,
    BEGIN,
    at_the_issuer,
    away,
    refused,
)

pytestmark = pytest.mark.usefixtures("oidc_file")


@pytest.mark.parametrize(
    "broken",
    [
        (500, b"{}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"[" * 100_000),
        (200, b'"' + b"x" * 2 * oidc_wire.LARGEST + b'"'),
        (200, b"\xff\xfe"),
        (302, b"http://127.0.0.1:1/"),
        (404, b""),
    ],
    ids=["500", "html", "list", "deep", "huge", "bytes", "redirect", "404"],
)
def test_an_issuer_that_answers_nonsense_is_said_to_be_away(
    anonymous: Client, provider: Provider, cluster: models.Cluster, broken: tuple[int, bytes]
) -> None:
    provider.broken = broken
    assert "does not answer as it should" in refused(anonymous, anonymous.get(BEGIN))

    provider.broken = None
    oidc_wire.SHELF.clear()
    back = at_the_issuer(away(anonymous))
    provider.broken = broken
    assert "does not answer as it should" in refused(anonymous, anonymous.get(back))


def test_an_issuer_that_is_away_is_not_waited_for_again_and_again(
    anonymous: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.broken = (503, b"{}")
    for _ in range(5):
        anonymous.get(BEGIN)
    assert len(provider.asked) == 1

    provider.broken = None
    monkeypatch.setattr(oidc_wire, "AWAY", 0)
    away(anonymous)
    away(anonymous)
    assert len(provider.asked) == 2


def test_while_one_waits_for_the_issuer_others_are_told_so(
    anonymous: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc_wire, "TURN", 0)
    with oidc_wire.SHELF.lock:
        assert "Try again soon" in refused(anonymous, anonymous.get(BEGIN))
    assert not provider.asked

    back = at_the_issuer(away(anonymous))
    provider.asked.clear()
    for _ in range(oidc_wire.MOST_AT_ONCE):
        oidc_wire.PLACES.acquire()
    try:
        assert "Try again soon" in refused(anonymous, anonymous.get(back))
    finally:
        oidc_wire.PLACES.release(oidc_wire.MOST_AT_ONCE)
    assert not provider.asked


@pytest.mark.parametrize(
    "words_of_its_own",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": None},
        {"token_endpoint": 7},
        {"jwks_uri": "file:///etc/passwd"},
        {"userinfo_endpoint": "https://a\nb/"},
    ],
    ids=str,
)
def test_addresses_that_an_issuer_cannot_have_are_not_followed(
    anonymous: Client, provider: Provider, words_of_its_own: Claims
) -> None:
    provider.discovery = words_of_its_own

    assert "does not answer as it should" in refused(anonymous, anonymous.get(BEGIN))


def test_an_issuer_elsewhere_cannot_send_this_site_to_what_listens_on_its_own_machine(
    provider: Provider,
) -> None:
    here = issuer()
    assert here is not None
    said = {"token_endpoint": "HTTP://127.0.0.1:6379/"}

    assert oidc_wire.place(here, said, "token_endpoint") == said["token_endpoint"]
    with pytest.raises(oidc_wire.IssuerAway, match="does not answer as it should") as refusal:
        oidc_wire.place(replace(here, issuer="https://id.example"), said, "token_endpoint")
    assert "on this machine" in refusal.value.why


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"issuer": "https://id.example"}', "[" * 100_000],
    ids=["empty", "list", "half", "words missing", "deep"],
)
def test_a_file_that_cannot_be_used_keeps_nobody_out_who_has_a_password(
    anonymous: Client, site: Any, cluster: models.Cluster, content: str
) -> None:
    site.PIRANHA_OIDC_FILE.write_text(content)

    assert "out of order" in text_of(anonymous.get("/login"))
    assert "out of order" in refused(anonymous, anonymous.get(BEGIN))
    assert anonymous.post("/login", {"username": USER, "password": PASSWORD})["Location"] == "/"


def test_the_console_tries_it_and_prints_what_the_issuer_has_to_know(
    site: Any, provider: Provider, cluster: models.Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["oidc", "--file", str(site.PIRANHA_OIDC_FILE)]) == 0

    out = capsys.readouterr().out
    assert f"https://THIS SITE{BACK}" in out
    assert "shop: administrator of lab, operator of not there (there is no such cluster)" in out
    assert f"{provider.issuer}/authorize" in out
    assert "1 key of" in out
    assert SECRET not in out


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        ({"issuer": "https://evil.example"}, "is about 'https://evil.example', not about"),
        ({"jwks_uri": None}, "has no jwks_uri"),
        ({"token_endpoint": "http://other.example/"}, "https://"),
    ],
)
def test_the_console_says_what_is_wrong_with_the_issuer(
    provider: Provider, capsys: pytest.CaptureFixture[str], lie: Claims, says: str
) -> None:
    provider.discovery = lie

    assert cli.main(["oidc"]) == 1

    assert says in capsys.readouterr().err


def test_the_console_says_what_is_wrong_with_the_file_and_when_there_is_none(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site.PIRANHA_OIDC_FILE.write_text("{")
    assert cli.main(["oidc"]) == 1
    assert "is no JSON" in capsys.readouterr().err

    site.PIRANHA_OIDC_FILE = None
    assert cli.main(["oidc"]) == 1
    assert "PIRANHA_OIDC_FILE" in capsys.readouterr().err
