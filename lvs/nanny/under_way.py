"""Checks that are under way: begun for one purpose, each ended by a callback, dropped together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from lvs.nanny.checks import Check
from lvs.nanny.health import Result
from lvs.nanny.probes.finding import Finding, Record

log = logging.getLogger(__name__)

Probe = Callable[[Check, Record], Awaitable[Finding]]
Done = Callable[[Result, Finding], None]


class UnderWay:
    """Use as an async context: leaving it drops what has not ended, whose `done` is never called then.

    slots: one is taken for each check before `begin`, by its caller, and released here at its end. A fault
    of a probe is a bad finding of its check, and the log has the trace; `done` may raise nothing.
    """

    def __init__(self, probe: Probe, slots: asyncio.Semaphore, clock: Callable[[], float]) -> None:
        self._probe = probe
        self._slots = slots
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = 0
        self._none_left = asyncio.Event()
        self._none_left.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for _ in range(self._left):
            self._slots.release()

    def begin(self, check: Check, record: Record, done: Done) -> None:
        """Begin a check; done(result, finding) when it ends, never before this returns."""
        self._left += 1
        self._none_left.clear()
        task = asyncio.get_running_loop().create_task(self._carry_out(check, record, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def all_ended(self) -> None:
        """Return when nothing is under way."""
        await self._none_left.wait()

    async def _carry_out(self, check: Check, record: Record, done: Done) -> None:
        begun = time.monotonic()
        try:
            found = await self._probe(check, record)
        except Exception as error:
            # A fault of ours in one check must not end the others; it is logged with its trace.
            log.exception("the check of %s ended in an unexpected error", check)
            found = Finding(False, f"check failed unexpectedly: {type(error).__name__}: {error}")
        self._end(begun, found, done)

    def _end(self, begun: float, found: Finding, done: Done) -> None:
        self._left -= 1
        if not self._left:
            self._none_left.set()
        self._slots.release()
        done(Result(found.ok, found.reason, time.monotonic() - begun, self._clock(), found.warning), found)
