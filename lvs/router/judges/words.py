"""How remarks list things. Pure."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 4  # of a list; the rest is a number


def some(things: Iterable[object]) -> str:
    """a, b, c and 7 more."""
    names = [str(each) for each in things]
    if len(names) <= SHOWN:
        return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "none"
    return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
