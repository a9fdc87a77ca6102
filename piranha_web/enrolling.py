"""The manager's side of enrolling a router: making tokens, letting a router in, showing it the door.

A token that is used is used up, whatever comes of it: should Redis go just then, another one is made. What
this web server is not set up for is seen before.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings

from lvs import dispatch, models
from lvs.errors import LvsError, NotPossible
from lvs.machines import broker, invitation, redis_users, serials, signing
from lvs.machines.invitation import Invitation
from lvs.machines.redis_words import in_words
from lvs.machines.worker_file import NAME, queue_of
from piranha_web.tls import authority
from piranha_web.tls.certificates import TlsRefused, chain, described
from piranha_web.tls.serving import Serving

VALID = timedelta(hours=1)
LONGEST_VALID = timedelta(days=7)
BROKER_VARIABLE = "PIRANHA_ROUTER_BROKER_URL"


class NotAdmitted(LvsError):
    """Somebody with a token, or with none, who is not let in; status: of HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Made:
    """A token, and what should be known before it is used."""

    token: str
    ends_at: datetime
    remarks: tuple[str, ...]

    @property
    def command(self) -> str:
        """What is to be run on the router."""
        return f"piranha join {self.token}"


def invite(
    router: models.Router,
    *,
    by: str,
    now: datetime,
    valid: timedelta = VALID,
    addresses: Iterable[str] = (),
    fingerprint: str = "",
) -> Made:
    """Makes the token of a router; NotPossible says what is missing, and nothing was made.

    addresses: where the router reaches this manager, beside those that are known; fingerprint: of the
    certificate there, when it is not this server's own.
    """
    if not NAME.fullmatch(router.name):
        raise NotPossible(
            f"{router.name!r} cannot be enrolled: its name has signs that Redis' rules do not take."
        )
    if not timedelta() < valid <= LONGEST_VALID:
        raise NotPossible(
            f"A token is valid for {LONGEST_VALID.days} days at most, and for a moment at least."
        )
    url = url_for_routers()
    serving = Serving.current(settings.VAR)
    sha256 = fingerprint_of(serving, fingerprint)
    found = addresses_of(serving, addresses)
    secret = secrets.token_bytes(invitation.SECRET_BYTES)
    made = Invitation(addresses=found, fingerprint=sha256, router=router.name, secret=secret)
    if not invitation.is_sound(made):
        raise NotPossible(
            f"One of the addresses {', '.join(found)} is not as it should be: https://HOST or https://HOST:PORT."
        )
    ends_at = now + valid
    models.Enrolment.begin(router, invitation.digest(secret), by=by, now=now, ends_at=ends_at)
    return Made(made.token, ends_at, tuple(remarks_on(url)))


def remarks_on(url: str) -> Iterable[str]:
    """What should be known of the way to Redis."""
    if not broker.is_tls(url):
        yield (
            "The router will ask Redis without TLS: everybody on the way can read what goes over it. Have "
            f"Redis serve TLS (piranha tls redis), and write rediss:// in {BROKER_VARIABLE}."
        )


def url_for_routers(environment: Mapping[str, str] = os.environ) -> str:
    """Where routers reach Redis, without any password. NotPossible: they cannot."""
    url = environment.get(BROKER_VARIABLE) or broker.url_in(environment)
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or is_loopback(parts.hostname):
        raise NotPossible(
            f"Routers cannot reach Redis: {BROKER_VARIABLE} is not set, and this manager's own way to it "
            f"leads to this machine alone. Set it to Redis' address in the routers' network, as "
            f"{BROKER_VARIABLE}=rediss://manager.example.org:6380/0, for the web server and for this command."
        )
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, where, parts.path, "", ""))


