"""The same program on both routers, loaded once: imports it, then runs it in each namespace, forked.

In a virtual machine without hardware help, loading pulse or Celery takes ten seconds of the processor; two of
each from one loading come up in half the time, and what dies is back at once.

The one argument is JSON: {"load": [MODULE…], "runs": [{"name", "namespace", "words"}…]}, words being those of
the `piranha` command. Nothing runs before a line comes on standard input: the network may not be there yet.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.lab.namespaces import move_into
from piranha_web.cli import main as piranha

AGAIN_SECONDS = 1.0


def run(one: dict[str, Any]) -> int:
    """Starts one; its process id."""
    child = os.fork()
    if child:
        return child
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    move_into(one["namespace"])
    sys.argv = ["piranha", *one["words"]]
    sys.exit(piranha(one["words"]))


def keep(runs: list[dict[str, Any]]) -> None:
    """Runs each, again whenever it ends, until SIGTERM or SIGINT, which are passed on."""
    running = {run(one): one for one in runs}

    def stop(number: int, frame: object) -> None:
        for child in running:
            os.kill(child, signal.SIGTERM)
        for child in running:
            os.waitpid(child, 0)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        child, status = os.waitpid(-1, 0)
        one = running.pop(child)
        print(f"lab: {one['name']} ended ({describe(status)}); it is started again", flush=True)
        time.sleep(AGAIN_SECONDS)
        running[run(one)] = one


def describe(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"status {code}"


def main(text: str) -> None:
    order = json.loads(text)
    for name in order["load"]:
        importlib.import_module(name)
    if sys.stdin.readline():
        keep(order["runs"])


if __name__ == "__main__":
    main(sys.argv[1])
