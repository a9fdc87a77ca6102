"""What attackers would try with sign-in by OpenID Connect, each as the attacker would."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.test import Client

from lvs import models
from piranha_web.access import oidc, oidc_flow, oidc_wire
from tests.web.conftest import USER
from tests.web.provider import CLIENT, SECRET, Claims, Provider, by_hand, jwk, rsa, signed
from tests.web.signing_in import (
    BACK,
    BEGIN,
    at_the_issuer,
    away,
    refused,
    sign_in,
)

pytestmark = pytest.mark.usefixtures("oidc_file")


def claims_that(**changes: Any) -> Callable[[Provider, Claims], str]:
    """An honestly signed token, with claims that differ; None: left out."""

    def make(provider: Provider, claims: Claims) -> str:
        changed = {name: value for name, value in (claims | changes).items() if value is not None}
        return signed(provider.key, changed)

    return make


FORGED: dict[str, tuple[Callable[[Provider, Claims], Any], str]] = {
    "another nonce": (claims_that(nonce="of another sign-in"), "Nonce"),
    "no nonce": (claims_that(nonce=None), "Nonce"),
    "for another site": (claims_that(aud="wiki"), "for another site"),
    "for several sites": (claims_that(aud=[CLIENT, "wiki"]), "for another site"),
    "given to another site": (claims_that(azp="wiki"), "for another site"),
    "by another issuer": (claims_that(iss="https://evil.example"), "another issuer"),
    "too old": (claims_that(exp=1_000_000_000), "clocks"),
    "from the future": (claims_that(iat=4_000_000_000), "clocks"),
    "without an end": (claims_that(exp=None), "lacks something"),
    "without an audience": (claims_that(aud=None), "lacks something"),
    "without anybody": (claims_that(sub=None), "lacks something"),
    "about nobody": (claims_that(sub=""), "whom it is about"),
    "about a number": (claims_that(sub=7), "no token"),
    "without a name": (claims_that(preferred_username=None), "does not give your name"),
    "with a name that is none": (claims_that(preferred_username=["anna"]), "does not give your name"),
    "of a strange time": (claims_that(exp="tomorrow"), "no token"),
    "not signed": (lambda _p, claims: by_hand({"alg": "none", "kid": "first"}, claims), "not signed"),
    "not signed, in capitals": (lambda _p, claims: by_hand({"alg": "NONE"}, claims), "not signed"),
    "without an algorithm": (lambda _p, claims: by_hand({"kid": "first"}, claims), "not signed"),
    "signed with the public key as a secret": (lambda p, claims: hs256(p.pem(), claims), "not signed"),
    "signed with the client's secret": (lambda _p, claims: hs256(SECRET.encode(), claims), "not signed"),
    "signed by somebody else": (lambda _p, claims: signed(stranger(), claims), "signature is wrong"),
    "signed with a key of its own": (
        lambda _p, claims: signed(stranger(), claims, kid="mine"),
        "does not have",
    ),
    "with its key in its header": (
        lambda _p, claims: signed_with_own_key(claims),
        "signature is wrong",
    ),
    "changed after it was signed": (lambda p, claims: changed(signed(p.key, claims)), "signature is wrong"),
    "no token": (lambda _p, _claims: "anna, honestly", "no token"),
    "nothing": (lambda _p, _claims: None, "does not answer as it should"),
    "a number": (lambda _p, _claims: 7, "does not answer as it should"),
    "endless": (lambda _p, _claims: "a." * 40_000, "does not answer as it should"),
}


@cache
def stranger() -> RSAPrivateKey:
    """A key that is not the issuer's."""
    return rsa()


def hs256(secret: bytes, claims: Claims) -> str:
    unsigned = by_hand({"alg": "HS256", "kid": "first"}, claims).rpartition(".")[0]
    made = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return unsigned + "." + by_hand({}, {}, made).rpartition(".")[2]


def signed_with_own_key(claims: Claims) -> str:
    return jwt.encode(claims, stranger(), "RS256", headers={"kid": "first", "jwk": jwk(stranger(), "first")})


