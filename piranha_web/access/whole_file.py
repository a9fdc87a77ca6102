"""Small files that several processes and users change: replaced whole, one writer at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lvs.machines.rights import open_lock


def replace(path: Path, content: bytes) -> None:
    """Puts content in the file's place, so that a reader finds the old or the new one, never half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            _give(file.fileno(), path)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other writers of the file out, so that nothing that one of them adds is lost."""
    name = path.with_name(f".{path.name}.lock")
    lock = open_lock(name)
    try:
        give_to_folders_owner(lock, path)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _give(made: int, path: Path) -> None:
    """Gives an open file to whom the one at path belongs: the web server and root may be two users.

    By descriptor, never by name: whose folder it is may put a link in the name's place at any moment.
    """
    try:
        owner = path.lstat()
    except FileNotFoundError:
        give_to_folders_owner(made, path)
        return
    if stat.S_ISREG(owner.st_mode) and owner.st_nlink == 1:
        os.fchown(made, owner.st_uid, owner.st_gid)
    else:  # its owner says nothing of who may read this
        give_to_folders_owner(made, path)


def give_to_folders_owner(made: int, path: Path) -> None:
    """Gives an open file that root has made beside path to whom the folder belongs: the web server writes
    there too."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(made, owner.st_uid, owner.st_gid)
