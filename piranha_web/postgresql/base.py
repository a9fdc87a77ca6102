"""Django's way to PostgreSQL, with one transaction at a time, as SQLite has it.

Theory. The candidate is judged as a whole: who changes one row has looked at all of them. So a transaction
must not begin before the last one has ended; SQLite's IMMEDIATE says just that, and all that writes here was
thought with it. PostgreSQL would let both begin and make each of them see half of the other. A lock of the
database (pg_advisory_xact_lock, ended by COMMIT and ROLLBACK) that every transaction takes first makes both
databases behave alike. Who only reads, outside of a transaction, waits for nobody.

READ COMMITTED matters: with a stricter level the transaction would go on seeing what was there before it had
the lock. https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

from piranha_web.databases.url import BUSY_SECONDS
from piranha_web.postgresql.numbers import WRITING

# A process that was stopped in the middle, or is behind a cut wire, does not keep everybody out for good.
ABANDONED_SECONDS = 300


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose transactions come one after the other."""

    def init_connection_state(self) -> None:
        super().init_connection_state()
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{ABANDONED_SECONDS}s'")

    def _set_autocommit(self, autocommit: bool) -> None:
        """Django begins a transaction by this; without the lock there is none."""
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # Django's stubs do not know it
        if autocommit:
            return
        try:
            with self.wrap_database_errors, self.connection.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_xact_lock({WRITING})")
        except BaseException:
            self.errors_occurred = True
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Ends the transaction that has not begun."""
        raw: Any = self.connection
        if raw is not None and not raw.closed:
            raw.rollback()
            raw.autocommit = True
