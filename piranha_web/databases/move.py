"""`piranha database`: which one the site has, and all of it into another one. Needs Django set up."""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.utils import timezone

from lvs.errors import LvsError, NotPossible
from piranha_web.console.database import ELSEWHERE, file_missing
from piranha_web.databases import rows
from piranha_web.databases.advice import advice, first_line
from piranha_web.databases.rest import nobody_at_work
from piranha_web.databases.target import Target
from piranha_web.databases.url import SHAPE, URL_FILE, described, postgresql, sqlite
from piranha_web.databases.ways import one_look

ENDS = (".sqlite3", ".db")


def database_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done, 1 not."""
    try:
        if arguments.verb == "move":
            return move(settings_of(arguments), timezone.now())
        return show()
    except DatabaseError as error:
        sys.stderr.write(f"piranha database: {first_line(error).rstrip('.')}. {advice(error)}\n")
        return 1
    except (LvsError, ImproperlyConfigured, OSError) as error:
        sys.stderr.write(f"piranha database: {str(error).strip().rstrip('.')}.\n")
        return 1


def settings_of(arguments: Namespace) -> dict[str, Any]:
    """The database that the command names: a URL, `-` for one on standard input, or an SQLite file."""
    words = sys.stdin.readline().strip() if arguments.target == "-" else str(arguments.target)
    if words.startswith("@"):
        words = Path(words[1:]).read_text(encoding="utf-8").strip()
    if words.endswith(ENDS) and "://" not in words:
        return sqlite(Path(words).absolute())
    if "://" not in words:
        raise NotPossible(f"{words!r} names no database: write {SHAPE}, or the path of a file *.sqlite3")
    if words == arguments.target and has_password(words):
        raise NotPossible(
            "a password on the command line can be read by everybody here. Write the whole URL into "
            "a file of mode 0600, and name that: piranha database move @FILE; or give it to standard input: "
            "piranha database move -"
        )
    return postgresql(words)


def has_password(url: str) -> bool:
    """Whether a URL has one, of the user or of a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False  # it is refused as a whole
    return bool(parts.password) or any("password" in name for name, _ in parse_qsl(parts.query))


def show() -> int:
    """Which database it is, and how much is in it."""
    own = connections["default"]
    if trouble := file_missing(own):
        raise NotPossible(f"{trouble}. {ELSEWHERE}")
    own.ensure_connection()
    version = ".".join(map(str, own.get_database_version()))
    sys.stdout.write(f"{described(own.settings_dict)}\n{own.display_name} {version}\n")
    if not own.introspection.table_names():
        sys.stdout.write("It has no tables yet: piranha manage migrate\n")
        return 0
    for model in rows.kept_models():
        if model._meta.app_label == "lvs":
            count = QuerySet(model).count()
            sys.stdout.write(f"{count:>9}  {model.__name__}\n")
    return 0


def move(to: Mapping[str, Any], now: datetime) -> int:
    """Copies everything but the sessions, and compares; the database in use stays as it is."""
    var = Path(settings.VAR)
    target = Target(to, now)
    source = described(connections.settings["default"])
    with nobody_at_work(var, "moving the database"):
        if not target.is_new():
            raise NotPossible(
                f"{target.name} is not empty, and nothing was changed: make a new database for this site, or "
                "name another file"
            )
        with tempfile.TemporaryFile("w+", dir=var, encoding="utf-8") as spool:
            with one_look() as alias:
                sums = rows.dump(alias, spool)
            spool.seek(0)
            with target.filled(spool):
                target.make_way(var)
                target.take_its_place()
    for label, (count, total) in sums.items():
        if count:
            sys.stdout.write(f"{count:>9}  {label:<28} {total[:16]}\n")
    sys.stdout.write(
        f"Moved {sum(one[0] for one in sums.values())} rows from {source} to {target.name}, all read back "
        f"and the same. {source} is as it was. {after(target)} Sessions were not moved: everybody logs in "
        "again.\n"
    )
    return 0


def after(target: Target) -> str:
    """What is left to do."""
    if target.is_postgresql:
        words = f"write the URL into a file that {URL_FILE} names, without PIRANHA_DATABASE"
    else:
        words = f"name the file by PIRANHA_DATABASE={target.path}, without DATABASE_URL and {URL_FILE}"
    return f"To use it: {words}, and start the web server and the manager's worker again."
