"""Tasks that must not end: started again when a fault of ours ends one, and said.

Dying once is a fault that a restart mends. Dying again and again makes a router that should not serve: its
other half takes over. Where there is none, or none that can, this one balances on with what it has, and says
so. For the checks lvs.cf decides: with hard_shutdown = 0 their death is only reported, as Piranha's lvsd
did, and the real servers stay as they were found last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from functools import partial

from lvs.config.model import LvsConfig
from lvs.pulse.events import Events

log = logging.getLogger("pulse")

AGAIN_SECONDS = 1.0  # before a task that died is started again
DEATHS = 3  # that many
WITHIN = 60.0  # in this many seconds are again and again

CHECKS = "the checks"


def is_fatal(name: str, config: LvsConfig | None) -> bool:
    """Whether a router on which this dies again and again should not serve."""
    return name != CHECKS or config is None or config.global_settings.hard_shutdown


class Tasks:
    """Makes coroutines that go on after a death of what they do. is_fatal: as above, for what is in force."""

    def __init__(
        self,
        events: Events,
        clock: Callable[[], float] = time.monotonic,
        *,
        is_fatal: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._events = events
        self._clock = clock
        self._is_fatal = is_fatal
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
        return tuple(self._sentence(name) for name in self._names())

    def unfit(self) -> tuple[str, ...]:
        """Of that, what makes this router one that should not serve."""
        return tuple(self._sentence(name) for name in self._names() if self._is_fatal(name))

    def _names(self) -> list[str]:
        now = self._clock()
        return [
            name
            for name, deaths in self._deaths.items()
            if len(deaths) == DEATHS and now - deaths[0] < WITHIN
        ]

    def _sentence(self, name: str) -> str:
        what = f"{name} ended unexpectedly {DEATHS} times within {WITHIN:g} s; see pulse's log"
        if self._is_fatal(name):
            return what
        return f"{what}. This router serves on as it is (hard_shutdown = 0): manual action needed"
