"""Signing in by OpenID Connect: the authorization code flow with PKCE, on top of mozilla-django-oidc.

Only imported where sign-in by an issuer is switched on: the library is an extra. It has the flow; what it
leaves open is shut here: who the token is for, by whom and until when (OpenID Connect Core 1.0, 3.1.3.7),
signatures that anybody else could make, limits of time and size. State, nonce and verifier are in a cookie of
ten minutes that this site signs, not in a session: a stranger makes no rows.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlencode

import jwt
from django.core import signing
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.urls import reverse
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import generate_code_challenge

from piranha_web.access import oidc_wire
from piranha_web.access.oidc import COOKIE, NoSignIn, Person
from piranha_web.access.oidc_file import Issuer
from piranha_web.access.oidc_wire import Endpoints, IssuerAway

log = logging.getLogger("piranha.access")

LIFETIME = 600  # seconds from leaving for the issuer to coming back
LEEWAY = 60  # seconds that the issuer's clock and ours may differ
LONGEST_TOKEN = 64 * 1024
# Never "none", and none that is checked with the client's secret or with the public key taken for one.
ALGORITHMS = (*(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)), "EdDSA")
AGAIN = "Log in again."
STRANGE = f"This sign-in was not begun in this browser, or long ago. {AGAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What is remembered while the browser is at the issuer. next: the page that was asked for."""

    state: str
    nonce: str
    verifier: str
    next: str

    def sealed(self) -> str:
        """As the browser keeps it."""
        return signing.dumps(asdict(self), salt=COOKIE)


def opened(text: str) -> Begun | None:
    """What was sealed; None: it is not ours, or too old."""
    try:
        return Begun(**signing.loads(text, salt=COOKIE, max_age=LIFETIME))
    except (signing.BadSignature, TypeError):
        return None


def begin(config: Issuer, request: HttpRequest, next_page: str) -> tuple[str, Begun]:
    """Where the browser is sent, and what is to be remembered; NoSignIn: the issuer is away."""
    begun = Begun(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next=next_page,
    )
    words = {
        "response_type": "code",
        "scope": config.scopes,
        "client_id": config.client_id,
        "redirect_uri": address_back(config, request),
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": generate_code_challenge(begun.verifier, "S256"),
        "code_challenge_method": "S256",
    }
    address = oidc_wire.endpoints(config).authorization
    return f"{address}{'&' if '?' in address else '?'}{urlencode(words)}", begun


def address_back(config: Issuer, request: HttpRequest) -> str:
    """The one address to which the issuer may send a browser with a code."""
    path = reverse("oidc-return")
    return config.address.rstrip("/") + path if config.address else request.build_absolute_uri(path)


def person_of(config: Issuer, request: HttpRequest, begun: Begun | None) -> Person:
    """Whom the issuer vouches for, in what it sent the browser back with. NoSignIn: nobody, and why."""
    state = request.GET.get("state", "")
    if begun is None or not hmac.compare_digest(begun.state.encode(), state.encode()):
        raise NoSignIn(STRANGE)
    places = oidc_wire.endpoints(config)
    judge_answer(config, places, request.GET)
    try:
        found = Client(config, places).authenticate(request, nonce=begun.nonce, code_verifier=begun.verifier)
    except SuspiciousOperation as error:
        raise unbelieved(config, str(error)) from error
    if not isinstance(found, Person):
        raise IssuerAway(config, "its answer lacks something")
    return found


def judge_answer(config: Issuer, places: Endpoints, answer: Mapping[str, str]) -> None:
    """Refuses an answer without a code, or of another issuer."""
    names_itself = answer.get("iss", "") or places.names_itself
    if names_itself and answer.get("iss") != config.issuer:
        raise NoSignIn(f"This answer is not from {config.host}. {AGAIN}")
    if answer.get("error") == "access_denied":
        raise NoSignIn(f"{config.host} did not let you in, or you stopped there. {AGAIN}")
    if "error" in answer:
        raise IssuerAway(config, f"it sends the browser back with the error {answer['error']!r:.80}")
    if not answer.get("code"):
        raise NoSignIn(STRANGE)


def unbelieved(config: Issuer, why: str) -> NoSignIn:
    """The refusal of a token, with a sentence that says no more than whoever sent it may know."""
    log.warning("sign-in by %s: a token is not believed: %s", config.issuer, why)
    return NoSignIn(f"What {config.host} says of you cannot be believed: {why}. {AGAIN}")


