"""Lines that a stranger can cause as often as they like: a few are written, the others counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Flood:
    """At most `most` lines in `seconds`, counted from the first of them. Times are of any steady clock."""

    most: int
    seconds: float
    began: float = -inf
    written: int = 0
    left_out: int = 0

    def heard(self, now: float) -> int | None:
        """Whether this one is to be written: None, no; else how many were left out since the last was."""
        if now - self.began >= self.seconds:
            self.began, self.written = now, 0
        if self.written >= self.most:
            self.left_out += 1
            return None
        self.written += 1
        return self.taken()

    def taken(self) -> int:
        """How many were left out until now; they are not told a second time."""
        found, self.left_out = self.left_out, 0
        return found
