"""All checks of a router, in one asyncio process.

Each *distinct* check is made once, however many virtual servers want it. What is not under way is no more
than an entry in a queue ordered by time, so that thousands cost little; at most `limit` are under way, each
with one descriptor. The checker holds the verdicts; what they lead to is its owner's business, who is told of
each transition.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import time
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.health import Patience, Result, Verdict
from lvs.nanny.probes import connect, exchange
from lvs.nanny.probes.finding import Finding
from lvs.router.state import DestinationKey, Health, ServiceKey

log = logging.getLogger(__name__)

Target = tuple[ServiceKey, DestinationKey]
Probe = Callable[[Check], Awaitable[Finding]]
Told = Callable[[Target, Verdict, Verdict], None]

# Checks that begin together are spread over this many seconds at first, over their interval from then on.
_FIRST_SPREAD = 0.5
_REST = 0.1  # of the interval that passes at least before a check is repeated
_SHORTEST = 0.01  # seconds between two checks, whatever a configuration says


@dataclass(frozen=True, slots=True)
class Watched:
    """How one real server of one virtual server is watched."""

    check: Check
    patience: Patience


async def probe(check: Check) -> Finding:
    """Carry check out with the probe of its kind."""
    if check.send or check.expect or check.protocol is Protocol.UDP:
        return await exchange.probe(check)
    return await connect.probe(check)


async def unchecked(check: Check) -> Finding:
    """What stands for every check where none may be made: nothing leaves this machine."""
    return Finding(True, "not checked: this pulse makes no checks and takes every real server as healthy")


def spread(check: Check) -> float:
    """Where in [0, 1) of any stretch of time this check has its place: always the same, evenly for many."""
    return zlib.crc32(repr(check).encode()) / 2**32


def following(check: Check, begun: float) -> float:
    """When to repeat a check that began then: at the next of its places, one every `timeout` seconds."""
    interval = max(check.timeout, _SHORTEST)
    place = spread(check)
    turns = math.floor(begun / interval + _REST - place) + 1
    return (turns + place) * interval


class Checker:
    """Keeps a verdict for each watched real server.

    told(target, before, after) is called in the event loop whenever a result changed the health. Use:
    `watch` to say what is wanted (at any time, before `run` too), `run` as a task, `try_out` for results now.
    """

    def __init__(
        self,
        told: Told,
        *,
        probe: Probe = probe,
        clock: Callable[[], float] = time.time,
        limit: int = 400,
    ) -> None:
        self._told = told
        self._probe = probe
        self._clock = clock
        self._limit = limit
        self._slots = asyncio.Semaphore(limit)
        self._watched: dict[Target, Watched] = {}
        self._targets: dict[Check, tuple[Target, ...]] = {}
        self._verdicts: dict[Target, Verdict] = {}
        self._health: dict[Target, Health] = {}  # that of each verdict
        # The queue keeps entries of checks that are no longer wanted until their time has come; what counts
        # is _due: when, on the monotonic clock, each wanted check is or was due.
        self._queue: list[tuple[float, int, Check]] = []
        self._due: dict[Check, float] = {}
        self._order = itertools.count()
        self._earlier = asyncio.Event()

    @property
    def verdicts(self) -> Mapping[Target, Verdict]:
        return self._verdicts

    @property
    def health(self) -> dict[Target, Health]:
        """What was found of each real server, as of now."""
        return dict(self._health)

    @property
    def checks(self) -> int:
        """How many distinct checks are carried out."""
        return len(self._targets)

    def unjudged(self, wanted: Mapping[Target, Watched]) -> frozenset[Check]:
        """The checks of wanted that would be new or different for some real server."""
        return frozenset(wanted[target].check for target in self._fresh(wanted))

    def watch(
        self,
        wanted: Mapping[Target, Watched],
        *,
        results: Mapping[Check, Result] | None = None,
        seeds: Mapping[Target, Verdict] | None = None,
    ) -> None:
        """From now on watch exactly wanted; what stays as it was keeps its verdict, its count and its rhythm.

        results: of checks that were tried out already, judged for real servers that are new or checked
        differently now. seeds: verdicts to start from, of which nothing is told.
        """
        results, seeds = results or {}, seeds or {}
        fresh = self._fresh(wanted)
        if not fresh and len(wanted) == len(self._watched):  # at most the patience changed
            self._watched = dict(wanted)
            return
        self._verdicts = {
            target: self._verdicts.get(target) or seeds.get(target) or Verdict() for target in wanted
        }
        self._health = {target: verdict.health for target, verdict in self._verdicts.items()}
        self._watched = dict(wanted)
        gathered: dict[Check, list[Target]] = {}
        for target, watched in wanted.items():
            gathered.setdefault(watched.check, []).append(target)
        self._targets = {check: tuple(targets) for check, targets in gathered.items()}
        for target in fresh:
            result = results.get(wanted[target].check)
            if result is not None:
                self._judge(target, result)
        self._align_queue(results)

    async def run(self) -> None:
        """Carry out the checks until cancelled; may be begun again after a fault of ours ended it."""
        self._slots = asyncio.Semaphore(self._limit)
        self._queue = [(due, next(self._order), check) for check, due in self._due.items()]
        heapq.heapify(self._queue)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._until_next()
                due, _, check = heapq.heappop(self._queue)
                if self._due.get(check) == due:
                    await self._slots.acquire()
                    group.create_task(self._check(check, due))

    async def try_out(self, checks: Collection[Check], within: float) -> dict[Check, Result]:
        """The results of checks, made all at once, as far as they end within that many seconds."""
        results: dict[Check, Result] = {}
        left = iter(checks)

        async def work() -> None:
            for check in left:
                async with self._slots:
                    results[check] = await self._result(check)

        workers = [asyncio.create_task(work()) for _ in range(min(self._limit, len(checks)))]
        if workers:
            try:
                await asyncio.wait(workers, timeout=within)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.wait(workers)
        return results

    def _fresh(self, wanted: Mapping[Target, Watched]) -> list[Target]:
        known = self._watched
        if wanted == known:  # mostly; and it takes no look at each
            return []
        return [
            target
            for target, watched in wanted.items()
            if target not in known or known[target].check != watched.check
        ]

    def _align_queue(self, tried: Mapping[Check, Result]) -> None:
        """Have exactly the wanted checks due: those that were tried in their place, the others soon."""
        now = time.monotonic()
        self._due = {check: due for check, due in self._due.items() if check in self._targets}
        for check in self._targets.keys() - self._due.keys():
            soon = now + min(_FIRST_SPREAD, check.timeout) * spread(check)
            self._enqueue(check, following(check, now) if check in tried else soon)

    def _enqueue(self, check: Check, due: float) -> None:
        self._due[check] = due
        heapq.heappush(self._queue, (due, next(self._order), check))
        if self._queue[0][2] is check:
            self._earlier.set()

    async def _until_next(self) -> None:
        """Return when the first check of the queue is due."""
        while not self._queue or self._queue[0][0] > time.monotonic():
            self._earlier.clear()
            wait = self._queue[0][0] - time.monotonic() if self._queue else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._earlier.wait()

    async def _check(self, check: Check, due: float) -> None:
        """Carry out a check in the slot acquired for it, and queue it again, from start to start."""
        begun = time.monotonic()
        try:
            result = await self._result(check)
        finally:
            self._slots.release()
        for target in self._targets.get(check, ()):
            self._judge(target, result)
        if self._due.get(check) == due:
            self._enqueue(check, following(check, begun))

    async def _result(self, check: Check) -> Result:
        begun = time.monotonic()
        try:
            found = await self._probe(check)
        except Exception as error:
            # A fault of ours in one check must not end the others; it is logged with its trace.
            log.exception("the check of %s ended in an unexpected error", check)
            found = Finding(False, f"check failed unexpectedly: {type(error).__name__}: {error}")
        return Result(found.ok, found.reason, time.monotonic() - begun, self._clock())

    def _judge(self, target: Target, result: Result) -> None:
        before = self._verdicts[target]
        after = before.judge(result, self._watched[target].patience)
        self._verdicts[target] = after
        if after.health is not before.health:
            self._health[target] = after.health
            self._told(target, before, after)
