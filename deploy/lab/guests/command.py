"""The command deploy/lab/guest."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.lab.guests import uml, vm
from deploy.lab.guests.job import Forward, GuestError, Job, environment_from

PROJECT = Path(__file__).resolve().parents[3]
FAILED = 125  # the guest itself failed, not the command: as in env(1) and timeout(1)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="deploy/lab/guest",
        description="Boots a fresh Linux kernel with IPVS over this machine's files (read-only), runs COMMAND"
        " in it as root in the project's folder, and returns its exit status. Options come before the --.",
    )
    result.add_argument(
        "kind", choices=("uml", "vm"), help="uml: quick, no nftables; vm: Debian's kernel, QEMU"
    )
    result.add_argument(
        "--timeout", type=float, default=1800, metavar="SECONDS", help="end the guest after this"
    )
    result.add_argument("--memory", type=int, default=1024, metavar="MIB", help="memory of the guest")
    result.add_argument("--exchange", type=Path, help="folder the guest may write to, as /run/exchange there")
    result.add_argument(
        "--env", action="append", default=[], metavar="NAME[=VALUE]", help="pass a variable to the command"
    )
    result.add_argument(
        "--forward", action="append", default=[], metavar="[HOST:]PORT:GUESTPORT", help="vm: lead a port in"
    )
    result.add_argument("--verbose", action="store_true", help="keep all of the kernel's messages")
    return result


def main(arguments: Sequence[str]) -> int:
    """Returns the command's exit status, or FAILED when the guest could not run it."""
    head, command = split(arguments)
    options = parser().parse_args(head)
    if not command:
        parser().error("no COMMAND: put it after --, as in: deploy/lab/guest uml -- ipvsadm -Ln")
    with tempfile.TemporaryDirectory(prefix="piranha-guest-", ignore_cleanup_errors=True) as folder:
        exchange = (options.exchange or Path(folder)).absolute()
        exchange.mkdir(parents=True, exist_ok=True)
        job = Job(
            kind=options.kind,
            command=tuple(command),
            project=PROJECT,
            exchange=exchange,
            environment=environment_from(options.env),
            memory=options.memory,
            timeout=options.timeout,
            forwards=tuple(Forward.read(text) for text in options.forward),
            verbose=options.verbose,
            scratch=options.exchange is None,
        )
        try:
            boot: Callable[[Job], int] = uml.boot if options.kind == "uml" else vm.boot
            return boot(job)
        except GuestError as error:
            print(f"guest: {error}", file=sys.stderr)
            return FAILED


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our options, and the command after the first --."""
    if "--" not in arguments:
        return list(arguments), []
    place = list(arguments).index("--")
    return list(arguments[:place]), list(arguments[place + 1 :])
