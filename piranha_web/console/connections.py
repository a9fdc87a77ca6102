"""`piranha connections`: what the command line takes; the work is `lvs.pulse.terminal_connections`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
NAMES = ("client", "virtual_server", "real_server", "protocol", "state", "limit")


def connections(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_connections import connections_command

    asked = {name: getattr(arguments, name) for name in NAMES if getattr(arguments, name) is not None}
    return connections_command(arguments.socket, asked, as_json=arguments.json)


def add_connections(add: Add, socket: Path) -> None:
    """The command, on the router that it runs on. socket: pulse's, where none is named."""
    one = add("connections", connections, "Print the connections that are open through this router now.")
    one.add_argument("--socket", type=Path, default=socket, metavar="PATH", help="pulse's socket")
    one.add_argument("--client", metavar="ADDRESS", help="only of this client, or of this network")
    one.add_argument("--virtual-server", metavar="NAME", help="by its name, its address, or ADDRESS:PORT")
    one.add_argument("--real-server", metavar="NAME", help="by its name, its address, or ADDRESS:PORT")
    one.add_argument("--protocol", metavar="NAME", help="TCP, UDP or SCTP")
    one.add_argument("--state", metavar="NAME", help="such as ESTABLISHED or SYN_RECV")
    one.add_argument("--limit", type=int, default=200, metavar="NUMBER", help="how many (default: 200)")
    one.add_argument("--json", action="store_true", help="print it all as JSON")
