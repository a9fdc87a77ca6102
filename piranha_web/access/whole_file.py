"""Small files that several processes and users change: replaced whole, one writer at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Puts content in the file's place, so that a reader finds the old or the new one, never half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            # The web server and an administrator at the console may be two users.
            owner = path.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        else:
            give_to_folders_owner(name, path)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other writers of the file out, so that nothing that one of them adds is lost."""
    name = path.with_name(f".{path.name}.lock")
    with open(name, "a", encoding="ascii") as lock:
        give_to_folders_owner(lock.fileno(), path)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def give_to_folders_owner(made: str | int, path: Path) -> None:
    """Gives what root has made beside path to whom the folder belongs: the web server writes there too."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(made, owner.st_uid, owner.st_gid)
