"""The database that rows are restored into, or moved to: filled beside the one in use, then put in its place.

SQLite: a new file beside it, which is renamed. PostgreSQL: one transaction, in which the schema in use is
renamed to `before_TIME` and an empty one of its name is filled; its COMMIT is the moment.
"""

from __future__ import annotations

import copy
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.models import QuerySet

from lvs.errors import NotPossible
from piranha_web.access.private import keep_private
from piranha_web.access.whole_file import give_to_folders_owner
from piranha_web.databases import rows
from piranha_web.databases.url import ENGINE, described
from piranha_web.databases.ways import TARGET, opened

# A database that was only just migrated has no row of these.
MADE_BY_SOMEBODY = ("lvs.cluster", "lvs.revision", "lvs.account", "lvs.auditentry", "auth.user")

log = logging.getLogger("piranha.database")


class Target:
    """A database by Django's settings for it. now: by which what was there is named."""

    def __init__(self, settings: Mapping[str, Any], now: datetime) -> None:
        self.settings = copy.deepcopy(dict(settings))
        self.now = now
        self.is_postgresql = settings["ENGINE"] == ENGINE
        self.path = Path(str(settings["NAME"]))  # of SQLite
        self.sums: dict[str, list[Any]] = {}
        self._was_new = False

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return described(self.settings)

    def is_new(self) -> bool:
        """Whether nothing is kept there yet: no table, or not one row that somebody made. NotPossible: it
        cannot be reached."""
        if not self.is_postgresql and not self.path.exists():
            return True
        with opened(TARGET, self.settings) as alias:
            tables = set(connections[alias].introspection.table_names())
            if not tables:
                return True
            ours = [apps.get_model(label) for label in MADE_BY_SOMEBODY]
            if not {model._meta.db_table for model in ours} <= tables:
                return False  # somebody else's, or of a version long ago
            return not any(QuerySet(model, using=alias).values("pk").exists() for model in ours)

    @contextmanager
    def filled(self, lines: Iterable[str]) -> Iterator[None]:
        """Has the rows beside what is there while inside; `take_its_place` before the end puts them there."""
        if self.is_postgresql:
            self._was_new = self.is_new()
            with opened(TARGET, self.settings) as alias, transaction.atomic(using=alias):
                self._make_room(alias)
                self.sums = rows.load(alias, lines)
                yield
            return
        beside = self._beside()
        try:
            with opened(TARGET, {**self.settings, "NAME": str(beside)}) as alias:
                self.sums = rows.load(alias, lines)
                with connections[alias].cursor() as cursor:
                    cursor.execute("PRAGMA journal_mode=DELETE")  # one whole file, to be renamed
            keep_private(beside)
            yield
        finally:
            for end in ("", "-wal", "-shm", "-journal"):
                beside.with_name(beside.name + end).unlink(missing_ok=True)

    def make_way(self, kept: Path) -> str:
        """Keeps what is there; a sentence about where, "": there is nothing. NotPossible: it is in use."""
        if self.is_postgresql:
            return self._kept_schema()
        if not self.path.exists():
            return ""
        close_sqlite(self.path)
        kept.mkdir(mode=0o700, exist_ok=True)
        for end in ("", "-wal", "-shm"):  # a journal that is still there is of a database that is damaged
            one = self.path.with_name(self.path.name + end)
            if one.exists():
                shutil.copyfile(one, kept / one.name)
                (kept / one.name).chmod(0o600)
        return f"The database that was there is {kept / self.path.name}."

    def take_its_place(self) -> None:
        """Puts the filled one where the pages look."""
        if self.is_postgresql:
            return  # by COMMIT, at the end of `filled`
        os.replace(self._beside(), self.path)
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    def _beside(self) -> Path:
        path = self.path.with_name(f".{self.path.name}.new")
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                give_to_folders_owner(made, path)
            finally:
                os.close(made)
        return path

    def _before(self) -> str:
        return f"before_{self.now:%Y%m%d_%H%M%S}"

    def _make_room(self, alias: str) -> None:
        if rows.is_empty(alias):
            return
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            schema = connections[alias].ops.quote_name(cursor.fetchone()[0])
            if self._was_new:
                cursor.execute(f"DROP SCHEMA {schema} CASCADE")  # tables without a row
            else:
                cursor.execute(f"ALTER SCHEMA {schema} RENAME TO {self._before()}")
            cursor.execute(f"CREATE SCHEMA {schema}")

    def _kept_schema(self) -> str:
        if self._was_new:
            return ""
        before = self._before()
        return (
            f"The tables that were there are in the schema {before} of the {self.name}; when nobody needs "
            f"them any more: DROP SCHEMA {before} CASCADE"
        )


def close_sqlite(path: Path) -> None:
    """Has all that is in its journal in the file itself. NotPossible: somebody uses it."""
    try:
        connection = sqlite3.connect(path, timeout=2, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise NotPossible(
                f"{path} is in use: stop the web server and the manager's worker (systemctl stop piranha-web "
                "piranha-manager), then run this again"
            ) from error
        log.warning("%s is damaged (%s): it is kept as it is", path, error)
