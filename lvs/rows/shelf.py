"""What this process has worked out from the database and keeps as it is, without copying it.

Django's cache pickles what it keeps: of a candidate with 50,000 real servers each look would cost more than
the page. So values stay here, and the cache has only the word under which they count: emptying it empties the
shelf. Whatever is kept must be frozen, and its name must change when what it was made of does.
"""

from __future__ import annotations

import gc
import uuid
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from django.core.cache import cache

ROOM = 24  # values; each cluster that somebody looks at has about three
_EPOCH = "shelf-epoch"
Made = TypeVar("Made")


class Patient:
    """While something is made that stays, nobody looks for garbage.

    Of hundreds of thousands of new objects the collector takes each tenth for a reason to look through all of
    them: two of five seconds, for 50,000 real servers, and it finds nothing.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._collects = True

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._collects = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._collects:
                gc.enable()


PATIENT = Patient()


class Shelf:
    """The values used last, by name. Threads that want the same one at once have it made once."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._making: dict[tuple[str, str], Lock] = {}
        self._lock = Lock()

    def get(self, name: str, make: Callable[[], Made]) -> Made:
        """The value of that name; made now if it is not there; what make raises is raised."""
        key = (epoch(), name)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                made: Made = self._kept[key]
                return made
            turn = self._making.setdefault(key, Lock())
        with turn:
            with self._lock:
                if key in self._kept:
                    made = self._kept[key]
                    return made
            try:
                with PATIENT:
                    made = make()
                self._put(key, made)
                return made
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def put(self, name: str, made: object) -> None:
        """Keeps what somebody has worked out anyway."""
        self._put((epoch(), name), made)

    def _put(self, key: tuple[str, str], made: object) -> None:
        with self._lock:
            self._kept[key] = made
            self._kept.move_to_end(key)
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)


def epoch() -> str:
    """The word under which values count; another one once the cache was emptied."""
    found: str | None = cache.get(_EPOCH)
    if found is None:
        cache.add(_EPOCH, uuid.uuid4().hex, timeout=None)
        found = str(cache.get(_EPOCH))
    return found


SHELF = Shelf()
