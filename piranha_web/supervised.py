"""A worker's signs of life for systemd (sd_notify(3)): READY when Celery takes tasks, STOPPING when it ends,
and the watchdog as long as its repeaters come round.

A repeater that waits for something without an end (a database, a socket) looks alive from outside: its
process is there. Without signs of life systemd starts it again; what was under way is sent again then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from celery import signals

from lvs.pulse.supervisor import notify, watchdog_interval

log = logging.getLogger("piranha.worker")

HUNG = 120.0  # seconds that one call of a repeater's work may take
UNWATCHED = 10.0  # seconds between two STATUS lines where there is no watchdog


class Round(Protocol):
    """A repeater, as far as it is looked at. began: its call under way on the monotonic clock, None: none."""

    name: str
    complaint: str
    began: float | None


class Supervised(threading.Thread):
    """The signs of life of one worker, until stopped."""

    def __init__(
        self,
        environment: Mapping[str, str],
        repeaters: Sequence[Round],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="life", daemon=True)
        self._environment = environment
        self._repeaters = repeaters
        self._clock = clock
        self._watchdog = watchdog_interval(environment)
        self._ended = threading.Event()
        self._said: tuple[str, ...] = ()

    def run(self) -> None:
        while not self._ended.wait(self._watchdog or UNWATCHED):
            self.beat()

    def stop(self) -> None:
        """Ends the thread."""
        self._ended.set()

    def beat(self) -> None:
        """One sign of life, unless something hangs."""
        now = self._clock()
        hung = tuple(one.name for one in self._repeaters if one.began is not None and now - one.began > HUNG)
        if hung and hung != self._said:
            log.error("%s has not ended for more than %d s: no signs of life", ", ".join(hung), int(HUNG))
        self._said = hung
        said = [f"STATUS={self.line(hung)}"]
        if not hung and self._watchdog is not None:
            said.append("WATCHDOG=1")
        notify(self._environment, "\n".join(said))

    def line(self, hung: Sequence[str] = ()) -> str:
        """What `systemctl status` shows."""
        if hung:
            return f"hangs: {', '.join(hung)}"
        wrong = [f"{one.name}: {one.complaint}" for one in self._repeaters if one.complaint]
        return " ".join("; ".join(wrong).split()) or "works"

    def follow(self) -> None:
        """Says READY and STOPPING with Celery's own signals."""
        signals.worker_ready.connect(self.ready, weak=False)
        signals.worker_shutting_down.connect(self.stopping, weak=False)

    def ready(self, **_of_celery: Any) -> None:
        """The worker takes tasks."""
        notify(self._environment, f"READY=1\nSTATUS={self.line()}")

    def stopping(self, **_of_celery: Any) -> None:
        """It ends."""
        notify(self._environment, "STOPPING=1\nSTATUS=stopping")
