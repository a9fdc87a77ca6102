"""The cluster's keys on a router: the file `cluster.key` beside lvs.cf, by which the heartbeats are signed.

One key a line, in hexadecimal digits, the newest first. Whoever can read a key can forge heartbeats, and so
decide which router is active; hence a file that others can read is not used, only complained about.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from lvs.errors import RouterError
from lvs.pulse.heartbeat import KEY_BYTES, MAX_KEYS
from lvs.router import files

NAME = "cluster.key"


def load(folder: Path) -> tuple[bytes, ...]:
    """The keys in a folder, newest first; none without such a file. RouterError if it may not be used."""
    path = folder / NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        _check_guarded(path, os.fstat(descriptor))
        with open(descriptor, encoding="ascii", errors="replace", closefd=False) as file:
            text = file.read()
    except OSError as error:  # a bad disk must not end pulse
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)
    return parse(text, path)


def save(folder: Path, keys: Sequence[bytes]) -> None:
    """Puts the keys in place in one step, readable by pulse's user only; RouterError if they are no keys."""
    path = folder / NAME
    _check(keys, path)
    files.write_private(path, "".join(f"{key.hex()}\n" for key in keys))


def joined(new: Sequence[bytes], before: Sequence[bytes]) -> tuple[bytes, ...]:
    """What a router holds that gets new keys and has those of before; all newest first.

    A single key that it did not know (of a new manager, in place of one that was made by hand) reaches the
    other router a moment later: until both have it they must understand each other by the one of before.
    """
    if len(new) == 1 and before and new[0] not in before:
        return (*new, before[0])
    return tuple(new)


def parse(text: str, source: Path | str) -> tuple[bytes, ...]:
    """The keys of a file's text; RouterError names the source and says what is wrong, never what a key is."""
    try:
        keys = tuple(bytes.fromhex(line) for line in text.split())
    except ValueError as error:
        raise RouterError(f"{source} has a line that is not hexadecimal; {_REMEDY}") from error
    _check(keys, source)
    return keys


_REMEDY = "apply a revision, which brings the cluster's keys, or copy the file from the other router"


def _check(keys: Sequence[bytes], source: Path | str) -> None:
    if not 1 <= len(keys) <= MAX_KEYS or len(set(keys)) != len(keys):
        raise RouterError(f"{source} must have 1 or {MAX_KEYS} different keys, the newest first; {_REMEDY}")
    if any(len(key) < KEY_BYTES for key in keys):
        digits = 2 * KEY_BYTES
        raise RouterError(f"{source} has a key of less than {digits} hexadecimal digits; {_REMEDY}")


def _unreadable(path: Path, error: OSError) -> RouterError:
    remedy = "make it a plain file that belongs to pulse's user, mode 0600"
    return RouterError(f"cannot read {path}: {error.strerror}; {remedy}")


def _check_guarded(path: Path, found: os.stat_result) -> None:
    """That nobody else can read or change it."""
    if not stat.S_ISREG(found.st_mode):
        raise RouterError(f"{path} is not a plain file; remove it and {_REMEDY}")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise RouterError(
            f"{path} is open to others (mode {mode:04o}), who could forge heartbeats: make new keys, as "
            f"these may be known; if you are sure that they are not: chmod 600 {path}"
        )
    if found.st_uid not in (0, os.geteuid()):
        raise RouterError(f"{path} belongs to another user; give it to pulse's: chown {os.geteuid()} {path}")
