"""The load average in what uptime(1) and its relatives print. Pure."""

from __future__ import annotations

import re

from lvs.nanny.quoting import quote

# "load average: 0.52, 0.58, 0.59" (uptime, rup), "load averages: 0.52 0.58" (BSD), "load 0.52, 0.58"
# (ruptime), and "load average: 0,52, 0,58" where the real server's language has a decimal comma.
_LOAD = re.compile(r"\bload(?: averages?)?\s*:?\s+(\d{1,6})(?:[.,](\d{1,6}))?(?=[,\s]|$)")


def load_average(printed: bytes) -> float:
    """The load average over the last minute; ValueError with what was printed when there is none."""
    found = _LOAD.search(printed.decode("utf-8", "replace"))
    if found is None:
        raise ValueError(f"expected a load average, got {quote(printed.strip()) if printed else 'nothing'}")
    return float(f"{found[1]}.{found[2] or 0}")
