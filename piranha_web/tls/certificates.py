"""Certificates and their keys, as files: what one says, and whether the two can be used."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from lvs.errors import LvsError
from lvs.machines.rights import open_plain

Address = IPv4Address | IPv6Address
LARGEST = 1024 * 1024  # bytes; a chain has a few thousand
WARN_BEFORE = timedelta(days=21)  # an administrator's certificate ends: time to get another one, holidays too
_COMMON = NameOID.COMMON_NAME


class TlsRefused(LvsError):
    """A certificate, a key or a setting that TLS cannot be served with; what it is, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says. Times are UTC; fingerprint: SHA-256 of it whole, as pairs of digits."""

    subject: str
    issuer: str
    names: tuple[str, ...]  # host names, then addresses
    not_before: datetime
    not_after: datetime
    fingerprint: str
    is_self_signed: bool

    @property
    def signer(self) -> str:
        """Who vouches for it, for people."""
        return "itself: a browser asks at the first visit" if self.is_self_signed else self.issuer

    def left(self, now: datetime) -> timedelta:
        """How long it still holds."""
        return self.not_after - now


def usable(certificate: Path, key: Path, now: datetime) -> Certificate:
    """The server's certificate of two files (or of one that has both), judged as a server must.

    TlsRefused: unreadable, no certificate, not yet or no more valid, a key that is locked or does not fit.
    """
    leaf = chain(certificate)[0]
    found = described(leaf)
    if now >= found.not_after:
        raise TlsRefused(
            f"The certificate {certificate} ended on {found.not_after:%Y-%m-%d %H:%M} UTC. Put one that is "
            "still valid in its place; if it is, set this machine's clock."
        )
    if now < found.not_before:
        raise TlsRefused(
            f"The certificate {certificate} begins on {found.not_before:%Y-%m-%d %H:%M} UTC, and it is "
            f"{now:%Y-%m-%d %H:%M} by this machine's clock. Set the clock, or wait."
        )
    if public_of_key(key) != spki(leaf):
        raise TlsRefused(_misfit(certificate, key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise TlsRefused(
            f"OpenSSL does not take {certificate} with {key}: {error}. Have it made anew, with a key of "
            "ECDSA P-256 or RSA of at least 2048 bits."
        ) from error
    return found


def _misfit(certificate: Path, key: Path) -> str:
    """What to say of a key that is not the first certificate's."""
    own = public_of_key(key)
    if any(spki(one) == own for one in chain(certificate)[1:]):
        return (
            f"The key {key} fits a certificate of {certificate}, but not the first one there: put the "
            "server's own certificate first, those that signed it after it."
        )
    return f"The key {key} does not fit the certificate {certificate}: name the two that were made together."


def chain(path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file, in its order; there is at least one."""
    try:
        return x509.load_pem_x509_certificates(contents(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsRefused(
            f"{path} has no certificate that can be read ({error}). It must be PEM: lines that begin with "
            "-----BEGIN CERTIFICATE-----."
        ) from error


def public_of_key(path: Path) -> bytes:
    """The public half of the private key in a PEM file, to be compared."""
    try:
        key = load_pem_private_key(contents(path), password=None)
    except TypeError as error:
        raise TlsRefused(
            f"The key {path} is locked by a passphrase, which nobody could type when the server starts. "
            "Unlock it: openssl pkey -in KEY -out KEY.open, and keep that mode 0600."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsRefused(
            f"{path} has no private key that can be read ({error}). It must be PEM: lines that begin with "
            "-----BEGIN PRIVATE KEY----- or -----BEGIN EC PRIVATE KEY-----."
        ) from error
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def contents(path: Path) -> bytes:
    """A file's bytes; TlsRefused when it cannot be read, or is much too large."""
    try:
        with open(open_plain(path), "rb") as file:
            found = file.read(LARGEST + 1)
    except OSError as error:
        raise TlsRefused(
            f"{path} cannot be read ({error.strerror or error}). Give the web server's user the right to, "
            "or name another file."
        ) from error
    if len(found) > LARGEST:
        raise TlsRefused(f"{path} has more than a megabyte: that is no certificate and no key.")
    return found


def spki(one: x509.Certificate) -> bytes:
    """The public key of a certificate, to be compared."""
    return one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def described(one: x509.Certificate) -> Certificate:
    """What is shown of a certificate."""
    names, addresses = alternative_names(one)
    return Certificate(
        subject=_name(one.subject),
        issuer=_name(one.issuer),
        names=(*names, *map(str, addresses)),
        not_before=one.not_valid_before_utc,
        not_after=one.not_valid_after_utc,
        fingerprint=one.fingerprint(hashes.SHA256()).hex(":").upper(),
        is_self_signed=is_self_signed(one),
    )


def is_self_signed(one: x509.Certificate) -> bool:
    """Whether nobody else vouches for it."""
    if one.subject != one.issuer:
        return False
    try:
        one.verify_directly_issued_by(one)
    except Exception:  # noqa: BLE001 - InvalidSignature, or whatever a key of an odd kind raises
        return False
    return True


def alternative_names(one: x509.Certificate) -> tuple[tuple[str, ...], tuple[Address, ...]]:
    """The host names and the addresses that a certificate is for."""
    try:
        found = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return (), ()
    addresses = found.get_values_for_type(x509.IPAddress)
    single = tuple(at for at in addresses if isinstance(at, IPv4Address | IPv6Address))
    return tuple(found.get_values_for_type(x509.DNSName)), single


def _name(name: x509.Name) -> str:
    """A subject in one line: its common name, else all of it."""
    common = name.get_attributes_for_oid(_COMMON)
    return str(common[0].value) if common else (name.rfc4514_string() or "nobody")


def remarks(path: Path, key: Path, asked_for: Sequence[str], now: datetime) -> list[str]:
    """What is not forbidden, but will trouble somebody: sentences. asked_for: names the site is known by."""
    found = described(chain(path)[0])
    said = []
    if notice := ending(found, now):
        said.append(notice)
    if not found.names:
        said.append("It has no subjectAltName: no browser takes it. Have it made with the host name.")
    elif missing := [name for name in asked_for if not covers(found.names, name)]:
        said.append(f"It is not for {', '.join(missing)}: whoever asks by that name is warned.")
    if key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        said.append(f"Everybody on this machine can read or change its key: chmod o= {key}")
    if not found.is_self_signed and len(chain(path)) == 1:
        said.append(
            "The file has the server's certificate alone. Unless a root signed it directly, add the ones in "
            "between, else some browsers do not trust it."
        )
    return said


def ending(found: Certificate, now: datetime) -> str:
    """A sentence when a certificate ends soon or has ended; "": it does not."""
    left, moment = found.left(now), f"{found.not_after:%Y-%m-%d %H:%M} UTC"
    if left > WARN_BEFORE:
        return ""
    if left <= timedelta():
        return f"The certificate of these pages ended on {moment}: put another in its place."
    when = f"in {left.days} day{'s' if left.days != 1 else ''}" if left.days else "today"
    return f"The certificate of these pages ends {when} ({moment}): put another in its place."


def covers(names: Sequence[str], name: str) -> bool:
    """Whether a certificate for these names is good for that one (RFC 6125: a star stands for one label)."""
    name = name.lower().rstrip(".")
    _label, _, rest = name.partition(".")
    return any(one.lower() == name or (rest and one.lower() == f"*.{rest}") for one in names)
