"""The words of `piranha audit`; what it does is imported when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from piranha_web.console.django_ready import set_up_django

Command = Callable[[argparse.Namespace], int]


def add_audit(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Who did what on the manager's pages."""
    one = add("audit", audit, "Print who did what on the web pages (on the manager's machine), or prune it.")
    when = "2030-01-31, '2030-01-31 08:00', or how long ago: 30m, 12h, 7d, 4w"
    one.add_argument("--since", metavar="WHEN", help=f"from then on: {when}")
    one.add_argument("--until", metavar="WHEN", help="before then")
    one.add_argument("--user", default="", metavar="NAME", help="what this user did or tried")
    one.add_argument("--address", default="", metavar="START", help="from addresses that begin so")
    one.add_argument("--action", default="", metavar="WORD", help="login, apply, order, …: as --json says it")
    one.add_argument("--text", default="", metavar="WORDS", help="with these words")
    one.add_argument("--json", action="store_true", help="print each entry whole, as a line of JSON")
    one.add_argument("--prune", type=int, metavar="DAYS", help="remove what is older, and write that down")


def audit(arguments: argparse.Namespace) -> int:
    set_up_django()
    from piranha_web.console.audit_command import audit_command

    return audit_command(arguments)
