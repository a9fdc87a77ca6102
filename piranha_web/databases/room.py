"""Whether the SQLite file can grow. A full disk can still be read: nobody would notice before a save."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.db import OperationalError

LEAST = 2 << 20  # bytes: some changes, with what SQLite writes beside its file


def must_have_room(connection: Any) -> None:
    """OperationalError, as SQLite has it, when there is next to none. A PostgreSQL says that by itself."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or name == ":memory:" or name.startswith("file:"):
        return
    folder = Path(name).parent
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < LEAST:
        raise OperationalError(f"database or disk is full: {free >> 10} KiB are left for {folder}")