class Client(OIDCAuthenticationBackend):  # type: ignore[misc]
    """The library's flow with this issuer, for one sign-in; its settings are the file's, not Django's."""

    def __init__(self, config: Issuer, places: Endpoints) -> None:
        self.config, self.places = config, places
        self.words = {
            "OIDC_OP_TOKEN_ENDPOINT": places.token,
            "OIDC_OP_USER_ENDPOINT": places.userinfo,
            "OIDC_OP_JWKS_ENDPOINT": places.keys,
            "OIDC_RP_CLIENT_ID": config.client_id,
            "OIDC_RP_CLIENT_SECRET": config.client_secret,
            "OIDC_RP_SIGN_ALGO": "RS…",  # the library asks only whether it takes the issuer's keys
            "OIDC_AUTHENTICATION_CALLBACK_URL": "oidc-return",
        }
        super().__init__()

    def get_settings(self, attr: str, *default: Any) -> Any:
        """A setting of the library."""
        return self.words[attr] if attr in self.words else default[0]

    def get_token(self, payload: dict[str, str]) -> dict[str, Any]:
        """The tokens for a code."""
        form = dict(payload, redirect_uri=address_back(self.config, self.request))
        secret = form.pop("client_secret")
        auth = None
        if secret and self.places.by_form:
            form["client_secret"] = secret
        elif secret:
            # RFC 6749, 2.3.1: name and password are encoded as in a form.
            auth = (quote(form["client_id"], safe=""), quote(secret, safe=""))
        found = oidc_wire.fetched(self.config, self.places.token, form=form, auth=auth)
        token = found.get("id_token")
        if not isinstance(token, str) or len(token) > LONGEST_TOKEN or not token.isascii():
            raise IssuerAway(self.config, "its answer to the code has no id_token")
        return found

    def retrieve_matching_jwk(self, token: str) -> jwt.PyJWK:
        """The issuer's key that a token names; keys that are new are looked for once a minute."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise unbelieved(self.config, "it is no token") from error
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise unbelieved(self.config, "it is not signed with a key that only the issuer has")
        for lifetime in (oidc_wire.KEPT, oidc_wire.NEW_KEYS):
            for key in oidc_wire.keys(self.config, self.places.keys, lifetime):
                if fits(key, header):
                    return usable(self.config, key, algorithm)
        raise unbelieved(self.config, "it is signed with a key that the issuer does not have")

    def get_payload_data(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        """What a token says, if it is of this issuer, for this site, and of now."""
        try:
            found: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self.config.client_id,
                issuer=self.config.issuer,
                leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise unbelieved(self.config, reason(error)) from error
        except (ValueError, TypeError, ArithmeticError) as error:  # a number in it that is none
            raise unbelieved(self.config, "it is no token") from error
        is_ours_alone = found["aud"] in (self.config.client_id, [self.config.client_id])
        if found.get("azp", self.config.client_id if is_ours_alone else "") != self.config.client_id:
            raise unbelieved(self.config, "it was made for another site")
        return found

    def get_or_create_user(self, access_token: Any, id_token: str, payload: dict[str, Any]) -> Person:
        """The person that a token is about: it is for `oidc.account_of` to find the account."""
        claims = payload
        wanted = {self.config.name_claim, self.config.groups_claim}
        if self.places.userinfo and not wanted <= set(payload):
            claims = self.get_userinfo(access_token, id_token, payload) | payload
        subject, name = payload["sub"], claims.get(self.config.name_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
            raise unbelieved(self.config, "it does not say whom it is about")
        if not isinstance(name, str) or not name:
            raise NoSignIn(
                f"{self.config.host} does not give your name ({self.config.name_claim}). Ask whoever keeps "
                "it to have it sent to this site."
            )
        if self.config.name_claim == "email" and claims.get("email_verified") is not True:
            raise NoSignIn(f"{self.config.host} has not verified your mail address. Verify it there. {AGAIN}")
        return Person(subject=subject, name=name, groups=groups_of(claims.get(self.config.groups_claim)))

    def get_userinfo(self, access_token: Any, id_token: str, payload: dict[str, Any]) -> dict[str, Any]:
        """What the issuer adds to the token."""
        if not isinstance(access_token, str) or not access_token.isascii() or not access_token.isprintable():
            raise IssuerAway(self.config, "its answer to the code has no access_token")
        found = oidc_wire.fetched(self.config, self.places.userinfo, bearer=access_token)
        if found.get("sub") != payload["sub"]:
            raise unbelieved(self.config, "its two answers are about different people")
        return found


def fits(key: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
    """Whether a key of the issuer may be the one that a token's header names."""
    is_named = "kid" not in header or key.get("kid") == header["kid"]
    is_for_that = key.get("use", "sig") == "sig" and key.get("alg", header["alg"]) == header["alg"]
    return bool(is_named and is_for_that)


def usable(config: Issuer, key: Mapping[str, Any], algorithm: str) -> jwt.PyJWK:
    """The key, if it is one for that algorithm."""
    try:
        return jwt.PyJWK(dict(key), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise unbelieved(config, "the issuer's key is not one for that signature") from error


def groups_of(found: Any) -> frozenset[str]:
    """The groups of a claim, which may be one text or a list of them."""
    if isinstance(found, str):
        return frozenset([found])
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else frozenset()


def reason(error: jwt.PyJWTError) -> str:
    """Why a token does not count, in a few words."""
    words: dict[type[jwt.PyJWTError], str] = {
        jwt.ExpiredSignatureError: "it is too old; are the clocks of both machines right?",
        jwt.ImmatureSignatureError: "it is from the future; are the clocks of both machines right?",
        jwt.InvalidAudienceError: "it was made for another site",
        jwt.InvalidIssuerError: "another issuer made it",
        jwt.MissingRequiredClaimError: "it lacks something that every token has",
        jwt.InvalidSignatureError: "its signature is wrong",
    }
    return words.get(type(error), "it is no token")
