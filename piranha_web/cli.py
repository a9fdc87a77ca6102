"""The `piranha` command.

Each subcommand imports what it needs when it runs: `piranha pulse` must start in a moment and `piranha check`
must work where neither Django nor Celery is configured.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from piranha_web import installed
from piranha_web.console.alert import add_alert
from piranha_web.console.allow import add_allow
from piranha_web.console.aside import add_aside
from piranha_web.console.audit import add_audit
from piranha_web.console.backup import add_backup
from piranha_web.console.clear import add_clear
from piranha_web.console.connections import add_connections
from piranha_web.console.enrol import add_enrol, add_tls
from piranha_web.console.metrics import add_metrics
from piranha_web.console.oidc import add_oidc
from piranha_web.console.passwd import add_passwd, add_unlock
from piranha_web.console.setup import add_doctor, add_setup
from piranha_web.console.signing import add_signing
from piranha_web.console.worker import add_worker

Command = Callable[[argparse.Namespace], int]
PULSE_SOCKET = Path("/run/piranha/pulse.sock")


def check(arguments: argparse.Namespace) -> int:
    from lvs.config.commands import check_command

    return check_command(arguments.file, as_json=arguments.json)


def format_file(arguments: argparse.Namespace) -> int:
    from lvs.config.commands import format_command

    return format_command(arguments.file)


def plan(arguments: argparse.Namespace) -> int:
    from lvs.router.commands import plan_command

    return plan_command(arguments.file, role=arguments.role)


def preflight(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_preflight import preflight_command

    return preflight_command(
        arguments.socket, arguments.file, as_json=arguments.json, parameters=arguments.parameters
    )


def rules(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_rules import rules_command

    return rules_command(arguments.socket, as_iptables=arguments.iptables, as_json=arguments.json)


def pulse(arguments: argparse.Namespace) -> int:
    from lvs.pulse.__main__ import main as pulse_main

    return pulse_main(arguments.options)


def status(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal import status_command

    return status_command(arguments.socket, as_json=arguments.json)


def failover(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal import failover_command

    return failover_command(arguments.socket, anyway=arguments.anyway, force=arguments.force)


def guard(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_guard import guard_command, off_command, show_command

    if arguments.allow and arguments.port is None:
        print("--allow says who gets through to a port: name it with --port PORT.", file=sys.stderr)
        return 2
    if arguments.off:
        return off_command(arguments.socket)
    if arguments.port is None:
        return show_command(arguments.socket)
    return guard_command(
        arguments.socket, arguments.port, arguments.allow, anyway=arguments.anyway, environment=os.environ
    )


def confirm(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal import confirm_command

    return confirm_command(arguments.socket, arguments.serial)


def key(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal import key_command

    return key_command(arguments.folder, new=arguments.new)


def server_list(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_servers import list_command

    return list_command(arguments.socket, as_json=arguments.json)


def server_order(arguments: argparse.Namespace) -> int:
    from lvs.nanny.hand import Order
    from lvs.pulse.terminal_servers import Wanted, order_command

    wanted = Wanted(
        names=arguments.real_servers,
        address=arguments.address,
        reason=getattr(arguments, "reason", ""),
        until=getattr(arguments, "until", None),
        within=getattr(arguments, "within", None),
    )
    return order_command(arguments.socket, Order(arguments.order), wanted)


def server_test(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_servers import test_command

    return test_command(arguments.socket, arguments.real_server)


def server_check(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_examination import check_command

    return check_command(arguments.socket, arguments.real_server, as_json=arguments.json)


def server_history(arguments: argparse.Namespace) -> int:
    from lvs.pulse.terminal_servers import history_command

    return history_command(arguments.socket, arguments.real_server)


def manage(arguments: argparse.Namespace) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "piranha_web.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, InterfaceError

    from piranha_web.databases.advice import advice, first_line, is_of_the_database

    try:
        execute_from_command_line(["piranha manage", *arguments.options])
    except (DatabaseError, InterfaceError) as error:
        if "--traceback" in arguments.options or not is_of_the_database(error):
            raise
        print(f"The database does not answer: {first_line(error)}. {advice(error)}", file=sys.stderr)
        return 1
    return 0


class WholeWords(argparse.ArgumentParser):
    """Takes no option by its first letters, nor do its verbs: `installed.begin` judges the words before."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **{**more, "allow_abbrev": False})


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = WholeWords(prog="piranha", description="Set up, check and run Linux Virtual Server clusters.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=command)
        return sub

    add_file_commands(add)
    add_router_commands(add)
    add_server_commands(add)

    add_worker(add, PULSE_SOCKET)

    add_metrics(add, PULSE_SOCKET)
    add_alert(add)
    add_audit(add)
    add_backup(add)
    add_enrol(add)
    add_tls(add)

    add_passwd(add)

    add_signing(add)
    add_unlock(add)
    add_oidc(add)
    add_allow(add)
    add_setup(add)
    add_doctor(add, PULSE_SOCKET)

    for name, command, text in (
        ("pulse", pulse, "Run the daemon that owns this router's kernel state (see piranha pulse --help)."),
        ("manage", manage, "Run a Django management command (see piranha manage help)."),
    ):
        sub = commands.add_parser(name, help=text, add_help=False)
        sub.set_defaults(run=command, options=[])
    return top


def add_file_commands(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """What is asked of an lvs.cf."""
    one = add("check", check, "Say everything that is wrong with an lvs.cf (exit 0: valid, 1: not).")
    one.add_argument("file", metavar="FILE", help="lvs.cf, or - for standard input")
    one.add_argument("--json", action="store_true", help="print problems and configuration as JSON")

    one = add("format", format_file, "Print an lvs.cf in its canonical form.")
    one.add_argument("file", metavar="FILE", help="lvs.cf, or - for standard input")

    one = add("plan", plan, "Print the kernel state that an lvs.cf wants of a router.")
    one.add_argument("file", metavar="FILE", help="lvs.cf, or - for standard input")
    one.add_argument(
        "--role", choices=["active", "standby"], default="active", help="of an active router, or of a standby"
    )


def add_router_commands(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """What is asked of the router that the command runs on."""
    one = add("status", status, "Say what this router is, what it hears of the other one, and what is wrong.")
    one.add_argument("--socket", type=Path, default=PULSE_SOCKET, metavar="PATH", help="pulse's socket")
    one.add_argument("--json", action="store_true", help="print pulse's whole status document")

    one = add(
        "preflight",
        preflight,
        "Say what stands against an lvs.cf on this router (exit 0: nothing that is an error, 1: something).",
    )
    one.add_argument(
        "file", nargs="?", metavar="FILE", help="lvs.cf, or - for standard input (default: what is in force)"
    )
    one.add_argument("--socket", type=Path, default=PULSE_SOCKET, metavar="PATH", help="pulse's socket")
    one.add_argument("--parameters", action="store_true", help="print the table of kernel parameters, too")
    one.add_argument("--json", action="store_true", help="print it all as JSON")

    one = add("rules", rules, "Print the netfilter rules of this router, and what they have counted.")
    one.add_argument("--socket", type=Path, default=PULSE_SOCKET, metavar="PATH", help="pulse's socket")
    form = one.add_mutually_exclusive_group()
    form.add_argument("--iptables", action="store_true", help="in the words of iptables-save, for reading")
    form.add_argument("--json", action="store_true", help="print it all as JSON")

    add_connections(add, PULSE_SOCKET)

    one = add("failover", failover, "Switch the active role to the other router (exit 0: done, 1: refused).")
    one.add_argument("--socket", type=Path, default=PULSE_SOCKET, metavar="PATH", help="pulse's socket")
    how = one.add_mutually_exclusive_group()
    how.add_argument(
        "--anyway", action="store_true", help="also to one with another lvs.cf or fewer healthy real servers"
    )
    how.add_argument("--force", action="store_true", help="make this router active whatever the other says")

    add_aside(add, PULSE_SOCKET)
    add_guard(add)

    one = add("confirm", confirm, "Keep an lvs.cf that this router would put back by itself.")
    one.add_argument("serial", type=int, metavar="SERIAL", help="its serial_no")
    one.add_argument("--socket", type=Path, default=PULSE_SOCKET, metavar="PATH", help="pulse's socket")

    add_clear(add)

    one = add("key", key, "Print the ids of the keys that sign this router's heartbeats.")
    one.add_argument("--new", action="store_true", help="make one, for a pair that no manager looks after")
    one.add_argument(
        "--folder", type=Path, default=Path("/etc/piranha"), metavar="PATH", help="where lvs.cf is"
    )


def add_guard(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Who may reach the port of the web pages."""
    one = add("guard", guard, "Say who may reach this router's port of the web pages, or have it changed.")
    one.add_argument("--socket", type=Path, default=PULSE_SOCKET, metavar="PATH", help="pulse's socket")
    how = one.add_mutually_exclusive_group()
    how.add_argument("--port", type=int, metavar="PORT", help="guard this TCP port")
    how.add_argument("--off", action="store_true", help="guard none")
    one.add_argument(
        "--allow",
        nargs="+",
        action="extend",
        default=[],
        metavar="NETWORK",
        help="who gets through, with --port; this machine itself always does",
    )
    one.add_argument("--anyway", action="store_true", help="also where that cuts a connection to the port")


def add_server_commands(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """The administrator's hand on real servers, on the router that the command runs on and its other half."""
    text = (
        "Look at the real servers, and drain, maintain or force them by hand. What is ordered holds on both "
        "routers, over restarts and failovers, and no check undoes it."
    )
    verbs = add("server", server_list, text).add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=command, order=name)
        sub.add_argument("--socket", type=Path, default=PULSE_SOCKET, metavar="PATH", help="pulse's socket")
        return sub

    one = verb("list", server_list, "Print each real server: health, weight, connections, and why.")
    one.add_argument("--json", action="store_true", help="print the virtual servers of the status document")
    for name, text in (
        ("drain", "Give no new connections, take out when none is left, and keep out until `auto`."),
        ("maintenance", "The same until a time; then the checks decide again."),
        ("up", "Have it serve whatever its checks say."),
        ("down", "Have it out as if its checks failed: its connections end unless the service quiesces."),
        ("auto", "Leave it to its checks again."),
    ):
        add_order(verb(name, server_order, text))
    one = verb("test", server_test, "Make its check now and print what was said (exit 0: good, 1: bad).")
    one.add_argument("real_server", metavar="VIRTUAL/REAL", help="names of virtual server and real server")
    one = verb("check", server_check, "Find the mistakes in its set-up, from here (exit 0: none, 1: errors).")
    one.add_argument("real_server", metavar="VIRTUAL/REAL", help="names of virtual server and real server")
    one.add_argument("--json", action="store_true", help="print pulse's answer")
    one = verb("history", server_history, "Print why it is as it is, and its check's last results.")
    one.add_argument("real_server", metavar="VIRTUAL/REAL", help="names of virtual server and real server")


def add_order(one: argparse.ArgumentParser) -> None:
    """Whom an order is about, until when, and why."""
    order = one.get_default("order")
    one.add_argument(
        "real_servers", nargs="*", metavar="VIRTUAL/REAL", help="names of virtual server and real server"
    )
    one.add_argument("--address", metavar="ADDRESS", help="that machine in every virtual server")
    one.add_argument(
        "--reason", default="", required=order == "maintenance", metavar="TEXT", help="kept and shown with it"
    )
    if order == "auto":
        return
    ends = one.add_mutually_exclusive_group(required=order == "maintenance")
    if order == "drain":
        text = "go out then, with the connections that are left: 90, 30m, 2h"
        ends.add_argument("--within", metavar="LENGTH", help=text)
        return
    ends.add_argument(
        "--until", metavar="TIME", help="14:30, tomorrow 08:00 or 2030-01-31 08:00; then the checks decide"
    )
    ends.add_argument(
        "--for", dest="within", metavar="LENGTH", help="90, 30m, 2h, 1d; then the checks decide"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of the command: 0 done, 1 refused, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without the sign ends no command
    installed.begin(words)
    # What follows these two belongs to them whole, options included.
    if words[:1] in (["pulse"], ["manage"]):
        arguments = parser().parse_args(words[:1])
        arguments.options = words[1:]
    else:
        arguments = parser().parse_args(words)
    run: Command = arguments.run
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
