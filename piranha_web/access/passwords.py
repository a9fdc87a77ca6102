"""The password file: htpasswd format, argon2id hashes; the one importer of passlib.

A file that another program wrote (Piranha's own, Apache's) can be taken over: its hashes are believed, and
each is replaced at the first login. Never believed is a password that stands there as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from passlib.apache import HtpasswdFile
from passlib.context import CryptContext

from piranha_web.access.hash_cost import is_affordable
from piranha_web.access.whole_file import locked, replace

log = logging.getLogger("piranha.access")

LEAST_LENGTH = 8
MOST_LENGTH = 1024

STRONG = "argon2"
# What htpasswd of Apache 1.3 to 2.4 and crypt(3) write. des_crypt looks at the first eight signs alone.
OLD = ("apr_md5_crypt", "ldap_sha1", "des_crypt", "md5_crypt", "sha256_crypt", "sha512_crypt")
BCRYPT, BCRYPT_LOOKS_AT = "bcrypt", 72  # bytes; whoever wrote the hash has left out the rest without a word
SCHEMES = (STRONG, *OLD, BCRYPT)
BAD_NAME = "An account's name has 1 to 150 visible characters (255 bytes), no colon, and no # as the first."

CONTEXT = CryptContext(schemes=SCHEMES, deprecated="auto")


def can_be_account(user: str) -> bool:
    """Whether the file can hold an account of this name."""
    is_word = bool(user) and user.isprintable() and ":" not in user and not user.startswith("#")
    return is_word and len(user) <= 150 and len(user.encode()) <= 255  # passlib's own limit


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
        raise ValueError(BAD_NAME)
    if fault := fault_of(password):
        raise ValueError(fault)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = CONTEXT.hash(password)
    with changed(path) as accounts:
        accounts.set_hash(user, made)


@contextmanager
def changed(path: Path) -> Iterator[HtpasswdFile]:
    """The accounts, to be changed while no other writer may; the file is then replaced whole."""
    with locked(path):
        accounts = accounts_of(path.read_bytes() if path.exists() else b"")
        yield accounts
        replace(path, accounts.to_string())


def check_password(user: str, password: str, path: Path) -> bool:
    """Whether the account exists and this is its password; a wrong pair takes as long whatever is wrong."""
    if len(password) > MOST_LENGTH or "\0" in password:
        return False
    found = hash_of(user, path)
    kind = kind_of(found) if found else ""
    is_right = bool(found and kind) and verified(password, found or "")
    if not is_right and kind != STRONG:
        # No account, or a hash that is quickly checked: a guesser could tell by the time.
        CONTEXT.dummy_verify()
    return is_right


def verified(password: str, found: str) -> bool:
    """Whether it is the hash of that password; what looks like a hash and is none is nobody's."""
    typed = password.encode()
    try:
        return bool(CONTEXT.verify(typed[:BCRYPT_LOOKS_AT] if kind_of(found) == BCRYPT else typed, found))
    except ValueError as error:
        log.warning("a line of the password file cannot be understood: %s", error)
        return False


def kind_of(found: str) -> str:
    """The kind of a hash; "": none that is believed here."""
    return (is_affordable(found) and CONTEXT.identify(found)) or ""


def strengthen(user: str, password: str, path: Path) -> bool:
    """Puts today's kind of hash in the place of an older one of the password, which is right; whether it did.

    With des_crypt what was typed counts from now on, signs after the eighth included. OSError: the file
    cannot be written.
    """
    found = hash_of(user, path)
    if found is None or not CONTEXT.needs_update(found):
        return False
    made = CONTEXT.hash(password)
    with changed(path) as accounts:
        is_same = text(accounts.get_hash(user)) == found  # and nobody set another one meanwhile
        if is_same:
            accounts.set_hash(user, made)
    return is_same


def remove(user: str, path: Path) -> bool:
    """Takes an account out of the file; False: there was none."""
    if hash_of(user, path) is None:
        return False
    with changed(path) as accounts:
        return bool(accounts.delete(user))


def is_private(path: Path) -> bool:
    """Whether only its owner can read the file, or there is none."""
    return not path.exists() or not path.stat().st_mode & 0o077


def hash_of(user: str, path: Path) -> str | None:
    """The hash of an account; None: there is no such account (any more)."""
    if not can_be_account(user):
        return None
    return text(read(path).get_hash(user))


def text(found: str | bytes | None) -> str | None:
    """What passlib gives, which may be bytes."""
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
    return accounts_of(path.read_bytes())


def accounts_of(content: bytes) -> HtpasswdFile:
    """The accounts of a file's content; lines that are none become comments, and keep no account out."""
    lines = [line if is_understood(line) else b"# not an account: " + line for line in content.splitlines()]
    return HtpasswdFile.from_string(b"".join(line + b"\n" for line in lines), context=CONTEXT)


def is_understood(line: bytes) -> bool:
    """Whether a line is one account (NAME:HASH in UTF-8), a comment, or blank."""
    try:
        words = line.decode().strip()
    except UnicodeDecodeError:
        return False
    return not words or words.startswith("#") or words.count(":") == 1
