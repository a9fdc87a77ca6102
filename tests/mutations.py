"""JSON with something else in one place: what somebody could write who may write what we read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]

MARK = "<script>evil()</script>"
GONE = object()  # the field is not there at all
# In place of any value; each by a word for the test's name.
VALUES: dict[str, Any] = {
    "gone": GONE,
    "null": None,
    "false": False,
    "true": True,
    "zero": 0,
    "minus": -1,
    "fraction": 1.5,
    "large": 10**15,
    "endless": 10**400,
    "infinite": float("inf"),
    "no number": float("nan"),
    "words": MARK,
    "no words": "",
    "half a pair": "\ud800",
    "controls": "\x00\x1b[31m\u202e",
    "long": "x" * 70_000,
    "list": [],
    "object": {},
    "nested": [[{"name": MARK}]],
}


def places(document: Any, so_far: Place = ()) -> Iterator[Place]:
    """Every place in a document, from the outside in; of a list the first one alone."""
    inside = document.items() if isinstance(document, dict) else enumerate(document[:1] if document else ())
    for name, value in inside:
        yield (*so_far, name)
        if isinstance(value, dict | list):
            yield from places(value, (*so_far, name))


def at(document: Any, place: Place) -> Any:
    """What stands there."""
    for name in place:
        document = document[name]
    return document


def with_other(document: Any, *changes: tuple[Place, Any]) -> Any:
    """The document with these values in those places."""
    made = json.loads(json.dumps(document))  # a copy in which no part is in two places
    for place, value in changes:
        inner = at(made, place[:-1])
        if value is GONE:
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
    return made
