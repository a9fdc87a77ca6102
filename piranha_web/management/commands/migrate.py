"""`piranha manage migrate`: Django's, but whole or not at all, of a site at rest, and never backwards unseen.

What brings a database from one version to the next is one transaction, all migrations together: where one of
them fails, or the machine does, the database is that of the version before, which goes on with it. Both
databases take back changes of tables as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.transaction import TransactionManagementError

from lvs.errors import LvsError
from piranha_web.databases.advice import advice, first_line
from piranha_web.databases.rest import nobody_at_work

OURS = "lvs"
ONLY_LOOK = ("plan", "check_unapplied", "prune")


class Command(migrate.Command):
    """Django's options are as they were."""

    under_way = ""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] != DEFAULT_DB_ALIAS or any(options[name] for name in ONLY_LOOK):
            super().handle(*args, **options)
            return
        connection = connections[DEFAULT_DB_ALIAS]
        try:
            executor = MigrationExecutor(connection)
            refuse_newer(executor)
            if is_new(executor):
                self.change(connection, *args, **options)
            elif options["app_label"] or executor.migration_plan(executor.loader.graph.leaf_nodes()):
                with nobody_at_work(Path(settings.VAR), "a change of its tables"):
                    self.change(connection, *args, **options)
            else:
                super().handle(*args, **options)
        except LvsError as error:
            raise CommandError(f"{str(error).rstrip('.')}.") from error
        except DatabaseError as error:
            raise CommandError(f"{first_line(error).rstrip('.')}. {advice(error)}") from error

    def change(self, connection: Any, *args: Any, **options: Any) -> None:
        """Carries it out. CommandError: it failed, and the database is as it was."""
        try:
            with whole(connection):
                super().handle(*args, **options)
        except CommandError:
            raise
        except Exception as error:  # a migration is a program, which can fail by anything
            found = reason(error)
            where = f"{self.under_way}, " * bool(self.under_way) + type(found).__name__
            words = " ".join(str(found).split())
            raise CommandError(
                "The database could not be brought to this version, and all of it was taken back "
                f"({where}: {words}). The version before goes on with it: install that "
                "one again. Routers balance on meanwhile. Where it failed exactly: piranha manage migrate "
                "--traceback"
            ) from error

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        super().migration_progress_callback(action, migration, fake)
        if action in ("apply_start", "unapply_start"):
            self.under_way = str(migration)
        elif action in ("apply_success", "unapply_success"):
            # PostgreSQL alters no table of which rows wait to be looked at until the end of the transaction.
            connections[DEFAULT_DB_ALIAS].check_constraints()


@contextmanager
def whole(connection: Any) -> Iterator[None]:
    """One transaction. SQLite makes tables anew, for which it must not look at what leads there; that it
    does not is said before a transaction or never (sqlite.org/pragma.html#pragma_foreign_keys)."""
    is_sqlite, is_inner = connection.vendor == "sqlite", connection.in_atomic_block
    if is_sqlite:
        connection.disable_constraint_checking()
    try:
        with transaction.atomic(using=connection.alias):
            yield
    finally:
        if connection.in_atomic_block and not is_inner:
            # A step that fails on SQLite leaves its savepoint to Django, which takes it for all of this.
            connection.close()
            del connections[connection.alias]
        elif is_sqlite:
            connection.enable_constraint_checking()


def reason(error: BaseException) -> BaseException:
    """What went wrong first: Django looks at SQLite's tables once more, in a transaction that is over."""
    while isinstance(error, TransactionManagementError) and (earlier := error.__cause__ or error.__context__):
        error = earlier
    return error


def is_new(executor: Any) -> bool:
    """Whether none of our tables is there yet, so that nobody can be at work with them."""
    return not any(app == OURS for app, _name in executor.loader.applied_migrations)


def refuse_newer(executor: Any) -> None:
    """CommandError: a newer version of this program has had the database."""
    unknown = sorted(
        name
        for app, name in executor.loader.applied_migrations
        if app == OURS and (app, name) not in executor.loader.graph.nodes
    )
    if unknown:
        raise CommandError(
            f"The database is of a newer version of this program, which knew {unknown[-1]}. Nothing was "
            "changed: install that version again, or restore the backup that was made before the upgrade "
            "(piranha restore --force FILE)."
        )
