"""The way to Redis: its address for the manager's processes; and TLS, for redis-py and for Celery alike.

The address has a password in it. It is best kept in a file (PIRANHA_BROKER_URL_FILE): an environment can be
read by others of the same account, and goes on to every process that is started.

With rediss:// the certificate and the host name are always looked at, whatever else the address says. If an
authority is named, it alone counts: of a router's worker the one in its file, of the manager's processes that
of PIRANHA_BROKER_CA. Without one the machine's own list of authorities does.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

URL = "PIRANHA_BROKER_URL"
URL_FILE = "PIRANHA_BROKER_URL_FILE"
FILE = "broker.url"
DEFAULT = "redis://127.0.0.1:6379/0"
VARIABLE = "PIRANHA_BROKER_CA"  # a PEM file
# Celery's word for "by TLS"; kombu would look at no certificate if it had to guess.
CELERY = {"ssl_cert_reqs": ssl.CERT_REQUIRED}

_trusted: list[str] = []  # of this process: a router's worker has one Redis


def url_in(environment: Mapping[str, str]) -> str:
    """The manager's address of Redis: PIRANHA_BROKER_URL, or the line in the file of PIRANHA_BROKER_URL_FILE.

    Without either the line of FILE in PIRANHA_VAR, where there is one, so that a command beside the web
    server finds the same Redis. RedisError: that file cannot be read.
    """
    beside = Path(environment.get("PIRANHA_VAR") or "var", FILE)
    path = environment.get(URL_FILE) or (str(beside) if os.access(beside, os.R_OK) else "")
    if environment.get(URL) or not path:
        return environment.get(URL) or DEFAULT
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise redis.ConnectionError(f"{path}, which {URL_FILE} names, cannot be read: {error}") from error


def trust(authority: str | None) -> None:
    """Has this process believe that authority alone (PEM); None: what the environment names."""
    _trusted[:] = [authority] if authority else []


def authority() -> str | None:
    """The one that counts, PEM; None: those of the machine. RedisError: its file cannot be read."""
    if _trusted:
        return _trusted[0]
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise redis.ConnectionError(
            f"{path}, which {VARIABLE} names, cannot be read: {error}. Name the authority that signed "
            "Redis' certificate (piranha tls redis makes one)"
        ) from error


def is_tls(broker_url: str) -> bool:
    """Whether that address is asked by TLS."""
    return broker_url.startswith("rediss://")


class VerifiedConnection(redis.SSLConnection):
    """A connection by TLS that ends unless the certificate is Redis' own, vouched for by the authority."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "ssl_cert_reqs": "required", "ssl_check_hostname": True})

    def _wrap_socket_with_ssl(self, sock: Any) -> ssl.SSLSocket:
        """redis-py would believe the machine's authorities besides the one that is named."""
        return context(authority()).wrap_socket(sock, server_hostname=self.host)


def context(trusted: str | None) -> ssl.SSLContext:
    """How Redis is spoken to: TLS 1.2 or newer, its certificate and its name looked at."""
    try:
        made = ssl.create_default_context(cadata=trusted)
    except (ssl.SSLError, ValueError) as error:
        raise redis.ConnectionError(
            f"the authority for Redis' certificate is no certificate: {error}"
        ) from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made
