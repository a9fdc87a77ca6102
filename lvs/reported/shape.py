"""Judging JSON that somebody else wrote: whether it has the shape that we read, and if not, where. Pure.

A kind is a function that says whether a value fits; it is called for every field of every real server, so it
answers in one call and builds nothing. Where something does not fit, `fault` looks for the place once more.
What a record has besides its named fields is passed over: a newer version may add to it.

A text fits only if it can be encoded (JSON can hold half of a surrogate pair, which no page can show), a
number only within bounds (JSON of Python's kind knows NaN, infinities and integers of any length).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lvs.errors import LvsError

Kind = Callable[[object], bool]

LONGEST = 64 * 1024  # signs of a text
MOST = 2.0**53  # of a number: what a float and every database can still hold
LATEST = 253_402_214_400  # seconds since the epoch: the last day of the year 9999, in every time zone


class Misshapen(LvsError):
    """It does not have the shape that is read here; the text says where."""


class _Absent:
    """In place of a field that is not there."""

    def __repr__(self) -> str:
        return "missing"


ABSENT = _Absent()
_INSIDE: dict[Kind, Callable[[Any], Iterator[tuple[str, Kind, object]]]] = {}


def text(value: object) -> bool:
    """A text that can be shown, of at most LONGEST signs."""
    return type(value) is str and len(value) <= LONGEST and (value.isascii() or _is_encodable(value))


def long_text(value: object) -> bool:
    """The same of any length."""
    return type(value) is str and (value.isascii() or _is_encodable(value))


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def number(value: object) -> bool:
    """Any number but NaN and the very large."""
    return (type(value) is float or type(value) is int) and -MOST < value < MOST


def natural(value: object) -> bool:
    """A whole number from 0 on."""
    return type(value) is int and 0 <= value < MOST


def moment(value: object) -> bool:
    """Seconds since the epoch."""
    return (type(value) is float or type(value) is int) and 0 <= value <= LATEST


def flag(value: object) -> bool:
    """True or false."""
    return value is True or value is False


def maybe(kind: Kind) -> Kind:
    """That, or null."""

    def fits(value: object) -> bool:
        return value is None or kind(value)

    return _with_inside(fits, lambda value: _inside(kind, value))


def listed(kind: Kind, most: int = 100_000) -> Kind:
    """A list of those, of at most `most`."""

    def fits(value: object) -> bool:
        return type(value) is list and len(value) <= most and all(map(kind, value))

    def inside(value: object) -> Iterator[tuple[str, Kind, object]]:
        if isinstance(value, list):
            for place, one in enumerate(value):
                yield f"[{place}]", kind, one

    return _with_inside(fits, inside)


def mapped(kind: Kind) -> Kind:
    """An object of any names and those values."""

    def fits(value: object) -> bool:
        return type(value) is dict and all(map(text, value)) and all(map(kind, value.values()))

    def inside(value: object) -> Iterator[tuple[str, Kind, object]]:
        if isinstance(value, dict):
            for name, one in value.items():
                yield f".{name}", kind, one

    return _with_inside(fits, inside)


def pair(first: Kind, second: Kind) -> Kind:
    """A list of exactly these two."""

    def fits(value: object) -> bool:
        return type(value) is list and len(value) == 2 and first(value[0]) and second(value[1])

    def inside(value: object) -> Iterator[tuple[str, Kind, object]]:
        if isinstance(value, list) and len(value) == 2:
            yield "[0]", first, value[0]
            yield "[1]", second, value[1]

    return _with_inside(fits, inside)


def either(*kinds: Kind) -> Kind:
    """Any of these."""

    def fits(value: object) -> bool:
        return any(kind(value) for kind in kinds)

    return fits


def one_of(*words: str) -> Kind:
    """One of these words."""

    def fits(value: object) -> bool:
        return type(value) is str and value in words

    return fits


def record(fields: Mapping[str, Kind], more: Mapping[str, Kind] | None = None) -> Kind:
    """An object with these fields, and perhaps those of more: an older version leaves them out."""
    sure, perhaps = tuple(fields.items()), tuple((more or {}).items())

    def fits(value: object) -> bool:
        if type(value) is not dict:
            return False
        get = value.get
        for name, kind in sure:
            if not kind(get(name, ABSENT)):
                return False
        for name, kind in perhaps:  # noqa: SIM110 - this runs for every real server
            if name in value and not kind(value[name]):
                return False
        return True

    def inside(value: object) -> Iterator[tuple[str, Kind, object]]:
        if isinstance(value, dict):
            for name, kind in sure:
                yield f".{name}", kind, value.get(name, ABSENT)
            for name, kind in perhaps:
                if name in value:
                    yield f".{name}", kind, value[name]

    return _with_inside(fits, inside)


def _with_inside(kind: Kind, inside: Callable[[Any], Iterator[tuple[str, Kind, object]]]) -> Kind:
    _INSIDE[kind] = inside
    return kind


def _inside(kind: Kind, value: object) -> Iterator[tuple[str, Kind, object]]:
    return _INSIDE[kind](value) if kind in _INSIDE else iter(())


def fault(kind: Kind, value: object) -> str:
    """Where a value does not fit, in a few words: `.virtual_servers[3].name is 7`; "": it fits."""
    place = ""
    while not kind(value):
        for name, inner, one in _inside(kind, value):
            if not inner(one):
                place, kind, value = f"{place}{name}", inner, one
                break
        else:
            return f"{cut(place, 120) or 'it'} is {shown(value)}"
    return ""


def shown(value: object) -> str:
    """A value in a message, cut; in ASCII, for it may hold anything."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and abs(value) >= MOST:
        return "a number of too many digits"
    return cut(ascii(value), 60)


def cut(words: str, most: int) -> str:
    """So many signs at most, without what cannot be shown."""
    harmless = words.encode("ascii", "backslashreplace").decode()
    return harmless if len(harmless) <= most else f"{harmless[: most - 3]}..."


def parsed(body: str | bytes, kind: Kind) -> Any:
    """The value of a JSON text that fits; Misshapen."""
    try:
        value = json.loads(body)
    except RecursionError as error:
        raise Misshapen("it is nested too deeply") from error
    except ValueError as error:
        raise Misshapen(f"it is no JSON ({cut(str(error), 80)})") from error
    if not kind(value):
        raise Misshapen(fault(kind, value))
    return value
