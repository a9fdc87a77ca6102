"""Asking an OpenID Connect issuer: what it says of itself, its keys, tokens. Everything with limits.

An issuer that is away or slow costs a few seconds and one sentence; while it is away nobody waits for it
again for a moment, and few threads wait for it at once. Redirects are not followed, and only https counts.
What it says of itself: OpenID Connect Discovery 1.0, section 4.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from piranha_web.access.oidc import INSTEAD, NoSignIn
from piranha_web.access.oidc_file import Issuer, OidcFileFault, judge_address

PATIENCE = 5.0  # seconds for a connection, and for each piece of an answer
LONGEST = 10.0  # seconds for a whole answer
LARGEST = 1024 * 1024  # bytes of one
KEPT = 3600.0  # seconds for which its addresses and keys are believed
TURN = 1.0  # seconds to wait while another thread asks
AWAY = 10.0  # seconds in which an issuer that was away is not asked for them again
NEW_KEYS = 60.0  # seconds between two looks for keys that were not there


class IssuerAway(NoSignIn):
    """The issuer does not answer, or not as an issuer does; `why` is for the log."""

    def __init__(self, config: Issuer, why: str) -> None:
        super().__init__(f"{config.host} does not answer as it should. Try again soon. {INSTEAD}")
        self.why = why


class TokenRefused(NoSignIn):
    """The issuer does not take the code for which it gave us nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the issuer is asked for what. by_form: it takes our secret in the form, else in the header."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    by_form: bool
    names_itself: bool  # in what it sends the browser back with (RFC 9207)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found when; fault: instead of it."""

    at: float
    found: Any = None
    fault: str = ""


class Shelf:
    """What issuers were asked for, kept in this process."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Kept] = {}
        self.lock = threading.Lock()

    def get(self, config: Issuer, address: str, lifetime: float, ask: Callable[[], Any]) -> Any:
        """What is kept for an address and not older than lifetime, else asked for."""
        if not self.lock.acquire(timeout=TURN):
            raise IssuerAway(config, "it is waited for already")
        try:
            key, now = (config.ca, address), time.monotonic()
            kept = self.kept.get(key)
            if kept and kept.fault and now - kept.at < AWAY:
                raise IssuerAway(config, kept.fault)
            if kept and not kept.fault and now - kept.at < lifetime:
                return kept.found
            found = ask()
            self.kept[key] = Kept(time.monotonic(), found)
            return found
        except IssuerAway as error:
            if error.why != (kept.fault if kept else ""):
                self.kept[key] = Kept(time.monotonic(), fault=error.why)
            raise
        finally:
            self.lock.release()

    def clear(self) -> None:
        """Forgets everything."""
        with self.lock:
            self.kept.clear()


SHELF = Shelf()
# So many threads of the web server a slow issuer may hold; the panels go on with the others.
MOST_AT_ONCE = 3
PLACES = threading.BoundedSemaphore(MOST_AT_ONCE)


def endpoints(config: Issuer) -> Endpoints:
    """What the issuer says of itself, at its well-known address."""
    return SHELF.get(config, config.issuer, KEPT, lambda: discovered(config))  # type: ignore[no-any-return]


def discovered(config: Issuer) -> Endpoints:
    """The same, asked for now."""
    address = config.issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = fetched(config, address)
    if found.get("issuer") != config.issuer:
        raise IssuerAway(config, f"{address} is about {found.get('issuer')!r}, not about {config.issuer!r}")
    ways = found.get("token_endpoint_auth_methods_supported")
    return Endpoints(
        authorization=place(config, found, "authorization_endpoint"),
        token=place(config, found, "token_endpoint"),
        keys=place(config, found, "jwks_uri"),
        userinfo=place(config, found, "userinfo_endpoint") if "userinfo_endpoint" in found else "",
        by_form=isinstance(ways, list) and "client_secret_post" in ways,
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def place(config: Issuer, found: Mapping[str, Any], name: str) -> str:
    """One of its addresses."""
    text = found.get(name)
    if not isinstance(text, str) or not text.isprintable():
        raise IssuerAway(config, f"what it says of itself has no {name}")
    try:
        judge_address(name, text.partition("?")[0])
    except OidcFileFault as error:
        raise IssuerAway(config, str(error)) from error
    if urlsplit(text).scheme == "http" != urlsplit(config.issuer).scheme:
        # Plain HTTP is for an issuer on this machine: another one could send us to whatever listens here.
        raise IssuerAway(config, f"its {name} is on this machine, and it is not")
    return text


def keys(config: Issuer, at: str, lifetime: float = KEPT) -> list[Mapping[str, Any]]:
    """The keys that the issuer signs with, as JSON Web Keys."""
    found = SHELF.get(config, at, lifetime, lambda: fetched(config, at))
    listed = found.get("keys")
    if not isinstance(listed, list):
        raise IssuerAway(config, f"{at} has no keys")
    return [one for one in listed if isinstance(one, dict)]


def fetched(
    config: Issuer,
    address: str,
    *,
    form: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    bearer: str = "",
) -> dict[str, Any]:
    """The JSON object at an address of the issuer; form: what is posted there."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    if not PLACES.acquire(timeout=TURN):
        raise IssuerAway(config, f"{MOST_AT_ONCE} others wait for it already")
    try:
        with requests.Session() as session:
            session.trust_env = False  # neither passwords of .netrc nor a proxy that nobody named
            with session.request(
                "GET" if form is None else "POST",
                address,
                data=form,
                auth=auth,
                headers=headers,
                timeout=PATIENCE,
                allow_redirects=False,
                stream=True,
                verify=config.ca or True,
            ) as answer:
                status, content = answer.status_code, whole(config, answer)
    except (requests.RequestException, OSError) as error:
        raise IssuerAway(config, f"{address}: {error}") from error
    finally:
        PLACES.release()
    return understood(config, address, status, content)


def whole(config: Issuer, answer: requests.Response) -> bytes:
    """All of an answer, if it is no longer than it may be and comes in time."""
    end = time.monotonic() + LONGEST
    content = b""
    for piece in answer.iter_content(65536):
        content += piece
        if len(content) > LARGEST or time.monotonic() > end:
            raise IssuerAway(config, f"{answer.url} answers with too much, or too slowly")
    return content


def understood(config: Issuer, address: str, status: int, content: bytes) -> dict[str, Any]:
    """The object in an answer."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise IssuerAway(config, f"{address} answers {status}, and no JSON") from error
    if not isinstance(found, dict):
        raise IssuerAway(config, f"{address} answers {status}, and no object")
    if status == 400 and found.get("error") == "invalid_grant":
        raise TokenRefused(
            f"{config.host} takes this sign-in as over: it was used already, or took too long. Log in again."
        )
    if status != 200:
        raise IssuerAway(config, f"{address} answers {status} ({found.get('error')!r})")
    return found
