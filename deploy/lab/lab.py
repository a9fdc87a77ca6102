#!/usr/bin/env python3
"""The lab: two routers, three real servers and a client as network namespaces of a kernel with IPVS.

up, down and status work on this kernel. serve makes the lab, runs pulse and a worker on each router, and
stays (`make run`). exec and traffic reach a lab that is being served, here or in a virtual machine.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.lab import errands, network
from deploy.lab.machines import STATE, Lab, LabError
from deploy.lab.namespaces import exists
from deploy.lab.serve import serve


def status() -> int:
    """Prints the lab's namespaces and addresses. 0: it is up; 1: it is not."""
    if not STATE.exists():
        print("No lab on this kernel. Start one with: deploy/lab/lab.py up, or make run")
        return 1
    for name in network.NAMESPACES:
        print(f"{name}: {'up' if exists(name) else 'missing'}")
        if exists(name) and name != network.SWITCH:
            subprocess.run(["ip", "-n", name, "-brief", "address"])
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="deploy/lab/lab.py", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="make the lab on this kernel")
    commands.add_parser("down", help="remove it; nothing of it is left")
    commands.add_parser("status", help="what is up, and its addresses")
    commands.add_parser("serve", help="make it, run the routers in it, and stay (make run)")
    one = commands.add_parser("exec", help="run a command in a namespace of the lab that make run serves")
    one.add_argument("namespace", choices=network.NAMESPACES)
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    one = commands.add_parser("traffic", help="switch the clients of the lab that make run serves on or off")
    one.add_argument("rate", help="connections a second, or off")
    return result


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.command == "up":
            Lab().up()
        elif options.command == "down":
            Lab().down()
        elif options.command == "status":
            return status()
        elif options.command == "serve":
            asyncio.run(serve(Lab()))
        elif options.command == "exec":
            return errands.send(errands.folder(), options.namespace, options.words)
        else:
            errands.set_rate(errands.folder(), 0.0 if options.rate == "off" else float(options.rate))
    except (LabError, errands.NoLab, ValueError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
