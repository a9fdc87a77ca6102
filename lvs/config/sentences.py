"""How the rules say what is wrong: with the place in front, so that a sentence stands by itself anywhere.
And how any sentence names many things."""

from __future__ import annotations

from collections.abc import Iterable

from lvs.config.model import Problem, Severity

Place = tuple[str, ...]  # as in Problem.place

NAMED = 5  # that one sentence names

_NOUNS = {"virtual": "virtual server", "failover": "failover service"}


def place_name(place: Place) -> str:
    """The place in words: "virtual server shop", "real server web1 of shop", "" for the globals."""
    if not place:
        return ""
    if len(place) == 4:
        return f"real server {place[3]} of {place[1]}"
    return f"{_NOUNS[place[0]]} {place[1]}"


def error(place: Place, field: str | None, message: str) -> Problem:
    """What must not be installed."""
    return _problem(place, field, message, Severity.ERROR)


def warning(place: Place, field: str | None, message: str) -> Problem:
    """What is probably not meant."""
    return _problem(place, field, message, Severity.WARNING)


def _problem(place: Place, field: str | None, message: str, severity: Severity) -> Problem:
    name = place_name(place)
    return Problem(
        message=f"{name}: {message}" if name else message, severity=severity, place=place, field=field
    )


def listed(things: Iterable[object], most: int = NAMED) -> str:
    """What they are called, as far as a sentence takes them, in their order: "a, b and 3 more"."""
    names = list(map(str, things))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