def is_loopback(host: str) -> bool:
    """Whether that leads a machine to itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fingerprint_of(serving: Serving, given: str) -> str:
    """Of the certificate that a router will see: 64 small digits."""
    if given:
        digits = given.replace(":", "").lower()
        if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
            raise NotPossible("That is no SHA-256 fingerprint: it has 64 hexadecimal digits.")
        return digits
    if not serving.tls:
        raise NotPossible(
            "This web server speaks no TLS itself, and a router joins by TLS alone. Serve the pages in the "
            "routers' network (PIRANHA_BIND=0.0.0.0, which brings TLS); or, with a proxy in front, name its "
            "address and its certificate: piranha enrol --address https://HOST --fingerprint SHA-256."
        )
    try:
        return described(chain(serving.files[0])[0]).fingerprint.replace(":", "").lower()
    except TlsRefused as error:
        raise NotPossible(f"The certificate of the web server cannot be read here. {error}") from error


def addresses_of(serving: Serving, given: Iterable[str]) -> tuple[str, ...]:
    """Where a router can reach this manager, the likeliest first: those given, then what is known."""
    found = dict.fromkeys(one.rstrip("/") for one in given)
    if not found or serving.tls:
        found |= dict.fromkeys(serving.urls)
    if not found:
        raise NotPossible(
            "It is not known at which address a router reaches this manager. Name it: piranha enrol "
            "--address https://HOST:PORT."
        )
    return tuple(found)[: invitation.MOST_ADDRESSES]


def admit(secret: bytes, name: str, address: str, now: datetime) -> tuple[models.Router, dict[str, Any]]:
    """Lets in whoever has the secret: the router, and what its worker needs. NotAdmitted."""
    found = models.Enrolment.objects.filter(secret=invitation.digest(secret)).select_related("router").first()
    if found is None:
        raise NotAdmitted(
            404,
            "This token is not known here: a newer one was made since, or it is of another manager. Have a "
            "new one made: piranha enrol ROUTER on the manager.",
        )
    router = found.router
    again = f"Have a new one made: piranha enrol {router.name} on the manager."
    if name != router.name:
        raise NotAdmitted(409, f"This token is for {router.name}, and not for {name[:64]}. {again}")
    if found.used_at is None:
        be_ready()
    if not found.use(address, now):
        found.refresh_from_db()
        raise NotAdmitted(410, f"{spent(found)} {again}")
    try:
        document = document_for(router, now)
    except (redis.RedisError, LvsError, OSError) as error:
        raise NotAdmitted(
            503,
            f"The router could not be let in: {in_words(error).rstrip('.')}. The token is used up. {again}",
        ) from error
    found.complete()
    return router, document


def be_ready() -> None:
    """Refuses, before a token is used up, what this web server's own settings stand against. NotAdmitted."""
    try:
        authority_for(url_for_routers())
        dispatch.broker().ping()
    except (redis.RedisError, LvsError, OSError) as error:
        raise NotAdmitted(
            503,
            f"The router cannot be let in yet: {in_words(error).rstrip('.')}. The token still counts: mend "
            "that on the manager, then run this again.",
        ) from error


def spent(found: models.Enrolment) -> str:
    """Why a token is of no use any more."""
    if found.used_at is not None:
        return (
            f"This token was used on {found.used_at:%Y-%m-%d %H:%M} UTC from {found.used_from}. If that was "
            f"not this router, somebody else has it: revoke {found.router.name} on the page Routers, at once."
        )
    return f"This token ended on {found.ends_at:%Y-%m-%d %H:%M} UTC."


def document_for(router: models.Router, now: datetime) -> dict[str, Any]:
    """What a router's worker needs, with a new user of Redis."""
    url = url_for_routers()
    ca = authority_for(url)
    password = redis_users.grant(dispatch.broker(), router.name, note=router.admit)
    return {
        "router": router.name,
        "broker_url": redis_users.url_for(url, router.name, password),
        "manager_keys": signing.public_texts(settings.VAR),
        "ca": ca,
        "serial": serials.next_serial(settings.VAR),
        "now": now.timestamp(),
    }


def authority_for(url: str) -> str | None:
    """Who vouches for Redis there (PEM); None: nobody of ours, or there is no TLS."""
    if not broker.is_tls(url):
        return None
    own = Path(settings.VAR) / authority.CERTIFICATE
    return broker.authority() or (own.read_text(encoding="ascii") if own.exists() else None)


def revoke(router: models.Router) -> bool:
    """Takes the router's way to Redis away, and what waits for it there; whether it had one. RedisError.

    What it knows already it keeps: the cluster's key of the heartbeats should be made anew.
    """
    client = dispatch.broker()
    client.ping()
    router.shut_out()  # first, or the manager's worker would give it back
    had = redis_users.revoke(client, router.name)
    client.delete(queue_of(router.name))
    models.Enrolment.revoke(router, datetime.now(UTC))
    return had