def changed(token: str) -> str:
    header, _claims, signature = token.split(".")
    other = by_hand({}, {"sub": "0000", "preferred_username": "root"}).split(".")[1]
    return f"{header}.{other}.{signature}"


@pytest.mark.parametrize("kind", FORGED)
def test_a_token_that_is_not_what_it_should_be_opens_nothing(
    anonymous: Client, provider: Provider, cluster: models.Cluster, kind: str
) -> None:
    make, why = FORGED[kind]
    provider.make = lambda claims: make(provider, claims)
    provider.userinfo = {"sub": "0001"}

    assert why in refused(anonymous, sign_in(anonymous))
    assert not models.Account.objects.exists()
    entry = models.AuditEntry.objects.filter(outcome="refused").last()
    assert entry is not None
    assert "OpenID Connect" in entry.text


def test_an_answer_that_is_used_again_opens_nothing(anonymous: Client, cluster: models.Cluster) -> None:
    back = at_the_issuer(away(anonymous))
    cookie = anonymous.cookies[oidc.COOKIE].value
    assert anonymous.get(back)["Location"] == "/"
    anonymous.post("/logout")

    assert "not begun in this browser" in refused(anonymous, anonymous.get(back))

    thief = Client()  # who has seen the address, and has the cookie as well
    thief.cookies[oidc.COOKIE] = cookie
    assert "used already" in refused(thief, thief.get(back))


def test_an_answer_is_for_the_browser_that_asked(anonymous: Client, provider: Provider) -> None:
    provider.person = {"sub": "6666", "preferred_username": "mallory", "groups": ["lvs-operators"]}
    lure = at_the_issuer(away(Client()))  # which mallory does not follow, but sends to anna

    assert "not begun in this browser" in refused(anonymous, anonymous.get(lure))

    away(anonymous)
    assert "not begun in this browser" in refused(anonymous, anonymous.get(lure))


@pytest.mark.parametrize("cookie", ["", "x", "e30:1:1", '{"state": "s"}', "é"])
def test_a_cookie_that_this_site_did_not_make_is_none(anonymous: Client, cookie: str) -> None:
    anonymous.cookies[oidc.COOKIE] = cookie

    assert "not begun in this browser" in refused(anonymous, anonymous.get(BACK, {"code": "c", "state": "s"}))


def test_who_takes_longer_than_ten_minutes_begins_anew(
    anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = at_the_issuer(away(anonymous))
    monkeypatch.setattr(oidc_flow, "LIFETIME", -1)

    assert "long ago" in refused(anonymous, anonymous.get(back))


@pytest.mark.parametrize("query", [{}, {"code": "x"}, {"state": ""}, {"state": "é\0"}, {"error": "x" * 5000}])
def test_an_answer_with_odd_words_is_no_answer(anonymous: Client, query: dict[str, str]) -> None:
    away(anonymous)

    refused(anonymous, anonymous.get(BACK, query))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"error": "access_denied", "code": None}, "did not let you in"),
        ({"error": "<script>alert(1)</script>", "code": None}, "does not answer as it should"),
        ({"iss": "https://evil.example"}, "not from 127.0.0.1"),
        ({"code": None}, "not begun in this browser"),
        ({"code": "guessed"}, "used already, or took too long"),
    ],
)
def test_what_the_issuer_sends_back_instead_of_a_code_is_said_in_words(
    anonymous: Client, provider: Provider, answer: Claims, why: str
) -> None:
    provider.answer = answer

    text = refused(anonymous, sign_in(anonymous))

    assert why in text
    assert "alert(1)" not in text


