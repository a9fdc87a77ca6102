"""The words of `piranha backup`, `restore` and `database`; what they do is imported when they run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import IO

from piranha_web.console.django_ready import set_up_or_say

Command = Callable[[argparse.Namespace], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]


def add_backup(add: Add) -> None:
    """All that a manager has, in one file, and back."""
    text = (
        "Write everything of this manager that is not to be lost into one file, while the site is in use: "
        "database, passwords, keys, who may reach it."
    )
    one = add("backup", backup, text)
    one.add_argument("file", metavar="FILE", help="where to (mode 600); - for standard output")
    add_passphrase(one, "seal it with a passphrase, asked for at the terminal")

    text = "Make this machine the manager that a backup is of; the site must be at rest."
    one = add("restore", restore, text)
    one.add_argument("file", metavar="FILE", help="a backup; - for standard input")
    how = one.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="only say what is in it, and whether it is whole")
    how.add_argument(
        "--force", action="store_true", help="also where a manager is already; what was there is kept"
    )
    add_passphrase(one, "ask for the passphrase at the terminal")

    add_database(add)

    text = "Give Redis the routers' users again that it lost; the manager's worker does so by itself."
    one = add("redis", redis_users, text)
    one.add_argument(
        "--from-database",
        action="store_true",
        help="where both know a router's password, the database counts: after an old aclfile was put back",
    )


def add_passphrase(one: argparse.ArgumentParser, text: str) -> None:
    """Never an argument: others can read those."""
    which = one.add_mutually_exclusive_group()
    which.add_argument("--passphrase", action="store_true", help=text)
    which.add_argument("--passphrase-file", metavar="PATH", help="read it from the first line of a file")


def add_database(add: Add) -> None:
    """Which database the site has."""
    text = "Say which database this site uses and what is in it; or move everything into another one."
    one = add("database", database, text)
    one.set_defaults(verb="show")
    verbs = one.add_subparsers(dest="verb", metavar="VERB", required=False)
    verbs.add_parser("show", help="print it", description="Print it.")
    text = "Copy everything but the sessions into an empty database and compare; this one stays as it is."
    two = verbs.add_parser("move", help=text, description=text)
    two.add_argument(
        "target",
        metavar="TARGET",
        help="postgresql://USER@HOST/DATABASE; @FILE with such a line in it, or - for standard input, where "
        "it has a password, for others can read arguments; or the path of a new file *.sqlite3",
    )


def backup(arguments: argparse.Namespace) -> int:
    from lvs.errors import LvsError
    from piranha_web.databases.doors import Failed, as_site, passphrase, say, written

    def work(out: IO[bytes], phrase: str) -> int:
        if not set_up_or_say():
            return 1
        from piranha_web.console.backup_command import backup_command

        return backup_command(out, arguments.file, phrase)

    try:
        phrase = passphrase(arguments.passphrase_file, asked=arguments.passphrase, twice=True)
        with written(arguments.file) as out:
            if code := as_site(lambda: work(out, phrase)):
                raise Failed(code)
    except Failed as failed:
        return failed.code
    except (LvsError, OSError) as error:
        say(f"piranha backup: {str(error).rstrip('.')}. Nothing was written.")
        return 1
    return 0


def restore(arguments: argparse.Namespace) -> int:
    from lvs.errors import LvsError
    from piranha_web.databases.doors import as_site, passphrase, say, source_of

    def work(source: IO[bytes], phrase: str) -> int:
        if not set_up_or_say():
            return 1
        from piranha_web.console.backup_command import restore_command

        return restore_command(source, phrase, check=arguments.check, force=arguments.force)

    try:
        phrase = passphrase(arguments.passphrase_file, asked=arguments.passphrase, twice=False)
        with source_of(arguments.file) as source:
            return as_site(lambda: work(source, phrase))
    except (LvsError, OSError) as error:
        say(f"piranha restore: {str(error).rstrip('.')}.")
        return 1


def database(arguments: argparse.Namespace) -> int:
    if not set_up_or_say():
        return 1
    from piranha_web.databases.move import database_command

    return database_command(arguments)


def redis_users(arguments: argparse.Namespace) -> int:
    if not set_up_or_say():
        return 1
    from piranha_web.console.redis_command import redis_command

    return redis_command(from_database=arguments.from_database)
