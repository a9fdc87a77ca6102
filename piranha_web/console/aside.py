"""`piranha aside`: what the command line takes; the work is `lvs.pulse.terminal_aside`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def aside(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_aside import aside_command, take_part_command

    if arguments.end:
        return take_part_command(arguments.socket)
    return aside_command(
        arguments.socket, reason=arguments.reason, hours=arguments.hours, anyway=arguments.anyway
    )


def add_aside(add: Add, socket: Path) -> None:
    """The command, on the router that it runs on. socket: pulse's, where none is named."""
    one = add("aside", aside, "Have this router take no part in the pair, for work on it (exit 1: refused).")
    one.add_argument("--socket", type=Path, default=socket, metavar="PATH", help="pulse's socket")
    one.add_argument("--reason", default="", metavar="TEXT", help="stands beside the router on every page")
    one.add_argument(
        "--hours", type=float, metavar="NUMBER", help="then it takes part again by itself (default: never)"
    )
    how = one.add_mutually_exclusive_group()
    how.add_argument(
        "--anyway",
        action="store_true",
        help="hand over also to one with another lvs.cf or fewer healthy real servers; on the standby: "
        "also while the active one is not fit",
    )
    how.add_argument("--end", action="store_true", help="let it take part again")
