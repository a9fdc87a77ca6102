"""The words of `piranha metrics`; what it does is imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]
HOW = "In Prometheus: scrape_configs, authorization, credentials (docs/monitoring.md)."


def add_metrics(add: Callable[[str, Command, str], argparse.ArgumentParser], socket: Path) -> None:
    """Metrics of a router; the token by which the manager's are read."""
    one = add(
        "metrics",
        metrics,
        "Print this router's metrics for node_exporter's textfile collector; on the manager: its token.",
    )
    one.add_argument("--socket", type=Path, default=socket, metavar="PATH", help="pulse's socket")
    one.add_argument(
        "--virtual-servers", type=int, default=10_000, metavar="N", help="with metrics of their own, at most"
    )
    one.add_argument("--real-servers", type=int, default=0, metavar="N", help="the same of real servers")
    verbs = one.add_subparsers(dest="verb", metavar="VERB", required=False)
    text = "make the token by which Prometheus reads the manager's /metrics; the one before counts no more"
    verb = verbs.add_parser("token", help=text, description=text)
    verb.add_argument("--revoke", action="store_true", help="take it away: nobody may read them then")


def metrics(arguments: argparse.Namespace) -> int:
    if arguments.verb == "token":
        return token_command(revoke=arguments.revoke)
    from lvs.pulse.terminal_metrics import metrics_command

    return metrics_command(
        arguments.socket,
        virtual_servers=max(0, arguments.virtual_servers),
        real_servers=max(0, arguments.real_servers),
    )


def token_command(*, revoke: bool) -> int:
    """Makes the token, which is printed alone on standard output, or takes it away."""
    from piranha_web.metrics import token

    path = token_file()
    try:
        if revoke:
            gone = token.revoke(path)
            sys.stderr.write("Nobody may read the metrics now.\n" if gone else "There was no token.\n")
            return 0
        sys.stdout.write(f"{token.make(path)}\n")
    except OSError as error:
        sys.stderr.write(f"Nothing was changed: {error}. Run this as the web server's user, or as root.\n")
        return 1
    sys.stderr.write(f"It is shown this once; {path} has its hash. {HOW}\n")
    return 0


def token_file() -> Path:
    """PIRANHA_METRICS_TOKEN_FILE, or metrics.token in PIRANHA_VAR."""
    folder = Path(os.environ.get("PIRANHA_VAR", "var")).absolute()
    return Path(os.environ.get("PIRANHA_METRICS_TOKEN_FILE", folder / "metrics.token"))
