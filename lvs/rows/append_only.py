"""Triggers by which the database itself keeps the audit log's rows as they were written.

They stop a mistake, a stolen form and SQL put in by a stranger; whoever may change the tables themselves can
take the triggers away. SQLite: https://www.sqlite.org/lang_createtrigger.html; PostgreSQL: CREATE TRIGGER.
"""

from __future__ import annotations

from typing import Any

TABLE = "lvs_auditentry"
REFUSED = "the audit log is only added to"

# On SQLite REPLACE deletes the row in its way without the trigger for DELETE (unless recursive_triggers is
# on), so an INSERT may name no row that is there; nor one between others, where it would pass for an old one.
# NEW.id is -1 in a BEFORE trigger while SQLite chooses the number; a row of that number the table refuses.
SQLITE = {
    "audit_no_update": f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
    "audit_no_insert_between": "CREATE TRIGGER audit_no_insert_between BEFORE INSERT ON lvs_auditentry "
    "WHEN NEW.id <> -1 AND NEW.id <= (SELECT seq FROM sqlite_sequence WHERE name = 'lvs_auditentry') "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END",
    "audit_no_delete": f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
}
# An error of the class that SQLite's has. Of an INSERT only the number that this very statement has just
# drawn from the sequence is taken: none that is there, none between others (currval is of this connection).
_RAISE = f"RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'integrity_constraint_violation';"
POSTGRESQL_FUNCTIONS = (
    f"CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_RAISE} END $$",
    "CREATE OR REPLACE FUNCTION audit_refuse_between() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"IF NEW.id = currval(pg_get_serial_sequence('{TABLE}', 'id')) THEN RETURN NEW; END IF; {_RAISE} "
    f"EXCEPTION WHEN object_not_in_prerequisite_state THEN {_RAISE} END $$",
)
POSTGRESQL = {
    "audit_no_update": f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "audit_no_insert_between": f"CREATE TRIGGER audit_no_insert_between BEFORE INSERT ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse_between()",
    "audit_no_truncate": f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {TABLE} "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "audit_no_delete": f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
}
DELETE = "audit_no_delete"  # the one that pruning takes away for a moment
INSERT = "audit_no_insert_between"  # the one that is away while a backup is put into an empty table


def guard(connection: Any) -> None:
    """Puts every trigger on the table; NotImplementedError for a database that none is written for."""
    with connection.cursor() as cursor:
        for sql in POSTGRESQL_FUNCTIONS if connection.vendor == "postgresql" else ():
            cursor.execute(sql)
        for sql in triggers(connection).values():
            cursor.execute(sql)


def triggers(connection: Any) -> dict[str, str]:
    """What makes each trigger, by its name."""
    found = {"sqlite": SQLITE, "postgresql": POSTGRESQL}.get(connection.vendor)
    if found is None:
        raise NotImplementedError(f"no triggers for the audit log are written for {connection.vendor}")
    return found


def let_delete(connection: Any) -> None:
    """Takes away the trigger that refuses DELETE. Only within a transaction that puts it back."""
    _take_away(connection, DELETE)


def refuse_delete(connection: Any) -> None:
    """Puts it back."""
    _put_back(connection, DELETE)


def let_insert(connection: Any) -> None:
    """Takes away the one that refuses rows with numbers of their own. Only within a transaction as well."""
    _take_away(connection, INSERT)


def refuse_insert(connection: Any) -> None:
    """Puts it back."""
    _put_back(connection, INSERT)


def _take_away(connection: Any, name: str) -> None:
    on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}{on}")


def _put_back(connection: Any, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(triggers(connection)[name])
