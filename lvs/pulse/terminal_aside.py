"""`piranha aside`: this router's part in the pair, at a terminal."""

from __future__ import annotations

import time
from pathlib import Path

from lvs.errors import RouterError
from lvs.pulse.client import PulseClient
from lvs.pulse.terminal import SWITCH_SECONDS, attempted, say

LONGEST_HOURS = 366 * 24


def aside_command(socket: Path, *, reason: str, hours: float | None, anyway: bool) -> int:
    """Has this router take no part; the active one hands over first. hours: then it takes part by itself."""

    def work() -> None:
        if hours is not None and not 0 < hours <= LONGEST_HOURS:
            raise RouterError(f"--hours must be above 0 and at most {LONGEST_HOURS} (a year).")
        until = None if hours is None else time.time() + hours * 3600
        say(
            [
                PulseClient(socket, SWITCH_SECONDS).set_aside(reason=reason, until=until, anyway=anyway)[
                    "message"
                ]
            ]
        )

    return attempted(work)


def take_part_command(socket: Path) -> int:
    """Has this router be one of the pair again."""

    def work() -> None:
        say([PulseClient(socket, SWITCH_SECONDS).take_part()["message"]])

    return attempted(work)
