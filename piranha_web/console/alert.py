"""The words of `piranha alert`; what it does is imported when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from piranha_web.console.django_ready import set_up_or_say

Command = Callable[[argparse.Namespace], int]


def add_alert(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Who is told when something is wrong, on the manager's machine."""
    text = "Show or change who is told when something is wrong. Without a verb: the targets."
    one = add("alert", alert, text)
    one.set_defaults(verb="list", target="", note="", stdin=False)
    verbs = one.add_subparsers(dest="verb", metavar="VERB", required=False)
    for name, words in (
        ("list", "print the targets, without their secrets, and how their last message fared"),
        ("add", "asks for an address in apprise's words, and alerts it from now on"),
        ("remove", "alert a target no more"),
        ("test", "send a message now and print what the other side says (exit 0: taken, 1: not)"),
    ):
        verb = verbs.add_parser(name, help=words, description=words)
        if name == "remove":
            verb.add_argument("target", metavar="ID", help="as piranha alert list prints it")
        if name == "test":
            verb.add_argument("target", metavar="ID", nargs="?", default="", help="default: all of them")
        if name == "add":
            verb.add_argument("--note", default="", help="who is at the other end")
            verb.add_argument(
                "--stdin", action="store_true", help="read the address from standard input, one line"
            )


def alert(arguments: argparse.Namespace) -> int:
    if not set_up_or_say():
        return 1
    from piranha_web.console.alert_command import alert_command

    return alert_command(arguments)
