"""What to do when the database does not answer, by what it says: SQLite's words, PostgreSQL's and libpq's."""

from __future__ import annotations

from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError

from piranha_web.databases.url import URL_FILE

# The first that fits. All of it in lower case, as parts of what is said.
WHAT_TO_DO: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("locked", "lock timeout"),
        "Another program has held it too long: try again in a moment.",
    ),
    (
        ("disk is full", "no space left", "disk i/o error", "could not extend file"),
        "Its disk is full, or fails: make room there (df -h); nothing needs to be started again.",
    ),
    (
        ("password authentication failed", "no password supplied", 'role "', 'database "', "pg_hba.conf"),
        "It does not let this site in: write the URL with the user, password and database of now into the "
        f"file that {URL_FILE} names, then systemctl restart piranha-web piranha-manager.",
    ),
    (
        ("read-only", "readonly", "in recovery"),
        "It takes no changes: a PostgreSQL that only reads is a standby: the URL should name its primary; "
        "a file that only reads has another owner, or its disk is mounted so.",
    ),
    (
        ("unable to open",),
        "Its file cannot be opened: is PIRANHA_VAR there, its disk mounted, and the site's user the owner?",
    ),
    (
        ("connection slots", "too many clients", "too many connections"),
        "Others have all of its connections: end them, or give it a larger max_connections.",
    ),
    (
        ("no such table", "no such column", "does not exist"),
        "Its tables are not those of this version: systemctl restart piranha-web piranha-manager brings them "
        "up to date, and journalctl -u piranha-web says why where it cannot.",
    ),
    (
        ("malformed", "not a database", "corrupt"),
        "It is damaged: restore a backup (piranha restore --force FILE).",
    ),
    (
        ("being restored, moved",),
        "It is back in a moment.",
    ),
)
AWAY = (
    "Is PostgreSQL there (systemctl status postgresql), and the way to it? Pages work again by themselves "
    "when it is back."
)


def advice(error: BaseException) -> str:
    """One sentence or two about what to do."""
    said = str(error).lower()
    return next((text for words, text in WHAT_TO_DO if any(one in said for one in words)), AWAY)


def is_of_the_database(error: BaseException) -> bool:
    """Whether it is the database's state and no fault of ours.

    PostgreSQL refuses a change by an InternalError where it only reads, and says by a ProgrammingError that a
    table or a column is missing (undefined_table, undefined_column), as in one of another version.
    """
    if isinstance(error, ProgrammingError):
        return getattr(error.__cause__, "sqlstate", None) in ("42P01", "42703")
    return isinstance(error, OperationalError | InterfaceError | InternalError)


def first_line(error: BaseException) -> str:
    """What it says; PostgreSQL adds the statement below."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
