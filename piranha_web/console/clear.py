"""The command line of `piranha clear`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]
STATE = Path("/var/lib/piranha-router")


def clear(arguments: argparse.Namespace) -> int:
    from lvs.pulse.clearing import clear_command

    return clear_command(arguments.state, unless_serving=arguments.unless_serving)


def add_clear(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """For a router that is to be one no more."""
    one = add("clear", clear, "Take out of this kernel what a pulse that was stopped has left balancing.")
    one.add_argument(
        "--state", type=Path, default=STATE, metavar="FOLDER", help="pulse's notes (default %(default)s)"
    )
    one.add_argument(
        "--unless-serving", action="store_true", help="not where floating addresses are up here (exit 3)"
    )
