"""The manager's signature on each task that it sends to a router.

Theory. Whoever can write to Redis can put a task into a router's queue; only the manager can sign one. What
is signed is a JSON text that says all of it: version, router, task, id, arguments and a serial number
(`lvs.machines.serials`). The text is sent as it was signed, as a string within Celery's body, so that nothing
must be written anew to be verified. Of Celery's own headers and options nothing is believed
(`lvs.machines.doorway`). The signature is Ed25519 (RFC 8032) over CONTEXT and the text; CONTEXT keeps it from
counting for anything else that this key may sign one day. The private key is a file of the manager's, the
routers have the public one in theirs (`lvs.machines.worker_file`): two at a time, so that a key can be
replaced without a gap.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from lvs.errors import LvsError
from lvs.router.files import give, write_private

VERSION = 1
CONTEXT = b"piranha task\n"
KEY_FILE = "signing.key"  # in the manager's folder, PIRANHA_VAR: PEM, 0600
NEXT_FILE = "signing.next"  # the key that is going to take its place
LOCK_FILE = "signing.lock"
MOST_TRUSTED = 2  # public keys that a router trusts at a time


class UnusableKey(LvsError):
    """A key that cannot be read, or is none."""


class Unsigned(LvsError):
    """What carries no signature at all, or one that is none."""


class Forged(LvsError):
    """What carries a signature by none of the trusted keys, or of another text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTask:
    """What the manager signs. serial: nanoseconds since the epoch by the manager's clock, always growing."""

    router: str
    task: str
    task_id: str
    arguments: Sequence[Any]
    serial: int


def manager_key(folder: Path) -> Ed25519PrivateKey:
    """The manager's key, made in its folder (PIRANHA_VAR) at first need. UnusableKey says what to do."""
    path = folder / KEY_FILE
    try:
        stamp = path.stat()
    except FileNotFoundError:
        with locked(folder):
            if not path.exists():  # else another process made it meanwhile
                write_private(path, pem(Ed25519PrivateKey.generate()), owner=folder)
        stamp = path.stat()
    except OSError as error:
        raise UnusableKey(f"the signing key {path} cannot be read: {error.strerror}") from error
    return _loaded(path, stamp.st_mtime_ns, stamp.st_ino)


def public_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The public key for a router's file (`manager_keys`): its 32 bytes in base64."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return base64.b64encode(public.public_bytes_raw()).decode("ascii")


def public_texts(folder: Path) -> list[str]:
    """What a router that is enrolled now is to trust: the manager's key, and the next one if there is one."""
    texts = [public_text(manager_key(folder))]
    if (folder / NEXT_FILE).exists():
        texts.append(public_text(_read(folder / NEXT_FILE)))
    return texts


def make_next(folder: Path) -> str:
    """Makes the key that is going to sign, which routers enrolled from now on trust too; its public text.

    UnusableKey: there is one already.
    """
    with locked(folder):
        if (folder / NEXT_FILE).exists():
            raise UnusableKey(
                "there is a next key already: enrol each router again, then piranha signing switch"
            )
        made = Ed25519PrivateKey.generate()
        write_private(folder / NEXT_FILE, pem(made), owner=folder)
    return public_text(made)


def switch(folder: Path) -> str:
    """Has the next key sign from now on, and the one before never again; its public text.

    UnusableKey: there is no next key.
    """
    with locked(folder):
        if not (folder / NEXT_FILE).exists():
            raise UnusableKey("there is no next key: piranha signing next makes one")
        taken = public_text(_read(folder / NEXT_FILE))
        os.rename(folder / NEXT_FILE, folder / KEY_FILE)
    return taken


def key_id(text: str) -> str:
    """What a public key is called on a terminal: the first 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(base64.b64decode(text)).hexdigest()[:8]


def trusted(texts: Iterable[str]) -> tuple[Ed25519PublicKey, ...]:
    """The public keys of a router's file; UnusableKey when there is none, too many, or one that is no key."""
    keys: list[Ed25519PublicKey] = []
    for text in texts:
        try:
            keys.append(Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True)))
        except (ValueError, TypeError) as error:
            raise UnusableKey(f"{text!r} is no public key of a manager: 32 bytes in base64") from error
    if not 1 <= len(keys) <= MOST_TRUSTED:
        raise UnusableKey(f"one or {MOST_TRUSTED} keys of the manager are trusted, and not {len(keys)}")
    return tuple(keys)


def seal(key: Ed25519PrivateKey, task: SignedTask) -> tuple[str, str]:
    """The text of a task and its signature, in base64. ValueError, TypeError: JSON cannot say that."""
    text = json.dumps(
        {
            "version": VERSION,
            "router": task.router,
            "task": task.task,
            "id": task.task_id,
            "serial": task.serial,
            "arguments": list(task.arguments),
        },
        separators=(",", ":"),
        allow_nan=False,
    )
    return text, base64.b64encode(key.sign(CONTEXT + text.encode())).decode("ascii")


def unseal(text: object, signature: object, keys: Iterable[Ed25519PublicKey]) -> SignedTask:
    """The task that one of the keys has signed. Unsigned, Forged: nothing of it may be believed."""
    if not isinstance(text, str) or not isinstance(signature, str):
        raise Unsigned("it carries no signature")
    try:
        signed, raw = CONTEXT + text.encode(), base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unsigned("its signature is none") from error
    if not any(_has_signed(key, raw, signed) for key in keys):
        raise Forged("its signature is not of this router's manager, or of another text")
    return opened(text)


def opened(text: str) -> SignedTask:
    """What a text says, whoever signed it. Forged: it is of another version of this protocol."""
    said = json.loads(text)
    if said["version"] != VERSION:
        raise Forged(f"it is of version {said['version']} of the protocol, and this worker knows {VERSION}")
    return SignedTask(
        router=said["router"],
        task=said["task"],
        task_id=said["id"],
        arguments=said["arguments"],
        serial=said["serial"],
    )


def pem(key: Ed25519PrivateKey) -> str:
    """A private key as it stands in its file (PKCS #8)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps the manager's other processes from its key and its serial numbers while inside."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UnusableKey(
            f"nothing can be signed, for {folder} cannot be written: {error.strerror}"
        ) from error
    try:
        give(descriptor, folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@lru_cache(maxsize=8)
def _loaded(path: Path, _changed: int, _inode: int) -> Ed25519PrivateKey:
    """The key of a file, read once for each of its contents."""
    return _read(path)


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise UnusableKey(f"the signing key {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(_no_key(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKey(_no_key(path))
    return key


def _no_key(path: Path) -> str:
    return (
        f"{path} is no Ed25519 key: put it back from a backup; or remove it, and a new one is made, which "
        "each router must be enrolled for again"
    )


def _has_signed(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
