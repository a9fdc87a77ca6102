"""Whether the database takes changes. A full disk, or a standby, can still be read: nobody would notice
before a save."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.db import OperationalError

LEAST = 2 << 20  # bytes: some changes, with what SQLite writes beside its file


def must_take_changes(connection: Any) -> None:
    """OperationalError when it does not: an SQLite file that cannot grow, whose disk fails or only reads; a
    PostgreSQL that only reads.

    A PostgreSQL's disk is its own: it says by itself when that is full.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            (is_read_only,) = cursor.fetchone()
        if is_read_only == "on":
            raise OperationalError("the database is read-only")
        return
    name = str(connection.settings_dict["NAME"])
    if name == ":memory:" or name.startswith("file:"):
        return
    folder = Path(name).parent
    try:
        found = os.statvfs(folder)
    except OSError as error:  # whoever expects a database that fails expects no other error
        raise OperationalError(f"unable to open database file: {folder}: {error.strerror}") from error
    if found.f_flag & os.ST_RDONLY:
        raise OperationalError(f"readonly database: {folder} is mounted to be read only (dmesg says why)")
    free = found.f_bavail * found.f_frsize
    if found.f_blocks and free < LEAST:  # a disk without blocks is one in memory that nobody limits
        raise OperationalError(f"database or disk is full: {free >> 10} KiB are left for {folder}")
