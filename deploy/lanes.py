#!/usr/bin/env python3
"""Runs make targets in lanes, the lanes side by side: deploy/lanes.py "check web" "unit" ...

Each argument is a lane: targets that run one after the other. What a target prints is shown in one piece when
it has ended; that of targets that failed comes last, with their names. After a failure nothing new begins;
what runs may finish. Ctrl-C, SIGTERM and SIGHUP end all of it, whatever the targets started.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

MAKE = ("make", "--no-print-directory")
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
GRACE = 20.0  # seconds between SIGINT, at which pytest stops in order what it started, and SIGKILL
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = 130  # exit status, as a shell has it after Ctrl-C


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or asked us to end."""


@dataclass
class Part:
    """One target. began, took: seconds; took is None as long as it has not ended."""

    name: str
    output: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    took: float | None = None

    def begin(self, command: Sequence[str]) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches only the one who stops it in order."""
        say(f"{self.name} begins")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, self.name],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def status(self) -> int | None:
        """Its exit status once it has ended."""
        return self.process.poll() if self.process else None

    def end(self) -> None:
        """Notes how long it took."""
        self.took = time.monotonic() - self.began

    def verdict(self) -> str:
        """What became of it, in a line."""
        if self.process is None:
            return f"{self.name}: did not begin"
        if self.took is None:
            return f"{self.name}: was stopped"
        said = "passed" if self.status == 0 else f"FAILED with exit status {self.status}"
        return f"{self.name}: {said} after {self.took:.0f} s"

    def show(self) -> None:
        """Its verdict and all that it printed."""
        say(self.verdict())
        self.output.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(self.output, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@dataclass
class Lanes:
    """Lists of parts, of which each has at most one running."""

    lanes: Sequence[Sequence[Part]]
    command: Sequence[str] = MAKE

    @property
    def parts(self) -> list[Part]:
        return [part for lane in self.lanes for part in lane]

    @property
    def running(self) -> list[Part]:
        return [part for part in self.parts if part.process and part.took is None]

    @property
    def failed(self) -> list[Part]:
        return [part for part in self.parts if part.took is not None and part.status != 0]

    def run(self) -> bool:
        """Runs all of them; whether all passed. Raises Stopped."""
        while self._begin_next():
            for part in self._ended():
                part.end()
                if part.status == 0:
                    part.show()
                else:
                    say(f"{part.verdict()}; what it printed comes last")
        return not self.failed

    def _begin_next(self) -> bool:
        """Begins what can begin; whether anything runs."""
        for lane in self.lanes:
            waiting = [part for part in lane if part.process is None]
            if waiting and not self.failed and not any(part in self.running for part in lane):
                waiting[0].begin(self.command)
        return bool(self.running)

    def _ended(self) -> list[Part]:
        """Waits until at least one of those that run has ended."""
        with contextlib.ExitStack() as opened:
            poll = select.poll()
            for part in self.running:
                assert part.process is not None
                descriptor = os.pidfd_open(part.process.pid)
                opened.callback(os.close, descriptor)
                poll.register(descriptor, select.POLLIN)
            poll.poll()
        return [part for part in self.running if part.status is not None]

    def report(self) -> None:
        """What was stopped or failed with its output, then a line for each part; what failed comes last."""
        for part in (*self.running, *self.failed):
            part.show()
        for part in sorted(self.parts, key=lambda part: part in self.failed):
            say(part.verdict())

    def stop(self) -> None:
        """Ends what runs, in order where it can be, and then everything that was ever started."""
        for part in self.running:
            assert part.process is not None
            with contextlib.suppress(ProcessLookupError):  # it has ended just now
                os.killpg(part.process.pid, signal.SIGINT)
        deadline = time.monotonic() + GRACE
        for part in self.running:
            assert part.process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is killed below
                part.process.wait(max(0.0, deadline - time.monotonic()))
        kill_descendants()


def kill_descendants() -> None:
    """Kills all that came from this process, however far removed; returns when nothing is left."""
    while found := list(descendants(os.getpid())):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):  # it has ended just now
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # somebody else's child was the last
            os.waitpid(-1, 0)


def descendants(ancestor: int) -> Iterator[int]:
    """The processes below this one (proc(5), stat); whose parents have ended are below a subreaper."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended just now
                words = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                children.setdefault(int(words[1]), []).append(int(entry.name))
    below = [ancestor]
    while below:
        found = children.get(below.pop(), [])
        yield from found
        below += found


def say(text: str) -> None:
    """One step on the terminal."""
    print(f"\033[1m==>\033[0m {text}" if os.isatty(1) else f"==> {text}", flush=True)


def stop(_number: int, _frame: object) -> None:
    raise Stopped


def main(arguments: Sequence[str], command: Sequence[str] = MAKE) -> int:
    """0: all passed; 1: some failed; STOPPED."""
    # Whose parent has ended becomes our child, so that it can be found and ended.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in ENDING:
        signal.signal(number, stop)
    lanes = Lanes([[Part(name) for name in lane.split()] for lane in arguments], command)
    try:
        passed = lanes.run()
    except Stopped:
        say("Stopping everything")
        passed = None
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        lanes.stop()
    lanes.report()
    return STOPPED if passed is None else 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
