"""Further ways to a database than the one that the pages use: one look at all of it, and another database."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connections, transaction

from lvs.errors import NotPossible
from piranha_web.databases.url import ENGINE, described

SNAPSHOT, TARGET = "snapshot", "target"


@contextmanager
def opened(alias: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """A database under a name of its own while inside. NotPossible: it cannot be reached."""
    known = connections.configure_settings({"default": {}, alias: copy.deepcopy(dict(settings))})
    connections.settings[alias] = known[alias]
    try:
        connections[alias].ensure_connection()
        yield alias
    except DatabaseError as error:
        raise NotPossible(f"{described(settings)} cannot be used: {str(error).strip()}") from error
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


@contextmanager
def one_look() -> Iterator[str]:
    """All of the site's database as it was at one moment, while others go on writing; its name.

    SQLite in WAL mode and PostgreSQL both show a transaction that only reads what was there when it began.
    """
    settings = copy.deepcopy(connections.settings["default"])
    if settings["ENGINE"] == ENGINE:  # its transactions wait for each other
        settings["ENGINE"] = "django.db.backends.postgresql"
        settings["OPTIONS"]["isolation_level"] = isolation_of_a_look()
    else:
        settings["OPTIONS"]["transaction_mode"] = "DEFERRED"
    with opened(SNAPSHOT, settings), transaction.atomic(using=SNAPSHOT):
        yield SNAPSHOT


def isolation_of_a_look() -> int:
    """REPEATABLE READ, in psycopg's words, which need not be installed."""
    import psycopg

    return int(psycopg.IsolationLevel.REPEATABLE_READ)
