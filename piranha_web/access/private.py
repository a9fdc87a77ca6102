"""The database's file is not for everybody on the machine: sessions and keys of second factors are in it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

log = logging.getLogger("piranha.access")

OTHERS = 0o007


def keep_private(path: Path) -> None:
    """Takes the file, and what SQLite keeps beside it, away from all but its owner and group.

    SQLite makes its file by the umask of whoever asks first. A group may be meant: other processes of the
    manager can run as other users.
    """
    for one in (path, *(path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))):
        try:
            mode = one.stat().st_mode
            if mode & OTHERS:
                one.chmod(mode & 0o777 & ~OTHERS)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("everybody on this machine can read %s, which has keys: %s", one, error)


def at_connection(connection: Any, **_more: Any) -> None:
    """Django's signal for a connection that was opened."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and name != ":memory:" and not name.startswith("file:"):
        keep_private(Path(name))
