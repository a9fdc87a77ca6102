"""The words of `piranha passwd` and `piranha unlock`; what they do is imported when they run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from piranha_web.console.django_ready import set_up_django

Command = Callable[[argparse.Namespace], int]
ROLES = ("viewer", "operator", "administrator")


def password_file() -> Path:
    """Where the passwords are kept: PIRANHA_PASSWORD_FILE, or piranha.passwd in PIRANHA_VAR."""
    folder = Path(os.environ.get("PIRANHA_VAR", "var"))
    return Path(os.environ.get("PIRANHA_PASSWORD_FILE", folder / "piranha.passwd"))


def add_passwd(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Who may log in, on the manager's machine."""
    text = (
        "Set a password for the web pages: asked for twice, or read from standard input, never an argument. "
        "An account that is not there is made, as a viewer."
    )
    one = add("passwd", passwd, text)
    one.add_argument("user", nargs="?", default="piranha", help="the account (default: piranha)")
    how = one.add_mutually_exclusive_group()
    how.add_argument("--random", action="store_true", help="make one and print it, once")
    how.add_argument("--stdin", action="store_true", help="read one line from standard input")
    how.add_argument("--remove", action="store_true", help="remove the account, its roles and its sessions")
    how.add_argument(
        "--no-second-factor", action="store_true", help="take its second factor away; its sessions end"
    )
    how.add_argument("--list", action="store_true", help="print every account: role, hash, second factor")
    one.add_argument("--role", choices=ROLES, help="what it may do in all clusters (needs the database)")
    one.add_argument("--file", type=Path, default=password_file(), help="the password file")


def passwd(arguments: argparse.Namespace) -> int:
    set_up_django()
    from piranha_web.console.passwd_command import passwd_command

    return passwd_command(arguments)


def add_unlock(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Who is locked out for guessing, on the manager's machine."""
    text = "Let somebody log in again who is locked out for guessing; without a word: print who is."
    one = add("unlock", unlock, text)
    one.add_argument("user", nargs="?", help="this account, wherever from")
    one.add_argument(
        "--network", metavar="ADDRESS", help="this address (IPv6: its /64); with USER: both together"
    )
    one.add_argument("--all", action="store_true", help="everybody")


def unlock(arguments: argparse.Namespace) -> int:
    set_up_django()
    from piranha_web.console.unlock_command import unlock_command

    return unlock_command(arguments)
