"""Who on the machine can read the database's file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from piranha_web.access.private import keep_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o640), (0o666, 0o660), (0o600, 0o600), (0o660, 0o660)]
)
def test_others_can_neither_read_nor_write_it_and_a_group_keeps_what_it_has(
    tmp_path: Path, before: int, after: int
) -> None:
    path = tmp_path / "piranha.sqlite3"
    for one in (path, tmp_path / "piranha.sqlite3-wal"):
        one.touch()
        one.chmod(before)

    keep_private(path)

    assert mode(path) == mode(tmp_path / "piranha.sqlite3-wal") == after


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    keep_private(tmp_path / "piranha.sqlite3")

    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_made_is_private_from_its_first_connection_on(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIRANHA_", "DJANGO"))}
    code = (
        "import os, django; os.umask(0o022); django.setup()\n"
        "from django.db import connection\n"
        "with connection.cursor() as cursor: cursor.execute('CREATE TABLE secret (key text)')\n"
    )

    subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"PIRANHA_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "piranha_web.settings"},
        check=True,
    )

    assert mode(tmp_path / "piranha.sqlite3") == 0o640
