"""The words of `piranha signing`; what it does is imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]


def add_signing(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """By which key the routers know their manager, on the manager's machine."""
    text = (
        "Show or replace the key with which this manager signs what it sends to the routers. Without a verb: "
        "the ids of its keys."
    )
    one = add("signing", signing, text)
    one.set_defaults(verb="show")
    verbs = one.add_subparsers(dest="verb", metavar="VERB", required=False)
    for name, words in (
        ("show", "print the ids of the keys"),
        ("next", "make the key that is to take its place; then enrol each router again, which trusts both"),
        ("switch", "sign with the next key from now on"),
    ):
        verbs.add_parser(name, help=words, description=words)


def signing(arguments: argparse.Namespace) -> int:
    from lvs.errors import LvsError
    from lvs.machines import signing as keys

    folder = Path(os.environ.get("PIRANHA_VAR", "var")).absolute()
    try:
        if arguments.verb == "next":
            made = keys.key_id(keys.make_next(folder))
            said = (
                f"Made the key {made}. It does not sign yet: enrol each router again (piranha enrol ROUTER), "
            )
            said += "then: piranha signing switch\n"
        elif arguments.verb == "switch":
            taken = keys.key_id(keys.switch(folder))
            said = f"The key {taken} signs from now on. A router that was not enrolled since it was made "
            said += "refuses this manager's tasks, and CONTROL says so: enrol it again.\n"
        else:
            words = zip(keys.public_texts(folder), ("signs", "is to sign next"), strict=False)
            said = "".join(f"{keys.key_id(text)}  {what}  {text}\n" for text, what in words)
    except (LvsError, OSError) as error:
        sys.stderr.write(f"piranha signing: {error}.\n")
        return 1
    sys.stdout.write(said)
    return 0
