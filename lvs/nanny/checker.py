"""All checks of a router, in one asyncio process.

One task for each *distinct* check, however many virtual servers want it; a descriptor is open only while a
check is under way, and at most `limit` are. The checker holds the verdicts; what they lead to is its owner's
business, who is told of each transition.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.health import Patience, Result, Verdict
from lvs.nanny.probes import connect, exchange
from lvs.nanny.probes.finding import Finding
from lvs.router.state import DestinationKey, ServiceKey

log = logging.getLogger(__name__)

Target = tuple[ServiceKey, DestinationKey]
Probe = Callable[[Check], Awaitable[Finding]]
Told = Callable[[Target, Verdict, Verdict], None]

# Checks that start together are spread over this many seconds at first, over their interval from then on.
_FIRST_SPREAD = 1.0


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


def spread(check: Check) -> float:
    """Where in [0, 1) of any stretch of time this check has its place: always the same, evenly for many."""
    return zlib.crc32(repr(check).encode()) / 2**32


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
        self._slots = asyncio.Semaphore(limit)
        self._watched: dict[Target, Watched] = {}
        self._targets: dict[Check, tuple[Target, ...]] = {}
        self._verdicts: dict[Target, Verdict] = {}
        self._tasks: dict[Check, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def verdicts(self) -> Mapping[Target, Verdict]:
        return self._verdicts

    @property
    def checks(self) -> int:
        """How many distinct checks are carried out."""
        return len(self._targets)

    def unjudged(self, wanted: Mapping[Target, Watched]) -> frozenset[Check]:
        """The checks of wanted that would be new or different for some real server."""
        return frozenset(
            watched.check
            for target, watched in wanted.items()
            if target not in self._watched or self._watched[target].check != watched.check
        )

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
        fresh = {
            target
            for target, watched in wanted.items()
            if target not in self._watched or self._watched[target].check != watched.check
        }
        verdicts = {
            target: self._verdicts.get(target) or (seeds or {}).get(target, Verdict()) for target in wanted
        }
        self._watched, self._verdicts = dict(wanted), verdicts
        gathered: dict[Check, list[Target]] = {}
        for target, watched in wanted.items():
            gathered.setdefault(watched.check, []).append(target)
        self._targets = {check: tuple(targets) for check, targets in gathered.items()}
        for target in fresh:
            result = (results or {}).get(wanted[target].check)
            if result is not None:
                self._judge(target, result)
        self._align_tasks(frozenset(results or ()))

    async def run(self) -> None:
        """Carry out the checks until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._align_tasks(frozenset())
                await asyncio.Event().wait()
        finally:
            self._group = None
            self._tasks.clear()

    async def try_out(self, checks: Iterable[Check], within: float) -> dict[Check, Result]:
        """The results of checks, made all at once, as far as they end within that many seconds."""
        tasks = {asyncio.create_task(self._result(check)): check for check in checks}
        if not tasks:
            return {}
        try:
            done, _ = await asyncio.wait(tasks, timeout=within)
        finally:
            for task in tasks:
                task.cancel()
        return {tasks[task]: task.result() for task in done if not task.cancelled()}

    def _align_tasks(self, tried: frozenset[Check]) -> None:
        if self._group is None:
            return
        for check in self._tasks.keys() - self._targets.keys():
            self._tasks.pop(check).cancel()
        for check in self._targets.keys() - self._tasks.keys():
            self._tasks[check] = self._group.create_task(self._repeat(check, check in tried))

    async def _repeat(self, check: Check, tried: bool) -> None:
        """Check every `timeout` seconds, counted from start to start."""
        loop = asyncio.get_running_loop()
        interval = max(check.timeout, 0.01)
        place = spread(check)
        if tried:
            await asyncio.sleep(interval * place)
            place = 1.0
        else:
            await asyncio.sleep(min(_FIRST_SPREAD, interval) * place * 0.5)
        while True:
            due = loop.time() + interval * max(place, 0.1)
            place = 1.0
            result = await self._result(check)
            for target in self._targets.get(check, ()):
                self._judge(target, result)
            await asyncio.sleep(due - loop.time())

    async def _result(self, check: Check) -> Result:
        async with self._slots:
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
            self._told(target, before, after)
