"""One look at the database: what a page asks for several times is read once, and the same throughout.

Only for what shows and changes nothing; outside of a glance everything is read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

_seen: ContextVar[dict[Hashable, Any] | None] = ContextVar("seen", default=None)
Read = TypeVar("Read")


@contextmanager
def glance() -> Iterator[None]:
    """Within it `once` remembers. For one request at most."""
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


def once(key: Hashable, read: Callable[[], Read]) -> Read:
    """What read gives; within a glance what it gave the first time."""
    seen = _seen.get()
    if seen is None:
        return read()
    if key not in seen:
        seen[key] = read()
    found: Read = seen[key]
    return found


def remember(key: Hashable, found: object) -> None:
    """Has `once` give that, within a glance: it was read along with something else."""
    seen = _seen.get()
    if seen is not None:
        seen.setdefault(key, found)
