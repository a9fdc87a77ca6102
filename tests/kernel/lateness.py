"""How late this machine's processor is: what is due by the clock, and is done later."""

from __future__ import annotations

import threading
from time import monotonic

EVERY = 0.01  # seconds
WORTH_KEEPING = 0.02  # seconds


class Lateness:
    """A thread that wakes up a hundred times a second, until closed, and notes by how much it was late."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []  # when it woke up, and how late
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lateness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def worst(self, begin: float, end: float) -> float:
        """The longest lateness, in seconds, that was noted in this time (of the monotonic clock)."""
        return max((late for at, late in list(self._late) if begin <= at <= end), default=0.0)

    def _watch(self) -> None:
        due = monotonic() + EVERY
        while not self._end.wait(max(due - monotonic(), 0)):
            now = monotonic()
            if now - due > WORTH_KEEPING:
                self._late.append((now, now - due))
            due = now + EVERY
