"""The database in a thread that goes on for ever, as those of the manager's worker do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from lvs.errors import NotPossible
from piranha_web.databases.advice import advice, first_line, is_of_the_database
from piranha_web.postgresql.numbers import MANAGER


def mended(work: Callable[[], object]) -> Callable[[], None]:
    """The work, over a new connection where the one before was lost: no request ends here, at which Django
    would look. NotPossible: the database does not answer, which is no fault of the work."""

    def on_a_living_connection() -> None:
        if connection.errors_occurred and not connection.is_usable():
            connection.close()
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            if not is_of_the_database(error):
                raise
            raise NotPossible(
                f"the database does not answer ({first_line(error)}). {advice(error)}"
            ) from error

    return on_a_living_connection


class OneManager:
    """Keeps a second manager's worker, on another machine, from a PostgreSQL that both have.

    It is a lock of this thread's connection: who is gone, or was cut off, has it no more. SQLite is a file of
    one machine, where manager.lock says the same.
    """

    def __init__(self) -> None:
        self._held_by: Any = None

    def hold(self) -> None:
        """Goes on holding it. NotPossible: another one has it."""
        if connection.vendor != "postgresql":
            return
        connection.ensure_connection()
        if self._held_by is connection.connection:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [MANAGER])
            (has_it,) = cursor.fetchone() or (False,)
        if not has_it:
            raise NotPossible(
                "another manager's worker, on another machine, has this database: stop one of the two. This "
                "one does nothing meanwhile"
            )
        self._held_by = connection.connection
