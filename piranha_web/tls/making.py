"""Certificates that we make ourselves: the web server's own, and the authority that signs Redis' one.

Keys are ECDSA P-256. A file with a key is written whole and 0600 before it has its name.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Apple takes no server certificate that is valid for more than 825 days, whoever signed it.
VALID_FOR = timedelta(days=820)
AUTHORITY_VALID_FOR = timedelta(days=3650)
# A clock that is a little behind must not make a new certificate one of tomorrow.
BEFORE = timedelta(hours=1)
MOST_COMMON = 64  # signs in a common name (RFC 5280, ub-common-name)

Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(names: Sequence[str], now: datetime) -> tuple[x509.Certificate, Key]:
    """A server's certificate for these names, vouched for by itself."""
    key = new_key()
    name = subject(next((one for one in names if one != "localhost"), "localhost"))
    made = builder(name, name, key, now, VALID_FOR, names)
    return made.sign(key, hashes.SHA256()), key


def authority(now: datetime) -> tuple[x509.Certificate, Key]:
    """A certificate that may sign others, and nothing else."""
    key = new_key()
    name = subject(f"Piranha authority {secrets.token_hex(4)}")
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + AUTHORITY_VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return made.sign(key, hashes.SHA256()), key


def signed_by(
    signer: x509.Certificate, signing_key: Key, names: Sequence[str], now: datetime
) -> tuple[x509.Certificate, Key]:
    """A server's certificate for these names, which the authority vouches for; never longer than it lives."""
    key = new_key()
    length = min(VALID_FOR, signer.not_valid_after_utc - now)
    made = builder(subject(names[0]), signer.subject, key, now, length, names).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
    )
    return made.sign(signing_key, hashes.SHA256()), key


def builder(
    name: x509.Name, issuer: x509.Name, key: Key, now: datetime, length: timedelta, names: Sequence[str]
) -> x509.CertificateBuilder:
    """A server's certificate, still to be signed."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + length)
        .add_extension(x509.SubjectAlternativeName([general(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def subject(common: str) -> x509.Name:
    """A name in a certificate."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:MOST_COMMON])])


def general(name: str) -> x509.GeneralName:
    """A host name or an address, as a certificate has it."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    """What the key of a certificate is for: signing others (an authority), or talking (a server)."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def pem_of_key(key: Key) -> bytes:
    """The private key as PEM, unlocked."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Puts content at path in one step: whoever reads it meanwhile finds the old or the new, whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it has its name
            beside.unlink()
