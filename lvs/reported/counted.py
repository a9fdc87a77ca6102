"""What pulse has counted since it began: checks by kind and result, changes of role by their reason. Pure.

Counters that only go up, for whoever draws curves of them. A fixed number of them, whatever happens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Any

BOUNDS = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0)  # seconds; a check that took longer is above all of them
MOST_REASONS = 30
OTHER = "other"
GOOD, BAD, UNMADE = "good", "bad", "unmade"


class CheckCounts:
    """How the checks ended, and how long they took."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], list[int]] = {}
        self._seconds: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, result: str, seconds: float) -> None:
        """One ended. result: GOOD, BAD, or UNMADE where this router could not make it."""
        key = (kind, result)
        counts = self._of.get(key)
        if counts is None:
            counts = self._of[key] = [0] * (len(BOUNDS) + 1)
        counts[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[key] += seconds  # type: ignore[assignment]  # a float adds up as well

    def document(self) -> list[dict[str, Any]]:
        """A line for each kind and result. within: how many took no longer than each of BOUNDS, and all."""
        found = []
        for (kind, result), counts in self._of.items():
            within = [sum(counts[: place + 1]) for place in range(len(counts))]
            seconds = round(self._seconds[kind, result], 6)
            found.append({"kind": kind, "result": result, "within": within, "seconds": seconds})
        return found


class RoleCounts:
    """How often this router became what, and why."""

    def __init__(self) -> None:
        self._of: Counter[tuple[str, str]] = Counter()

    def add(self, role: str, reason: str) -> None:
        """The role changed. reason: the heart's; what stands in brackets or behind a colon is of one time."""
        short = reason.partition(" (")[0].partition(": ")[0] or OTHER
        if (role, short) not in self._of and len(self._of) >= MOST_REASONS:
            short = OTHER
        self._of[role, short] += 1

    def document(self) -> list[dict[str, Any]]:
        """A line for each."""
        return [
            {"role": role, "reason": reason, "count": count} for (role, reason), count in self._of.items()
        ]
