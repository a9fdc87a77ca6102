"""The words of `piranha enrol`, `piranha join` and `piranha tls`; what they do is imported when they run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from piranha_web import installed
from piranha_web.console.django_ready import set_up_django

Command = Callable[[argparse.Namespace], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]


def var() -> Path:
    """The manager's folder."""
    return Path(os.environ.get("PIRANHA_VAR", "var"))


def add_enrol(add: Add) -> None:
    """Bringing a router to its manager, from both sides; the certificate by which it knows it."""
    text = (
        "Print the one command that makes a machine a router of this manager (on the manager), or revoke it."
    )
    one = add("enrol", enrol, text)
    one.add_argument("router", metavar="ROUTER", help="its name in the cluster")
    one.add_argument("--cluster", metavar="NAME", help="only if it is one of this cluster")
    one.add_argument("--valid", default="1h", metavar="LENGTH", help="of the token: 30m, 1h (default), 2d")
    one.add_argument(
        "--address", action="append", default=[], metavar="URL", help="where it reaches this manager"
    )
    one.add_argument(
        "--fingerprint", default="", metavar="SHA256", help="of the certificate there: a proxy's"
    )
    one.add_argument("--revoke", action="store_true", help="take its way to this manager away instead")

    one = add("join", join, "Make this machine a router of the manager that the token names (on the router).")
    one.add_argument("token", metavar="TOKEN", help="of `piranha enrol`; - for standard input")
    one.add_argument("--file", type=Path, metavar="PATH", help="the worker's file (PIRANHA_WORKER_FILE)")
    one.add_argument("--owner", default="", metavar="USER", help="whom the file is to belong to")
    one.add_argument("--anyway", action="store_true", help="also where this machine is another router")


def add_tls(add: Add) -> None:
    """The certificate of the pages, and the one of Redis."""
    one = add("tls", tls, "Show the certificate of the web pages, or have one made.")
    one.add_argument(
        "verb",
        nargs="?",
        default="show",
        choices=["show", "check", "renew", "redis"],
        help="show; check (exit 1: it cannot be used, or will trouble somebody); renew the own one; "
        "redis: make Redis' certificate, signed by this manager's authority",
    )
    one.add_argument("names", nargs="*", metavar="NAME", help="host names and addresses, for redis")
    one.add_argument("--folder", type=Path, metavar="PATH", help="where Redis' certificate goes")
    one.add_argument(
        "--var", type=Path, default=var(), metavar="PATH", help="the manager's folder (PIRANHA_VAR)"
    )


def enrol(arguments: argparse.Namespace) -> int:
    set_up_django()
    from piranha_web.console.enrol_command import enrol_command

    return enrol_command(arguments)


def join(arguments: argparse.Namespace) -> int:
    from lvs.machines.joining import join_command
    from lvs.machines.worker_file import path_in

    path = arguments.file or path_in(os.environ)
    owner = arguments.owner or installed.owner()
    return join_command(arguments.token, path, anyway=arguments.anyway, owner=owner)


def tls(arguments: argparse.Namespace) -> int:
    from piranha_web.console.tls_command import tls_command

    return tls_command(arguments)
