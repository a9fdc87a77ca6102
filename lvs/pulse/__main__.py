"""`piranha pulse`: the command line of the daemon. It stays in the foreground and logs to standard error."""

from __future__ import annotations

import argparse
import logging
import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lvs.errors import LvsError
from lvs.logs import formatter
from lvs.pulse.daemon import Options, run
from lvs.pulse.version import version
from lvs.router.files import STATE


class Parser(argparse.ArgumentParser):
    """Ends with 1 on a wrong command line, as Piranha's pulse did."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


class Help(argparse.HelpFormatter):
    """As wide as the terminal. argparse makes one for each argument, and would load shutil to find out."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except (OSError, ValueError):  # no terminal
            columns = 80
        super().__init__(prog, width=columns - 2)


class Version(argparse.Action):
    """Says the version, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"pulse {version()}\n")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run pulse; 0 after an orderly stop, 1 when it cannot start (command line, folders, socket)."""
    arguments = parser().parse_args(argv)
    set_up_log("debug" if arguments.verbose else arguments.log_level)
    try:
        return run(options(arguments), os.environ)
    except LvsError as error:
        sys.stderr.write(f"pulse: {error}\n")
        return 1


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="piranha pulse",
        formatter_class=Help,
        description="Owns this router's IPVS table, floating addresses and nftables table, and checks the "
        "real servers, as lvs.cf says. Reload lvs.cf with SIGHUP; at SIGTERM the other router takes "
        "over, and without one the kernel goes on balancing.",
    )
    _add_places(made)
    _add_manner(made)
    made.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    return made


def _add_places(made: argparse.ArgumentParser) -> None:
    """Where its files are, and which router it is."""
    add = made.add_argument
    add(
        "-c",
        "--config",
        "--configfile",
        type=Path,
        default=Path("/etc/piranha"),
        metavar="FOLDER",
        help="where lvs.cf is (default %(default)s); the path of a file named lvs.cf stands for its folder",
    )
    add(
        "--state",
        type=Path,
        default=STATE,
        metavar="FOLDER",
        help="where pulse keeps notes",
    )
    add("--socket", type=Path, default=Path("/run/piranha/pulse.sock"), metavar="PATH", help="control socket")
    add(
        "--node",
        choices=("primary", "backup", "auto"),
        default="auto",
        help="which router of the pair this is",
    )
    add("--name", default=os.uname().nodename, help="what this router is called (default: its host name)")
    add(
        "--allow-user",
        action="append",
        default=[],
        metavar="NAME",
        help="who else may use the control socket",
    )


def _add_manner(made: argparse.ArgumentParser) -> None:
    """What it does and leaves undone, and what it says of it."""
    add = made.add_argument
    add(
        "-t",
        "--planning",
        "--test-start",
        "--norun",
        action="store_true",
        help="do everything but write to the kernel: plan and check",
    )
    add(
        "--forceactive",
        action="store_true",
        help="become the active router at the start, whatever the other one says",
    )
    add(
        "--no-checks",
        action="store_true",
        help="make no checks: every real server is taken as healthy (for planning far from them)",
    )
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    add("-v", "--verbose", action="store_true", help="the same as --log-level debug")
    add(
        "-n",
        "--nodaemon",
        action="store_true",
        help="accepted for old scripts: pulse never goes to the background",
    )


def options(arguments: argparse.Namespace) -> Options:
    """The options of a command line; ends the program where a user does not exist."""
    folder = arguments.config
    allowed = {0, os.getuid()}
    for name in arguments.allow_user:
        try:
            allowed.add(int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            parser().error(f"--allow-user: there is no user {name}")
    return Options(
        config=folder.parent if folder.name == "lvs.cf" else folder,
        state=arguments.state,
        socket=arguments.socket,
        node=arguments.node,
        name=arguments.name,
        planning=arguments.planning,
        checks=not arguments.no_checks,
        force_active=arguments.forceactive,
        allowed=frozenset(allowed),
    )


def set_up_log(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter("%(asctime)s pulse[%(process)d] %(levelname)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
