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
POSTGRESQL_FUNCTION = (
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"
)
POSTGRESQL = {
    "audit_no_update": f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "audit_no_truncate": f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {TABLE} "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "audit_no_delete": f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
}
DELETE = "audit_no_delete"  # the one that pruning takes away for a moment


def guard(connection: Any) -> None:
    """Puts every trigger on the table; NotImplementedError for a database that none is written for."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FUNCTION)
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
    on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {DELETE}{on}")


def refuse_delete(connection: Any) -> None:
    """Puts it back."""
    with connection.cursor() as cursor:
        cursor.execute(triggers(connection)[DELETE])
