"""The password file: htpasswd format, argon2id hashes; the one importer of passlib."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from passlib.apache import HtpasswdFile
from passlib.context import CryptContext

LEAST_LENGTH = 8
MOST_LENGTH = 1024

CONTEXT = CryptContext(schemes=["argon2"])


def can_be_account(user: str) -> bool:
    """Whether the file can hold an account of this name."""
    return bool(user) and len(user) <= 150 and not set(user) & set(":\r\n\t\0")


def fault_of(password: str) -> str | None:
    """Why this cannot be a password, in a sentence; None: it can."""
    if not LEAST_LENGTH <= len(password) <= MOST_LENGTH:
        return f"A password has {LEAST_LENGTH} to {MOST_LENGTH} characters."
    return "A password cannot contain a NUL character." if "\0" in password else None


def set_password(user: str, password: str, path: Path) -> None:
    """Sets or adds an account; the file is replaced whole, readable by its owner alone.

    ValueError, in a sentence, when the name or the password cannot be used.
    """
    if not can_be_account(user):
        raise ValueError("An account's name has 1 to 150 characters, without colons and line breaks.")
    if fault := fault_of(password):
        raise ValueError(fault)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        accounts = HtpasswdFile.from_string(path.read_bytes() if path.exists() else b"", context=CONTEXT)
        accounts.set_password(user, password)
        replace(path, accounts.to_string())


def check_password(user: str, password: str, path: Path) -> bool:
    """Whether the account exists and this is its password; a wrong name takes as long."""
    if len(password) > MOST_LENGTH or "\0" in password:
        return False
    found = hash_of(user, path)
    if found is None:
        CONTEXT.dummy_verify()
        return False
    # A line that another program wrote, with another kind of hash, lets nobody in.
    return bool(CONTEXT.identify(found)) and bool(CONTEXT.verify(password, found))


def hash_of(user: str, path: Path) -> str | None:
    """The hash of an account; None: there is no such account (any more)."""
    if not can_be_account(user):
        return None
    found = read(path).get_hash(user)
    return found.decode() if isinstance(found, bytes) else found


def names(path: Path) -> list[str]:
    """The accounts of the file, sorted."""
    found = (name.decode() if isinstance(name, bytes) else name for name in read(path).users())
    return sorted(name for name in found if can_be_account(name))


def read(path: Path) -> HtpasswdFile:
    """The accounts in the file; none when there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return HtpasswdFile(context=CONTEXT)
    return parse(path, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=4)
def parse(path: Path, _changed_at: int, _inode: int) -> HtpasswdFile:
    """The file as it was at that moment. Every page asks; the file changes a few times a year."""
    return HtpasswdFile.from_string(path.read_bytes(), context=CONTEXT)


def replace(path: Path, content: bytes) -> None:
    """Puts content in the file's place, so that a reader finds the old or the new one, never half."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            # The web server and an administrator's `piranha passwd` may be two users.
            owner = path.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other writers of the file out, so that no account that one of them adds is lost."""
    with open(path.with_name(f".{path.name}.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
