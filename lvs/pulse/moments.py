"""Times and lengths of time as an administrator types them."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from lvs.errors import RouterError

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_CLOCK = re.compile(r"(tomorrow\s+)?(\d{1,2}:\d\d(?::\d\d)?)", re.ASCII | re.IGNORECASE)
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII)


def length(text: str) -> float:
    """The seconds of "90", "90s", "30m", "30 min", "2h" or "1d"; RouterError for what is none."""
    found = _LENGTH.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS or float(found[1]) <= 0:
        raise RouterError(f"{text!r} is no length of time: write 90, 30m, 2h or 1d.")
    return float(found[1]) * _UNITS[found[2]]


def moment(text: str, now: float) -> float:
    """The time that "14:30" (the next one), "tomorrow 08:00" or "2030-01-31 08:00" means on this machine.

    RouterError for none.

    now and the result: seconds since the epoch. A time that has gone by is none either.
    """
    text = text.strip()
    today = datetime.fromtimestamp(now)
    try:
        if clock := _CLOCK.fullmatch(text):
            at = datetime.combine(today.date(), time.fromisoformat(clock[2].rjust(5, "0")))
            found = (at if at > today and not clock[1] else at + timedelta(days=1)).timestamp()
        else:
            found = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise RouterError(f"{text!r} is no time: write 14:30, tomorrow 08:00 or 2030-01-31 08:00.") from error
    if found <= now:
        raise RouterError(f"{text!r} has gone by: name a time to come.")
    return found
