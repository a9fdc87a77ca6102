"""What happened lately: kept for the status, and said to the log."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

log = logging.getLogger("pulse")

KEPT = 100

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Event:
    """at: seconds since the epoch. level: info, warning or error."""

    at: float
    level: str
    text: str


class Events:
    """The last KEPT events, oldest first."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=KEPT)

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._kept))

    def info(self, text: str) -> None:
        self._record("info", text)

    def warning(self, text: str) -> None:
        self._record("warning", text)

    def error(self, text: str) -> None:
        self._record("error", text)

    def _record(self, level: str, text: str) -> None:
        log.log(_LEVELS[level], "%s", text)
        self._kept.append(Event(self._clock(), level, text))
