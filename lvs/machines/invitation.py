"""The token of `piranha enrol`: all that a router needs to find its manager, and to know it again.

Base64url of a small JSON text. Whoever holds one may become that router once, until it ends; so it is made
for an hour, used once, and on the manager only the hash of its secret is kept. It only computes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lvs.errors import LvsError
from lvs.machines.worker_file import NAME

VERSION = 1
SECRET_BYTES = 32
MOST_ADDRESSES = 8
LONGEST = 4096  # signs of a token
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class NoInvitation(LvsError):
    """A token that cannot be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a token says. addresses: the manager's, https://HOST:PORT, the likeliest first; fingerprint:
    SHA-256 of its certificate, 64 small hexadecimal digits; secret: of the router alone."""

    addresses: tuple[str, ...]
    fingerprint: str
    router: str
    secret: bytes = field(repr=False)

    @property
    def token(self) -> str:
        """It as text, in one word."""
        said = {
            "v": VERSION,
            "router": self.router,
            "at": list(self.addresses),
            "sha256": self.fingerprint,
            "secret": base64.urlsafe_b64encode(self.secret).decode(),
        }
        text = json.dumps(said, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def digest(secret: bytes) -> str:
    """What the manager keeps of a secret."""
    return hashlib.sha256(b"piranha enrolment 1:" + secret).hexdigest()


def read(token: str) -> Invitation:
    """A token's words; NoInvitation says what is wrong with it, never what it says."""
    text = "".join(token.split())
    if len(text) > LONGEST:
        raise NoInvitation("This is no token of `piranha enrol`: it is much too long.")
    try:
        said = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        version = said["v"]
        found = Invitation(
            addresses=tuple(said["at"]),
            fingerprint=said["sha256"],
            router=said["router"],
            secret=base64.b64decode(said["secret"], altchars=b"-_", validate=True),
        )
    except (binascii.Error, ValueError, LookupError, TypeError, RecursionError) as error:
        raise NoInvitation(
            "This is no whole token of `piranha enrol`. Copy the command again, from first sign to last."
        ) from error
    if version != VERSION:
        raise NoInvitation("This token is of another version. Install the manager's version on this router.")
    if not is_sound(found):
        raise NoInvitation("This token makes no sense. Have a new one made: piranha enrol on the manager.")
    return found


def is_sound(one: Invitation) -> bool:
    """Whether each part is what it should be."""
    return (
        isinstance(one.router, str)
        and NAME.fullmatch(one.router) is not None
        and isinstance(one.fingerprint, str)
        and _FINGERPRINT.fullmatch(one.fingerprint) is not None
        and len(one.secret) == SECRET_BYTES
        and 0 < len(one.addresses) <= MOST_ADDRESSES
        and all(isinstance(address, str) and is_address(address) for address in one.addresses)
    )


def is_address(text: str) -> bool:
    """Whether it is https://HOST or https://HOST:PORT, and nothing more."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and bool(parts.hostname)
        and (parts.path, parts.query, parts.fragment) == ("", "", "")
        and "@" not in parts.netloc
        and not set(text) & set(" \\\t\r\n")
        and text.isprintable()
        and (port is None or port > 0)
    )
