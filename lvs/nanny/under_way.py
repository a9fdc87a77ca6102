"""Checks that are under way: begun for one purpose, each ended by a callback, dropped together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Self

from lvs.nanny.checks import Check
from lvs.nanny.health import Result
from lvs.nanny.probes import registry
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.swift import Swift, fault, talk_of
from lvs.nanny.probes.talk import Talk

log = logging.getLogger(__name__)

Probe = Callable[[Check, Record], Awaitable[Finding]]
Done = Callable[[Result, Finding], None]


class Slots:
    """How many more checks may be under way."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take one, if there is one and nobody waits for it."""
        if self._free < 1 or self._waiting:
            return False
        self._free -= 1
        return True

    async def wait_for_one(self) -> None:
        """Take the next that is free."""
        if self.take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had just got one
                self.give()
            raise

    def give(self) -> None:
        """Give one back: to who waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class UnderWay:
    """Use as an async context: leaving it drops what has not ended, whose `done` is never called then.

    probe: carries every check out; None: the probe of its kind does. slots: one is taken for each check by
    who calls `begin`, and given back here. A fault of a probe is a bad finding of its check; `done` may
    raise nothing.
    """

    def __init__(self, probe: Probe | None, slots: Slots, clock: Callable[[], float]) -> None:
        self._probe = probe or registry.probe
        self._swift = Swift() if probe is None else None
        self._slots = slots
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = 0
        self._none_left: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        if self._swift is not None:
            self._swift.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._swift is not None:
            self._swift.__exit__(kind, error, trace)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for _ in range(self._left):
            self._slots.give()

    def begin(self, check: Check, record: Record, done: Done, talk: Talk | None = None) -> None:
        """Begin a check; done(result, finding) at its end, and after this has returned.

        talk: the one of this check and this record, where it is kept from round to round.
        """
        self._left += 1
        record.begin()
        ended = partial(self._end, time.monotonic(), done)
        if self._swift is not None:
            talk = talk or talk_of(check, record)
            if talk is not None:
                self._swift.begin(talk, ended)
                return
        task = asyncio.get_running_loop().create_task(self._carry_out(check, record, ended))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def all_ended(self) -> None:
        """Return when nothing is under way."""
        if self._left:
            self._none_left = asyncio.get_running_loop().create_future()
            await self._none_left

    async def _carry_out(self, check: Check, record: Record, ended: Callable[[Finding], None]) -> None:
        try:
            finding = await self._probe(check, record)
        except Exception as error:
            log.exception("the check of %s ended in an unexpected error", check)
            finding = fault(error)
        ended(finding)

    def _end(self, begun: float, done: Done, finding: Finding) -> None:
        self._left -= 1
        if not self._left and self._none_left is not None and not self._none_left.done():
            self._none_left.set_result(None)
        self._slots.give()
        took = time.monotonic() - begun
        done(Result(finding.ok, finding.reason, took, self._clock(), finding.warning), finding)
