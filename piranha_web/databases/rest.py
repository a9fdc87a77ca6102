"""A site at rest: what is for nobody else's eyes and hands (a restore, a move, a migration) happens in here.

On this machine the manager's folder says who is at work (`piranha_web.databases.in_use`). A PostgreSQL may
have a manager on another machine as well: its connections are seen in pg_stat_activity, where a user sees
all of its own. https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connection

from lvs.errors import NotPossible
from piranha_web.databases import in_use

log = logging.getLogger("piranha.database")

# Who was stopped just now is gone from the list a moment later.
OTHERS = """
SELECT pid, coalesce(host(client_addr), 'this machine') FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
  AND (application_name = current_setting('application_name') OR application_name LIKE 'piranha%%')
ORDER BY pid
"""


class NotNow(OperationalError):
    """The database is not to be used at this moment; whoever expects one that is away expects this too."""


def at_connection(connection: Any, **_more: Any) -> None:
    """Django's signal for a connection that was opened: this process has the site's database in use."""
    if connection.alias != DEFAULT_DB_ALIAS:
        return
    try:
        in_use.hold(Path(settings.VAR))
    except NotPossible as error:
        connection.close()
        raise NotNow(str(error)) from error


@contextmanager
def nobody_at_work(var: Path, what: str) -> Iterator[None]:
    """Keeps every other process off the site while inside. NotPossible: one is at work; the words say which.

    what: what for, as in "restoring a backup".
    """
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    with in_use.for_itself(var, what):
        if connection.vendor == "postgresql":
            _nobody_elsewhere(what)
        yield


def _nobody_elsewhere(what: str) -> None:
    end = time.monotonic() + in_use.PATIENCE
    while found := _others():
        if time.monotonic() > end:
            pid, where = found[0]
            raise NotPossible(
                f"the database is in use by another manager, from {where}, and {what} is for a site at rest. "
                "Nothing was changed: stop it there (systemctl stop piranha-web piranha-manager), then run "
                "this again. Where that machine is gone for good: psql -c 'SELECT pg_terminate_backend("
                f"{pid})'"
            )
        time.sleep(0.05)


def _others() -> list[tuple[int, str]]:
    """The other connections of a site to this database: number and address."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(OTHERS, [])
            return [(int(pid), str(where)) for pid, where in cursor.fetchall()]
    except DatabaseError as error:
        # What comes next needs it as well and says so with its own advice.
        log.debug("nobody can be asked who else uses the database: %s", error)
        return []
