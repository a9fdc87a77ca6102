"""The rhythm of the checks: each distinct one every `timeout` seconds, thousands in one asyncio process.

A check has its own place in every stretch of that length, worked out from what it is (`spread`): so many
begun together come apart, and one that was late is not late the next time. What is not under way is no more
than an entry in a queue ordered by time. At most `limit` checks are under way, with one descriptor each, and
the same one never twice. What is due in the same few milliseconds is begun in one turn of the event loop, but
never so much that the loop is held up.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
import zlib
from collections.abc import Callable, Collection, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from lvs.nanny.checks import Check
from lvs.nanny.health import Result
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding, Record
from lvs.nanny.probes.swift import talk_of
from lvs.nanny.probes.talk import Talk
from lvs.nanny.under_way import Probe, Slots, UnderWay

Ended = Callable[[Check, Result, Finding], None]

LIMIT = 400
# Checks that begin together are spread over this many seconds at first, over their interval from then on.
_FIRST_SPREAD = 0.5
_REST = 0.1  # of the interval that passes at least before a check is repeated
_SHORTEST = 0.01  # seconds between two checks, whatever a configuration says
_TOGETHER = 0.01  # seconds in which what is due waits for each other, to be begun in one turn
_AT_ONCE = 100  # begun before the event loop gets its turn


async def unchecked(check: Check, record: Record) -> Finding:
    """What stands for every check where none may be made: nothing leaves this machine."""
    return Finding(True, "not checked: this pulse makes no checks and takes every real server as healthy")


def spread(check: Check) -> float:
    """Where in [0, 1) of any stretch of time this check has its place: always the same, evenly for many."""
    return zlib.crc32(repr(check).encode()) / 2**32


def following(interval: float, place: float, begun: float) -> float:
    """When to repeat a check that began then: at the next of its places, one every interval seconds."""
    turns = math.floor(begun / interval + _REST - place) + 1
    return (turns + place) * interval


@dataclass(slots=True, eq=False)
class _Entry:
    """A check that is, or was, wanted. due: when it is, or was, on the monotonic clock."""

    check: Check
    interval: float
    place: float
    talk: Talk | None
    due: float = 0.0
    wanted: bool = True
    under_way: bool = False

    def after(self, begun: float) -> float:
        return following(self.interval, self.place, begun)


class Rounds:
    """Makes the wanted checks over and over, and says how each ended.

    ended(check, result, finding) is called in the event loop for each check that is still wanted when it
    ends. probe: what carries a check out, in place of the probe of its kind. Use: `want` to say what is
    wanted (at any time, before `run` too), `run` as a task; `try_out` and `test` for results now, beside the
    rhythm.
    """

    def __init__(
        self,
        ended: Ended,
        probe: Probe | None = None,
        limit: int = LIMIT,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ended = ended
        self._probe = probe
        self._clock = clock
        self._slots = Slots(limit)
        self._entries: dict[Check, _Entry] = {}
        self._under_way: set[_Entry] = set()
        self._leaving: dict[Check, _Entry] = {}  # of those, what is no longer wanted
        # The queue keeps entries that are no longer wanted until their time has come.
        self._queue: list[tuple[float, int, _Entry]] = []
        self._order = itertools.count()
        self._pause: asyncio.Future[None] | None = None
        self._fault: Exception | None = None

    def want(self, checks: Set[Check], tried: Collection[Check] = ()) -> None:
        """From now on make exactly these: new ones soon, what was tried out just now at its next place."""
        for check in self._entries.keys() - checks:
            entry = self._entries.pop(check)
            entry.wanted = False
            if entry.under_way:
                self._leaving[check] = entry
        now = time.monotonic()
        for check in checks - self._entries.keys():
            # Never twice at a time, wanted again or not.
            entry = self._leaving.pop(check) if check in self._leaving else self._entry(check)
            entry.wanted = True
            self._entries[check] = entry
            soon = now + min(_FIRST_SPREAD, entry.interval) * entry.place
            self._enqueue(entry, entry.after(now) if check in tried else soon)

    async def run(self) -> None:
        """Make the checks until cancelled; may be begun again after a fault of ours ended it.

        Raises what `ended` raised: the check that it was about is due at once when this is begun again.
        """
        self._fault = None
        self._queue = [(entry.due, next(self._order), entry) for entry in self._entries.values()]
        heapq.heapify(self._queue)
        async with UnderWay(self._probe, self._slots, self._clock) as under_way:
            try:
                while self._fault is None:
                    await self._begin_what_is_due(under_way)
                    await self._until_next()
                raise self._fault
            finally:
                for entry in self._under_way:
                    entry.under_way = False
                self._under_way.clear()
                self._leaving.clear()

    async def try_out(self, checks: Collection[Check], within: float) -> dict[Check, Result]:
        """The results of checks, made all at once, as far as they end within that many seconds.

        Those that this router could not make are left out.
        """
        results: dict[Check, Result] = {}

        def keep(check: Check, result: Result, finding: Finding) -> None:
            if not finding.ours:
                results[check] = result

        with suppress(TimeoutError):
            async with (
                UnderWay(self._probe, self._slots, self._clock) as under_way,
                asyncio.timeout(within),
            ):
                for number, check in enumerate(checks, 1):
                    await self._slots.wait_for_one()
                    under_way.begin(check, NOTHING_KEPT, partial(keep, check))
                    if not number % _AT_ONCE:
                        await asyncio.sleep(0)
                await under_way.all_ended()
        return results

    async def test(self, check: Check, record: Record) -> Result:
        """Make check now, wanted or not, and keep in record what is said; counts for no verdict."""
        results: list[Result] = []
        async with UnderWay(self._probe, self._slots, self._clock) as under_way:
            await self._slots.wait_for_one()
            under_way.begin(check, record, lambda result, finding: results.append(result))
            await under_way.all_ended()
        return results[0]

    def _entry(self, check: Check) -> _Entry:
        talk = talk_of(check) if self._probe is None else None
        return _Entry(check, max(check.timeout, _SHORTEST), spread(check), talk)

    def _enqueue(self, entry: _Entry, due: float) -> None:
        entry.due = due
        if entry.under_way:  # its end queues it
            return
        heapq.heappush(self._queue, (due, next(self._order), entry))
        if self._queue[0][2] is entry:
            self._wake()

    def _wake(self) -> None:
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    async def _begin_what_is_due(self, under_way: UnderWay) -> None:
        """Begin each check whose time has come, the longest due first."""
        begun = 0
        now = time.monotonic()
        while self._queue and self._queue[0][0] <= now:
            due, _, entry = heapq.heappop(self._queue)
            if not entry.wanted or entry.under_way or entry.due != due:
                continue
            entry.under_way = True  # from here on, or it may be queued a second time while it waits
            self._under_way.add(entry)
            if not self._slots.take():
                await self._slots.wait_for_one()
            now = time.monotonic()
            under_way.begin(entry.check, NOTHING_KEPT, partial(self._end, entry, now), entry.talk)
            begun += 1
            if not begun % _AT_ONCE:
                await asyncio.sleep(0)

    async def _until_next(self) -> None:
        """Return when the first check of the queue is due, or the queue has another first one."""
        if self._fault is not None:
            return
        loop = asyncio.get_running_loop()
        self._pause = loop.create_future()
        timer = None
        if self._queue:
            wait = max(self._queue[0][0] - time.monotonic(), _TOGETHER)
            timer = loop.call_later(wait, self._wake)
        try:
            await self._pause
        finally:
            self._pause = None
            if timer is not None:
                timer.cancel()

    def _end(self, entry: _Entry, begun: float, result: Result, finding: Finding) -> None:
        """A check of `run` ended: say so, and queue it again, from start to start."""
        entry.under_way = False
        self._under_way.discard(entry)
        if not entry.wanted:
            self._leaving.pop(entry.check, None)
            return
        try:
            self._ended(entry.check, result, finding)
        except Exception as error:  # noqa: BLE001 - it ends `run`, which raises it
            self._fault = error
            self._wake()
            return
        self._enqueue(entry, entry.after(begun))
