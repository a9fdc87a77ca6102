"""A program at a terminal: a real pty, with somebody who reads what it shows and types."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence

import pytest

LIMIT = 90.0  # seconds; a busy machine takes some for a first import


class Terminal:
    """A program that runs at a terminal of its own."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environment), start_new_session=True
        )
        os.close(theirs)

    def until(self, text: str) -> str:
        """Waits until it has shown text; all that was shown up to there, and takes that off."""
        end = time.monotonic() + LIMIT
        while text not in self.shown:
            if not self._read(end):
                pytest.fail(f"it never showed {text!r}, but:\n{self.shown}")
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def type(self, line: str) -> None:
        """Types a line."""
        os.write(self._ours, f"{line}\n".encode())

    def answer(self, answers: Mapping[str, str]) -> int:
        """Reads until it has ended, and types the answer to each question; its exit code.

        answers: by an expression for the end of what it shows, the first that fits. All of it is in shown.
        """
        asked, end = 0, time.monotonic() + LIMIT
        while self._read(end):
            fits = (said for ask, said in answers.items() if re.search(rf"(?:{ask})\Z", self.shown[asked:]))
            if (said := next(fits, None)) is not None:
                asked, end = len(self.shown), time.monotonic() + LIMIT
                self.type(said)
        return self.ended()

    def end_of_file(self) -> None:
        """Types Ctrl-D."""
        os.write(self._ours, b"\x04")

    def ended(self) -> int:
        """Waits until it has ended; its exit code. What it showed last is in shown."""
        end = time.monotonic() + LIMIT
        while self._read(end):
            pass
        os.close(self._ours)
        return self.process.wait(LIMIT)

    def _read(self, end: float) -> bool:
        """Takes what it shows; False: there is nothing more to come."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))
        try:
            said = os.read(self._ours, 4096) if ready else b""
        except OSError:  # Linux says so when the last one at the other end has gone
            said = b""
        self.shown += said.decode(errors="replace").replace("\r\n", "\n")
        return bool(said)
