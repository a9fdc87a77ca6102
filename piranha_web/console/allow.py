"""The words of `piranha allow`; what it does is imported when it runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from piranha_web.console.django_ready import set_up_or_say

Command = Callable[[argparse.Namespace], int]


def allow_file() -> Path:
    """Where the list is kept: PIRANHA_ALLOW_FILE, or allow in PIRANHA_VAR."""
    folder = Path(os.environ.get("PIRANHA_VAR", "var"))
    return Path(os.environ.get("PIRANHA_ALLOW_FILE", folder / "allow"))


def add_allow(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Which networks may reach the web pages, on the manager's machine."""
    text = (
        "Show or change which networks may reach the web pages at all; it counts at once, whether or not the "
        "web server and the database work. Without a verb: the list."
    )
    one = add("allow", allow, text)
    one.set_defaults(verb="list", network="", note="", everybody=False, file=allow_file())
    verbs = one.add_subparsers(dest="verb", metavar="VERB", required=False)
    for name, words in (
        ("list", "print the networks, and what is wrong with the file if anything is"),
        ("add", "let a network in"),
        (
            "ask",
            "ask for the whole list, with this machine's own networks and the private ones to choose from",
        ),
        (
            "set",
            "make these networks the whole list; where you come from by SSH is added; none: private ones",
        ),
        ("remove", "take a network off the list"),
        ("reset", "put the file aside: what PIRANHA_ALLOW says counts again, or the private networks"),
    ):
        verb = verbs.add_parser(name, help=words, description=words)
        verb.add_argument("--file", type=Path, default=argparse.SUPPRESS, help="the file with the list")
        if name in ("add", "remove"):
            verb.add_argument("network", metavar="NETWORK", help="192.0.2.0/24, 2001:db8::/32, 192.0.2.7")
        if name == "set":
            verb.add_argument("networks", nargs="*", metavar="NETWORK", help="or `none`: this machine alone")
        if name in ("add", "set"):
            verb.add_argument(
                "--everybody", action="store_true", help="that 0.0.0.0/0 or ::/0 is meant: all addresses"
            )
        if name == "add":
            verb.add_argument("--note", default="", help="what it is, for whoever reads the list next year")


def allow(arguments: argparse.Namespace) -> int:
    if not set_up_or_say():
        return 1
    from piranha_web.console.allow_command import allow_command

    return allow_command(arguments)
