"""pulses that start at once: their program is loaded, and each is a fork of it.

Loading pulse takes most of a second of User-Mode Linux, and hundreds of starts are tried. One that is ordered
`fresh` is loaded anew even so, as after a boot. Reads one order a line (JSON: namespace, words, environment,
log, fresh), answers each with the process id. What it started is ended by who ordered it, and is reaped here.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.lab.namespaces import move_into
from tests.kernel import traffic_pulse

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """The process that has everything loaded, as seen by who gives the orders."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.kernel.failover_nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=ROOT,
            start_new_session=True,
        )

    def start(
        self, namespace: str, words: list[str], environment: dict[str, str], log: Path, *, fresh: bool
    ) -> int:
        """Starts a pulse; its process id."""
        assert self._popen.stdin
        assert self._popen.stdout
        order: dict[str, Any] = {"namespace": namespace, "words": words, "environment": environment}
        order |= {"log": str(log), "fresh": fresh}
        self._popen.stdin.write(json.dumps(order) + "\n")
        return int(self._popen.stdout.readline())

    def close(self) -> None:
        assert self._popen.stdin
        assert self._popen.stdout
        self._popen.stdin.close()
        self._popen.wait()
        self._popen.stdout.close()


def _run(order: dict[str, Any]) -> int:
    """In the child: becomes a pulse, and gives its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ |= order["environment"]
    move_into(order["namespace"])
    if order["fresh"]:
        os.execv(sys.executable, [sys.executable, "-m", "tests.kernel.traffic_pulse", *order["words"]])
    return traffic_pulse.run(order["words"])


def _reap(number: int, frame: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return  # that was the last


def main() -> None:
    signal.signal(signal.SIGCHLD, _reap)
    gc.freeze()  # else the first collection in each child copies all that is loaded, page by page
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            sys.exit(_run(json.loads(line)))
        print(child, flush=True)


if __name__ == "__main__":
    main()
