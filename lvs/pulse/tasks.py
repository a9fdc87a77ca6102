"""Tasks that must not end: started again when a fault of ours ends one, and said.

Dying once is a fault that a restart mends. Dying again and again makes a router that should not serve: its
other half takes over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from functools import partial

from lvs.pulse.events import Events

log = logging.getLogger("pulse")

AGAIN_SECONDS = 1.0  # before a task that died is started again
DEATHS = 3  # that many
WITHIN = 60.0  # in this many seconds are again and again


class Tasks:
    """Makes coroutines that go on after a death of what they do."""

    def __init__(self, events: Events, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._clock = clock
        self._deaths: dict[str, deque[float]] = defaultdict(partial(deque, maxlen=DEATHS))

    async def kept(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do work, which goes on until it is cancelled; name: what it is, as in "the checks"."""
        while True:
            try:
                await work()
                fault = "it returned"
            except Exception as error:
                # Whatever it is, a router that goes on is worth more than one that stops here.
                log.exception("%s ended in an unexpected error", name)
                fault = f"{type(error).__name__}: {error}"
            self._deaths[name].append(self._clock())
            self._events.error(f"{name} ended unexpectedly and will be started again: {fault}")
            await asyncio.sleep(AGAIN_SECONDS)

    def dying(self) -> tuple[str, ...]:
        """What dies again and again, in sentences."""
        now = self._clock()
        return tuple(
            f"{name} ended unexpectedly {DEATHS} times within {WITHIN:g} s; see pulse's log"
            for name, deaths in self._deaths.items()
            if len(deaths) == DEATHS and now - deaths[0] < WITHIN
        )
