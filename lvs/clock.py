"""The clock that the two routers' heartbeats go by."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds of the clock that never steps, and goes on while the machine sleeps (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
