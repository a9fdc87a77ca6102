"""The command line of `piranha worker`; the work is `piranha_web.worker`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]


def worker(arguments: argparse.Namespace) -> int:
    if arguments.manager and (arguments.file or arguments.forget_serials):
        sys.stderr.write("--file and --forget-serials are for the worker of a router.\n")
        return 2
    if arguments.broker:
        if arguments.router:
            sys.stderr.write("--broker is for the manager; a router's worker has it in its file.\n")
            return 2
        os.environ["PIRANHA_BROKER_URL"] = arguments.broker
    if arguments.manager:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "piranha_web.settings")
    else:
        # Celery sets Django up wherever this name stands; a router has neither settings nor database.
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    from lvs.errors import RouterError
    from lvs.machines import worker_file
    from piranha_web import worker as workers

    if arguments.manager:
        return workers.run_manager_worker(arguments.log_level)
    path = arguments.file or worker_file.path_in(os.environ)
    try:
        router = arguments.router or worker_file.read(path).router
    except RouterError as error:
        return workers.complain(str(error))
    if arguments.forget_serials:
        return workers.forget_serials(router, path)
    return workers.run_router_worker(router, path, arguments.pulse_socket, arguments.log_level)


def add_worker(add: Callable[[str, Command, str], argparse.ArgumentParser], socket: Path) -> None:
    """The Celery workers. socket: pulse's, where none is named."""
    one = add("worker", worker, "Run the Celery worker of a router, or of the manager.")
    which = one.add_mutually_exclusive_group()
    which.add_argument(
        "--router", metavar="NAME", help="the router whose queue this worker serves (default: the file's)"
    )
    which.add_argument("--manager", action="store_true", help="carry frozen revisions to the routers")
    one.add_argument("--pulse-socket", type=Path, default=socket, metavar="PATH")
    one.add_argument(
        "--broker",
        metavar="URL",
        help="Redis (default: PIRANHA_BROKER_URL, or the file PIRANHA_BROKER_URL_FILE)",
    )
    one.add_argument(
        "--file", type=Path, metavar="PATH", help="what piranha join wrote (default: PIRANHA_WORKER_FILE)"
    )
    one.add_argument(
        "--forget-serials",
        action="store_true",
        help="take tasks of a manager that was restored or set up anew",
    )
    one.add_argument("--log-level", default="warning")