def test_an_issuer_that_says_it_names_itself_has_to(anonymous: Client, provider: Provider) -> None:
    provider.discovery = {"authorization_response_iss_parameter_supported": True}
    assert "not from" in refused(anonymous, sign_in(anonymous))

    provider.answer = {"iss": provider.issuer}
    assert sign_in(anonymous)["Location"] == "/"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("piranha", "may be somebody else"),
        ("Piranha", "may be somebody else"),
        ("ben", "may be somebody else"),
        ("BEN", "may be somebody else"),
        ("pir\u0430nha", "cannot be an account"),  # a Cyrillic a
        ("piranha\u200b", "cannot be an account"),
        (" piranha", "cannot be an account"),
        ("ben:x", "cannot be an account"),
        ("anna\nben", "cannot be an account"),
        ("\u202eanna", "cannot be an account"),
        ("#anna", "cannot be an account"),
        ("<b>anna</b>", "cannot be an account"),
        ("a" * 151, "cannot be an account"),
        ("\0", "cannot be an account"),
    ],
)
def test_the_issuer_cannot_make_anybody_an_account_of_this_site(
    anonymous: Client, site: Any, provider: Provider, tmp_path: Path, name: str, why: str
) -> None:
    site.PIRANHA_PASSWORD_FILE = tmp_path / "piranha.passwd"
    site.PIRANHA_PASSWORD_FILE.write_text(f"{USER}:x\nben:x\n")
    provider.person["preferred_username"] = name
    provider.person["groups"] = ["lvs-admins"]

    assert why in refused(anonymous, sign_in(anonymous))
    assert not models.Account.objects.exists()


def test_somebody_else_with_an_accounts_name_does_not_get_it(
    anonymous: Client, provider: Provider, cluster: models.Cluster
) -> None:
    sign_in(Client())
    models.Account.objects.create(name="carl")  # was taken out of the password file by hand

    for name in ("anna", "ANNA", "carl"):
        provider.person = {"sub": "0002", "preferred_username": name, "groups": ["lvs-admins"]}
        assert "somebody else's account" in refused(anonymous, sign_in(anonymous))


def test_the_two_answers_must_be_about_the_same_person(anonymous: Client, provider: Provider) -> None:
    provider.person = {"sub": "0001"}
    provider.userinfo = {"sub": "0002", "preferred_username": "anna", "groups": "lvs-admins"}

    assert "different people" in refused(anonymous, sign_in(anonymous))


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/" + "x" * 600,
        "\n",
    ],
)
def test_it_never_leads_to_another_site(anonymous: Client, cluster: models.Cluster, wanted: str) -> None:
    assert sign_in(anonymous, wanted)["Location"] == "/"


@pytest.mark.parametrize(
    "keys",
    [
        [{}],
        [{"kid": "first"}],
        [{"kid": "first", "kty": "oct", "k": "c2VjcmV0"}],
        [{"kid": "first", "kty": "RSA", "n": "!", "e": 7}],
        [{"kid": "first", "kty": "EC", "crv": "P-256", "x": "", "y": ""}],
        [{"kid": "first", "kty": "RSA", "use": "enc"}],
        ["first"],
        [None],
    ],
    ids=str,
)
def test_keys_that_are_none_verify_nothing(anonymous: Client, provider: Provider, keys: list[Any]) -> None:
    provider.keys = keys

    assert "cannot be believed" in refused(anonymous, sign_in(anonymous))


def test_a_key_that_is_new_is_looked_for(
    anonymous: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch, cluster: models.Cluster
) -> None:
    sign_in(Client())
    provider.keys = [jwk(provider.key, "first"), jwk(stranger(), "second")]
    provider.make = lambda claims: signed(stranger(), claims, kid="second")
    assert "does not have" in refused(anonymous, sign_in(anonymous))  # within a minute it is not asked again

    monkeypatch.setattr(oidc_wire, "NEW_KEYS", 0)

    assert sign_in(anonymous)["Location"] == "/"


def test_what_is_sent_to_the_issuer_has_no_secret_and_a_challenge(anonymous: Client) -> None:
    parts = urlsplit(away(anonymous, "/review"))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}

    assert set(query) == {
        *("tenant", "response_type", "scope", "client_id", "redirect_uri", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert len(query["state"]) >= 32
    assert len(query["code_challenge"]) == 43
    cookie = anonymous.cookies[oidc.COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", BEGIN)
    other = parse_qs(urlsplit(away(Client())).query)
    assert all(other[name][0] != query[name] for name in ("state", "nonce", "code_challenge"))
