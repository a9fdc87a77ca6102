"""What the last checks of a real server found, as runs of equal results. Pure.

A check that goes well for a week is one run of some hundred thousand results; one that comes and goes shows
when. How long each took makes no new run: only the slowest of a run is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from lvs.nanny.health import Result

MOST_RUNS = 12  # kept of one check


@dataclass(slots=True)
class Run:
    """Results that followed each other with the same outcome and the same reason.

    first, last: when the first and the last of them ended, seconds since the epoch. slowest: seconds.
    """

    ok: bool
    reason: str
    first: float
    last: float
    count: int
    slowest: float


class History:
    """The last runs of one check."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: deque[Run] = deque(maxlen=MOST_RUNS)

    def add(self, result: Result) -> None:
        """Take in the next result."""
        if self._runs:
            run = self._runs[-1]
            if run.ok is result.ok and run.reason == result.reason:
                run.last = result.at
                run.count += 1
                run.slowest = max(run.slowest, result.duration)
                return
        self._runs.append(Run(result.ok, result.reason, result.at, result.at, 1, result.duration))

    def runs(self) -> tuple[Run, ...]:
        """The runs, newest first; the newest goes on changing until its reader has let the checks go on."""
        return tuple(reversed(self._runs))
