"""The authority that the manager makes, which vouches for Redis' certificate: PIRANHA_VAR/ca.pem and ca.key.

It is no authority for browsers. Routers get ca.pem when they are enrolled, and believe nobody else.
"""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lvs.machines import rights
from piranha_web.tls import making
from piranha_web.tls.certificates import (
    Certificate,
    TlsRefused,
    chain,
    contents,
    described,
    public_of_key,
    spki,
)

CERTIFICATE, KEY = "ca.pem", "ca.key"  # in PIRANHA_VAR
REDIS_CERTIFICATE, REDIS_KEY = "redis.pem", "redis.key"
RENEW_BEFORE = timedelta(days=30)


def ensure(var: Path, now: datetime) -> Path:
    """The authority's certificate, made with its key at first need; TlsRefused: only one of them is there.

    It is never made anew by itself: every router has it.
    """
    certificate, key = var / CERTIFICATE, var / KEY
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(rights.open_lock(var / "ca.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not certificate.exists() and not key.exists():
            made, made_key = making.authority(now)
            making.write(key, making.pem_of_key(made_key))
            making.write(certificate, making.pem(made), mode=0o644)
    if spki(chain(certificate)[0]) != public_of_key(key):
        raise TlsRefused(
            f"{key} is not the key of {certificate}. Put the two back that belong together; or remove both, "
            "sign Redis' certificate anew (piranha tls redis), and enrol every router again."
        )
    return certificate


def sign_for_redis(var: Path, folder: Path, names: Sequence[str], now: datetime) -> Certificate:
    """A new certificate for Redis in the folder: redis.pem, redis.key (0600), and the authority's ca.pem."""
    made = sign(var, names, now)
    put(var, folder, made)
    return made_for_redis(made)


def sign(var: Path, names: Sequence[str], now: datetime) -> dict[str, str]:
    """The same as texts, by the names of their files."""
    signer = chain(ensure(var, now))[0]
    signing_key = load_pem_private_key(contents(var / KEY), password=None)
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey):
        raise TlsRefused(f"{var / KEY} is no key that `piranha tls redis` made: it signs with ECDSA alone.")
    made, key = making.signed_by(signer, signing_key, names, now)
    files = {REDIS_KEY: making.pem_of_key(key), REDIS_CERTIFICATE: making.pem(made)}
    files[CERTIFICATE] = making.pem(signer)
    return {name: content.decode("ascii") for name, content in files.items()}


def put(var: Path, folder: Path, made: Mapping[str, str]) -> None:
    """Writes them into the folder."""
    # The key first: between the two Redis, were it to start, would refuse the pair and not serve a wrong one.
    making.write(folder / REDIS_KEY, made[REDIS_KEY].encode())
    making.write(folder / REDIS_CERTIFICATE, made[REDIS_CERTIFICATE].encode(), mode=0o644)
    if folder.resolve() != var.resolve():  # Redis' user cannot look into the manager's folder
        making.write(folder / CERTIFICATE, made[CERTIFICATE].encode(), mode=0o644)


def made_for_redis(made: Mapping[str, str]) -> Certificate:
    """Which of them Redis shows."""
    return described(x509.load_pem_x509_certificate(made[REDIS_CERTIFICATE].encode()))


def ensure_for_redis(var: Path, folder: Path, names: Sequence[str], now: datetime) -> Path:
    """Redis' certificate in the folder, made where there is none, it ends soon, or is for other names."""
    path = folder / REDIS_CERTIFICATE
    signer = chain(ensure(var, now))[0]
    if path.exists() and (folder / REDIS_KEY).exists():
        one = chain(path)[0]
        found = described(one)
        fits = spki(one) == public_of_key(folder / REDIS_KEY) and _signed(one, signer)
        if fits and found.left(now) > RENEW_BEFORE and set(names) <= set(found.names):
            return path
    sign_for_redis(var, folder, names, now)
    return path


def vouches_for(var: Path, path: Path) -> bool:
    """Whether the authority that is there now has signed the certificate in that file."""
    signer = var / CERTIFICATE
    return signer.exists() and _signed(chain(path)[0], chain(signer)[0])


def _signed(one: x509.Certificate, signer: x509.Certificate) -> bool:
    """Whether the authority of today vouches for it."""
    return (
        one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        == x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest
    )
