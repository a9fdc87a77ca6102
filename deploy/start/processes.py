"""Child processes that live exactly as long as the command that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)
GRACE = 8.0  # seconds between SIGTERM and SIGKILL
TOO_OFTEN = 5  # deaths in a row, each soon after a start, before a process is given up
SOON = 20.0  # seconds

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Run in the child before exec: a `kill -9` of the parent ends the child too."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def say(text: str) -> None:
    """One step on the terminal."""
    print(f"\033[1m==>\033[0m {text}" if os.isatty(1) else f"==> {text}", flush=True)


@dataclass
class Child:
    """A process to be kept running. log: the file that takes what it prints."""

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches only the one who stops it in order."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.started_at = time.monotonic()

    def stop(self) -> None:
        """Asks it to end, waits, and ends its whole session when it does not."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            say(f"{self.name} did not end within {GRACE:.0f} s: killed")
        with contextlib.suppress(ProcessLookupError):  # nothing of its session was left
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def last_words(self, count: int = 5) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError as error:
            return f"(no log: {error})"


class Children:
    """All of them, stopped in the reverse order of their start."""

    def __init__(self) -> None:
        self.all: list[Child] = []

    def start(self, child: Child) -> Child:
        """Starts a child and keeps it."""
        child.start()
        self.all.append(child)
        return child

    def watch(self) -> None:
        """Says which ones died and starts them again; RuntimeError when one dies again and again."""
        for child in self.all:
            if child.process is None or child.process.poll() is None:
                continue
            lived = time.monotonic() - child.started_at
            child.deaths = child.deaths + 1 if lived < SOON else 1
            say(f"{child.name} ended with status {child.process.returncode}:\n{child.last_words()}")
            if child.deaths >= TOO_OFTEN:
                raise RuntimeError(f"{child.name} ended {TOO_OFTEN} times in a row; its log is {child.log}")
            say(f"Starting {child.name} again")
            child.start()

    def stop(self) -> None:
        """Stops every child."""
        for child in reversed(self.all):
            child.stop()
        self.all.clear()


def wait_for(holds: Callable[[], bool], child: Child, what: str, limit: float) -> None:
    """Waits for a condition; RuntimeError with the child's last words when it dies or the time runs out."""
    end = time.monotonic() + limit
    while not holds():
        if child.process is None or child.process.poll() is not None:
            raise RuntimeError(f"{child.name} ended before {what}:\n{child.last_words(15)}")
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come within {limit:.0f} s:\n{child.last_words(15)}")
        time.sleep(0.05)
