"""The words of `piranha setup` and `piranha doctor`; what they do is imported when they run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]


def add_setup(add: Add) -> None:
    """Setting an installed machine up."""
    text = (
        "Set this machine up: asks, or takes what is said here; says what it is going to do, and does it. "
        "Run again it offers what is set, and changes only what is to be different."
    )
    one = add("setup", setup, text)
    one.add_argument("--kind", metavar="KIND", help="single, manager or router")
    one.add_argument("--yes", action="store_true", help="ask nothing: defaults for what is not said")
    one.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    one.add_argument("--root", type=Path, metavar="FOLDER", help="try it out below a folder, in place of /")
    one.add_argument(
        "--token", metavar="TOKEN", help="of `piranha enrol`, for a router; - for standard input"
    )
    one.add_argument(
        "--router", action="append", metavar="NAME", help="a router's name; twice: primary, then backup"
    )
    one.add_argument("--cluster", metavar="NAME", help="of a cluster that is made (main)")
    one.add_argument("--bind", metavar="ADDRESS", help="where the pages are served (0.0.0.0)")
    one.add_argument("--port", metavar="PORT", help="TCP port of the pages (3636)")
    one.add_argument(
        "--tls-cert", metavar="FILE", help="certificate of the pages, PEM; own: one that is made"
    )
    one.add_argument("--tls-key", metavar="FILE", help="its key; without: in the same file")
    one.add_argument(
        "--allow", action="append", metavar="NETWORK", help="who may reach the pages; `none`: this machine"
    )
    database = one.add_mutually_exclusive_group()
    database.add_argument("--database", metavar="URL", help="sqlite, or postgresql://… without a password")
    database.add_argument("--database-file", type=Path, metavar="FILE", help="a file with that URL in it")
    redis = one.add_mutually_exclusive_group()
    redis.add_argument("--redis", metavar="URL", help="own, or redis[s]://… without a password")
    redis.add_argument("--redis-file", type=Path, metavar="FILE", help="a file with that URL in it")
    one.add_argument("--redis-ca", type=Path, metavar="FILE", help="who signed the certificate of that Redis")
    one.add_argument(
        "--redis-port", metavar="PORT", help="of an own Redis (6390; for routers elsewhere 6380)"
    )
    one.add_argument("--reached-at", metavar="HOST", help="by which name or address routers find the manager")
    password = one.add_mutually_exclusive_group()
    password.add_argument(
        "--password-stdin", action="store_true", help="read piranha's password from standard input"
    )
    password.add_argument("--password-random", action="store_true", help="make one, and print it once")


def add_doctor(add: Add, socket: Path) -> None:
    """Looking at an installed machine. socket: pulse's, where none is named."""
    text = "Look at this installation and say what to mend; changes nothing (exit 0: no fault, 1: some)."
    one = add("doctor", doctor, text)
    one.add_argument("--json", action="store_true", help="print it all as JSON")
    one.add_argument("--root", type=Path, metavar="FOLDER", help="one that was tried out below a folder")
    one.add_argument("--socket", type=Path, default=socket, metavar="PATH", help="pulse's socket")


def doctor(arguments: argparse.Namespace) -> int:
    from piranha_web.doctor.command import doctor_command

    return doctor_command(arguments)


def setup(arguments: argparse.Namespace) -> int:
    from piranha_web.setup.command import setup_command

    return setup_command(arguments)
