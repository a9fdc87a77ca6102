"""What is logged of connections to pulse's socket that were refused: a few lines, and then how many more."""

from __future__ import annotations

import asyncio
import logging

from lvs.flood import Flood

MOST = 10  # lines in QUIET seconds: whoever reconnects a thousand times a second must not fill the disk
QUIET = 60.0

log = logging.getLogger("lvs.pulse.control")


class Refusals:
    """Of one server's refusals, in the loop that it runs in. quiet: seconds."""

    def __init__(self, quiet: float = QUIET) -> None:
        self._flood = Flood(most=MOST, seconds=quiet)
        self._end: asyncio.TimerHandle | None = None

    def note(self, why: str) -> None:
        """One more."""
        loop = asyncio.get_running_loop()
        left_out = self._flood.heard(loop.time())
        if left_out is not None:
            self._say(left_out)
            log.warning("control socket: %s", why)
        elif self._end is None:
            self._end = loop.call_at(self._flood.began + self._flood.seconds, self.sum_up)

    def sum_up(self) -> None:
        """Says how many were left out until now; at the end of the time, and of the server."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self._say(self._flood.taken())

    def _say(self, left_out: int) -> None:
        if left_out:
            log.warning(
                "control socket: %s more connections were refused than are logged one by one", left_out
            )
