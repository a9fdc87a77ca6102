"""Signing in by an OpenID Connect issuer, a real little one on loopback; and what attackers would try."""

from __future__ import annotations

import hashlib
import hmac
import html
import http.client
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.test import Client

from lvs import models
from piranha_web import audit
from piranha_web.access import oidc, oidc_flow, oidc_wire, passwords
from tests.web.conftest import PASSWORD, USER
from tests.web.factors import app_of, code_of
from tests.web.pages import text_of
from tests.web.provider import CLIENT, SECRET, Claims, Provider, Server, by_hand, jwk, rsa, signed

ROLES = models.UserRole
ANNA = {"sub": "0001", "preferred_username": "anna", "groups": ["shop", "lvs-operators"]}
BEGIN, BACK = "/login/by", "/login/by/return"


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def provider(_server: Server, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """An honest provider, at which anna is logged in."""
    oidc_wire.SHELF.clear()
    monkeypatch.setattr(audit, "REFUSALS", audit.Refusals())
    fresh = _server.fresh()
    fresh.person = dict(ANNA)
    return fresh


@pytest.fixture
def words(provider: Provider) -> Claims:
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


Write = Callable[..., None]


@pytest.fixture(autouse=True)
def written(site: Any, tmp_path: Path, words: Claims) -> Write:
    """Writes the file, with changes."""
    site.AUTHENTICATION_BACKENDS = [*site.AUTHENTICATION_BACKENDS, oidc.BACKEND]
    site.PIRANHA_OIDC_FILE = tmp_path / "oidc.json"

    def write(**changes: Any) -> None:
        site.PIRANHA_OIDC_FILE.unlink(missing_ok=True)
        site.PIRANHA_OIDC_FILE.touch(mode=0o600)
        site.PIRANHA_OIDC_FILE.write_text(json.dumps(words | changes))

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


def test_somebody_of_the_issuer_gets_the_page_asked_for_and_the_roles_of_the_groups(
    anonymous: Client, cluster: models.Cluster
) -> None:
    response = sign_in(anonymous, "/redundancy")

    assert (response.status_code, response["Location"]) == (302, "/redundancy")
    assert anonymous.get("/redundancy").status_code == 200
    assert account().role == ROLES.OPERATOR
    assert clusters() == {"lab": ROLES.ADMINISTRATOR}
    assert not passwords.names(oidc.settings.PIRANHA_PASSWORD_FILE).count("anna")
    assert "127.0.0.1" in text_of(anonymous.get("/sessions"))
    texts = list(models.AuditEntry.objects.filter(user="anna").values_list("text", flat=True))
    assert any("operator of all clusters, administrator of lab" in one for one in texts)
    assert any(one.startswith("logged in by 127.0.0.1") for one in texts)


def test_the_login_page_offers_it_beside_the_password_and_says_what_if_it_is_away(
    anonymous: Client, written: Write, cluster: models.Cluster
) -> None:
    written(button="Log in with <Example>")

    page = anonymous.get("/login", {"next": "/review?a=1&b=2"}).content.decode()

    assert "Log in with &lt;Example&gt;" in page
    assert f'href="{BEGIN}?next=%2Freview%3Fa%3D1%26b%3D2"' in page
    assert "still opens these pages" in page
    response = anonymous.post("/login", {"username": USER, "password": PASSWORD})
    assert response["Location"] == "/"


def test_whoever_has_set_up_a_second_factor_here_is_asked_for_a_code_as_well(
    anonymous: Client, cluster: models.Cluster
) -> None:
    device = app_of("anna")

    assert sign_in(anonymous, "/review")["Location"] == "/login/code"

    assert not is_in(anonymous)
    response = anonymous.post("/login/code", {"code": code_of(device)})
    assert (response.status_code, response["Location"]) == (302, "/review")
    assert is_in(anonymous)


def test_where_it_is_off_nothing_of_it_is_there(
    anonymous: Client, site: Any, cluster: models.Cluster
) -> None:
    sign_in(anonymous)
    assert is_in(anonymous)

    site.PIRANHA_OIDC_FILE = None

    assert not is_in(anonymous)
    assert Client().get(BEGIN).status_code == 404
    assert Client().get(BACK, {"code": "x", "state": "y"}).status_code == 404
    assert BEGIN not in Client().get("/login").content.decode()


def test_a_login_gives_the_browser_a_new_session(anonymous: Client, cluster: models.Cluster) -> None:
    anonymous.post("/login", {"username": USER, "password": PASSWORD})
    before = anonymous.session.session_key

    sign_in(anonymous)

    assert anonymous.session.session_key != before
    assert not models.Login.objects.filter(account=USER).exists()


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


def test_who_gets_another_name_at_the_issuer_keeps_the_account(
    anonymous: Client, provider: Provider, cluster: models.Cluster
) -> None:
    sign_in(Client())
    provider.person["preferred_username"] = USER

    assert sign_in(anonymous)["Location"] == "/"

    assert ">anna<" in anonymous.get("/help").content.decode().replace(" ", "").replace("\n", "")
    assert models.Account.objects.get().name == "anna"


def test_a_name_becomes_an_account_of_the_password_file_only_where_the_file_says_so(
    anonymous: Client, site: Any, provider: Provider, written: Write, tmp_path: Path
) -> None:
    site.PIRANHA_PASSWORD_FILE = tmp_path / "piranha.passwd"
    site.PIRANHA_PASSWORD_FILE.write_text(f"{USER}:x\nanna:x\n")
    models.Account.objects.create(name="anna", role=ROLES.VIEWER)
    written(same_accounts=["anna"])

    assert sign_in(anonymous)["Location"] == "/"

    assert account().role == ROLES.VIEWER  # what was given here, not what the groups say
    provider.person["sub"] = "0002"
    other = Client()
    assert "somebody else's" in refused(other, sign_in(other))
    written()
    assert not is_in(anonymous)


def test_roles_follow_the_groups_at_each_login(
    anonymous: Client, provider: Provider, cluster: models.Cluster
) -> None:
    sign_in(anonymous)
    provider.person["groups"] = ["lvs-admins", "something else"]

    sign_in(anonymous)

    assert account().role == ROLES.ADMINISTRATOR
    assert clusters() == {}
    assert models.AuditEntry.objects.filter(text__contains="made anna administrator of all").exists()


@pytest.mark.parametrize("groups", [[], ["lvs"], None, "shops", {"lvs-admins": True}, [["lvs-admins"]], 7])
def test_who_is_in_no_group_is_refused_and_what_was_open_ends(
    anonymous: Client, provider: Provider, cluster: models.Cluster, groups: Any
) -> None:
    elsewhere = Client()
    sign_in(elsewhere)
    provider.person["groups"] = groups
    provider.userinfo = {"sub": "0001"}

    assert "none of the groups" in refused(anonymous, sign_in(anonymous))

    assert not is_in(elsewhere)
    assert (account().role, clusters()) == (ROLES.VIEWER, {})


def test_whoever_is_in_no_group_is_a_viewer_where_the_file_says_so(
    anonymous: Client, provider: Provider, written: Write, cluster: models.Cluster
) -> None:
    written(without_group="viewer")
    provider.person["groups"] = []

    sign_in(anonymous)

    assert anonymous.get("/virtual-servers").status_code == 200
    assert anonymous.get("/virtual-servers/add").status_code == 403


def test_what_the_token_does_not_say_is_asked_for(
    anonymous: Client, provider: Provider, cluster: models.Cluster
) -> None:
    provider.person = {"sub": "0001"}
    provider.userinfo = {"sub": "0001", "preferred_username": "anna", "groups": "lvs-admins"}

    assert sign_in(anonymous)["Location"] == "/"

    assert account().role == ROLES.ADMINISTRATOR


def test_the_two_answers_must_be_about_the_same_person(anonymous: Client, provider: Provider) -> None:
    provider.person = {"sub": "0001"}
    provider.userinfo = {"sub": "0002", "preferred_username": "anna", "groups": "lvs-admins"}

    assert "different people" in refused(anonymous, sign_in(anonymous))


def test_a_mail_address_is_a_name_only_when_it_is_verified(
    anonymous: Client, provider: Provider, written: Write, cluster: models.Cluster
) -> None:
    written(name_claim="email")
    provider.person |= {"email": "anna@example.org", "email_verified": False}
    assert "not verified" in refused(anonymous, sign_in(anonymous))

    provider.person["email_verified"] = True
    assert sign_in(anonymous)["Location"] == "/"
    assert account("anna@example.org").subject == "0001"


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


def test_whom_an_administrator_blocks_is_out_at_once_and_stays_out(
    anonymous: Client, cluster: models.Cluster
) -> None:
    sign_in(anonymous)

    oidc.block("anna", True, by=USER)

    assert not is_in(anonymous)
    assert "blocked" in refused(anonymous, sign_in(anonymous))
    oidc.block("anna", False, by=USER)
    assert sign_in(anonymous)["Location"] == "/"


def test_an_account_that_is_removed_ends_its_sessions_also_when_it_is_made_again(
    anonymous: Client, cluster: models.Cluster
) -> None:
    sign_in(anonymous)
    kept = models.Login.objects.get(account="anna")

    account().delete()

    assert not is_in(anonymous)
    sign_in(Client())
    kept.save()
    assert not is_in(anonymous)


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


def test_behind_a_proxy_the_file_says_by_which_address_the_site_is_known(
    anonymous: Client, written: Write
) -> None:
    written(address="https://lvs.example/")

    assert f"redirect_uri={urlencode({'': 'https://lvs.example' + BACK})[1:]}" in away(anonymous)


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
