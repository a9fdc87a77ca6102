"""What each real server weighs now, and which ones are on their way out.

Here comes together what a weight depends on besides lvs.cf: the verdicts, the administrator's hand, what
agents and load monitors say, and time. `lvs.nanny.shares` knows the rules; here is kept what they are applied
to, and what wakes pulse when they may give something else.

Two kinds of real server take nothing new and wait until their connections have ended: those that somebody
drains or maintains (`Hands`), and deleted ones (`Departing`). While there are any, the counters of their
services are looked at once a second. Only a real server that is at weight 0 in the kernel's table and has no
connection there is drained: before that, one could still begin.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lvs.config.model import LvsConfig
from lvs.errors import KernelError
from lvs.nanny.checks import Check
from lvs.nanny.hand import Hand, Order
from lvs.nanny.health import Verdict
from lvs.nanny.loads_of import Loads, adopted, asked
from lvs.nanny.programs import FOLDER, missing, named
from lvs.nanny.shares import Circumstances, Shares, shares
from lvs.nanny.under_way import Probe
from lvs.pulse.departing import Departing, connections, deleted, strangers
from lvs.pulse.events import Events
from lvs.pulse.hands import Hands, places
from lvs.pulse.kernel_work import KernelWork
from lvs.pulse.running import Running
from lvs.pulse.watching import Alarms, of_flapping, of_programs, of_protection, of_unmade
from lvs.router.ipvs import Table
from lvs.router.plan import Place
from lvs.router.sentences import Names

LOOK_SECONDS = 1.0  # between two looks at the counters of what drains
SOONEST = 0.02  # seconds until pulse is woken by time alone
TAKE_OUT = (Order.DRAIN, Order.MAINTENANCE)


class Weighing:
    """The circumstances of the weights. wake: called when the kernel may have to be brought to others.

    verdicts: what the checks have found by now; unmade: those that could not be made, and why. probe: what
    asks for loads, in place of the kind's own.
    """

    def __init__(
        self,
        *,
        state: Path,
        work: KernelWork,
        events: Events,
        wake: Callable[[], None],
        verdicts: Callable[[], Mapping[Place, Verdict]],
        unmade: Callable[[], Mapping[Check, str]] = dict,
        probe: Probe | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hands = Hands(state, work, events, wake, clock)
        self.departing = Departing(state, work, events, clock)
        self.loads = Loads(wake, events, probe=probe, clock=clock)
        self.shares = Shares()  # as worked out last
        self.alarms = Alarms(events)
        self._work = work
        self._events = events
        self._wake = wake
        self._verdicts = verdicts
        self._unmade = unmade
        self._clock = clock
        self._running: Running | None = None
        self._names = Names()
        self.ordered: Mapping[Place, Hand] = {}  # for which an order by hand is in force
        self._out: dict[Place, Hand] = {}  # those that somebody takes out, and by which order
        self._drained: dict[Place, Hand] = {}  # those without connections, and the order that it is of
        self._missing: tuple[str, ...] = ()  # why programs of lvs.cf cannot be run
        self._draining = asyncio.Event()  # there is something to look at
        self._timer: asyncio.TimerHandle | None = None

    @property
    def drained(self) -> frozenset[Place]:
        """Those under DRAIN or MAINTENANCE that have no connections left."""
        return frozenset(place for place, entry in self._drained.items() if self._out.get(place) == entry)

    async def load(self) -> None:
        """Take up the files."""
        await self.hands.load()
        await self.departing.load()

    def problems(self) -> Iterator[str]:
        """What an administrator should know of, in sentences."""
        yield from filter(None, (self.hands.problem, self.departing.problem))
        yield from self.loads.problems
        yield from self.alarms.problems

    def by_hand(self, config: LvsConfig) -> frozenset[Place]:
        """The active real servers for which an order is in force."""
        return frozenset(places(config, self.hands.in_force(self._clock())).values())

    # ---- a configuration comes into force

    async def put_in_force(
        self, before: LvsConfig | None, new: Running, names: Names, *, drains: bool = True
    ) -> None:
        """Work with new from now on. Call before the kernel is brought to it, with `Keeper.changing` held.

        before: None at a start, when what lvs.cf does not have is found in the kernel's table. drains: what
        is deleted keeps its connections; else it goes at once. Raises KernelError.
        """
        self._running, self._names = new, names
        self.loads.watch(asked(new.config))
        await self.look_for_programs()
        await self.departing.keep_only(new.config)
        found = await self._find(new.config) if before is None else Table()
        if drains:
            await self._part(before, new.config, found)
        self._take_out(new.config)
        waiting = self._waiting()
        if waiting:
            self._see(await self._work.counters({service for service, _ in waiting}))

    async def look_for_programs(self) -> None:
        """Find out which programs of lvs.cf cannot be run: somebody may have put them there, or away."""
        self._missing = ()
        wanted = named(self._running.config) if self._running else frozenset()
        if wanted:
            self._missing = await asyncio.to_thread(missing, wanted, FOLDER.get())

    async def _find(self, new: LvsConfig) -> Table:
        """The table beside which this pulse begins, with what it shows of the loads taken up."""
        table = await self._work.counted_table()
        self.loads.adopt(adopted(new, table.destinations, self.by_hand(new), self._clock()))
        return table

    async def _part(self, before: LvsConfig | None, new: LvsConfig, table: Table) -> None:
        """table: the one that a pulse begins beside, for one that has just begun."""
        if before is None:
            leaving = strangers(table, new) - self.departing.leavers.keys()
        else:
            leaving = deleted(before, new)
            table = await self._work.counters({service for service, _ in leaving}) if leaving else Table()
        if leaving:
            await self.departing.begin(new, leaving, table, self._names)

    async def let_go(self) -> bool:
        """Let those deleted real servers go that have no connections; whether there are any.

        Raises KernelError. Call when the kernel has them at weight 0.
        """
        seen = self.departing.destinations
        if not seen:
            return False
        return await self.departing.look(
            await self._work.counters({service for service, _ in seen}), self._names, seen
        )

    async def forget(self) -> None:
        """No configuration is in force any more."""
        self._running, self.shares = None, Shares()
        self.ordered, self._out, self._missing = {}, {}, ()
        self.loads.watch({})
        self.alarms.note({})
        await self.departing.forget()

    # ---- the weights of this moment

    def weigh(self, config: LvsConfig) -> Shares:
        """The exceptions of this moment; pulse is woken when time alone may change them."""
        now = self._clock()
        self.hands.tick(config)
        self._take_out(config)
        given = self._circumstances(self._verdicts(), now)
        self.shares = shares(config, given)
        self._wake_at(self.shares.until, now)
        self.alarms.note(
            of_protection(self.shares.protected, self._names)
            | of_flapping(given.verdicts, self._names, now)
            | of_programs(self._missing)
            | of_unmade(self._unmade())
        )
        if self._waiting() or self.departing:
            self._draining.set()
        return self.shares

    def predict(self, config: LvsConfig, verdicts: Mapping[Place, Verdict]) -> Shares:
        """The exceptions that config would get with these verdicts; changes nothing."""
        return shares(config, self._circumstances(verdicts, self._clock()))

    def _circumstances(self, verdicts: Mapping[Place, Verdict], now: float) -> Circumstances:
        return Circumstances(
            verdicts=verdicts,
            hands=self.hands.in_force(now),
            drained=self.drained,
            loads=self.loads.loads,
            steady=self.shares.steady,
            now=now,
        )

    def _wake_at(self, until: float | None, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if until is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(until - now, SOONEST), self._wake)

    # ---- what takes nothing new

    async def run(self) -> None:
        """Look at what drains, once a second while there is anything, until cancelled."""
        while True:
            await self._draining.wait()
            await asyncio.sleep(LOOK_SECONDS)
            if await self.look():
                self._wake()

    async def look(self) -> bool:
        """Whether somebody has no connections left, or no time for them."""
        running, waiting, leaving = self._running, self._waiting(), self.departing.destinations
        if running is None or not (waiting or leaving):
            self._draining.clear()
            return False
        try:
            table = await self._work.counters({service for service, _ in [*waiting, *leaving]}, aside=True)
        except KernelError:
            return False  # `keep` says it, and tries again
        changed = self._see(table, waiting)
        return await self.departing.look(table, self._names, leaving) or changed

    def _take_out(self, config: LvsConfig) -> None:
        entries = self.hands.in_force(self._clock())
        found = places(config, entries) if entries else {}
        self.ordered = {place: entries[names] for names, place in found.items()}
        self._out = {place: entry for place, entry in self.ordered.items() if entry.order in TAKE_OUT}
        self._drained = {
            place: entry for place, entry in self._drained.items() if self._out.get(place) == entry
        }

    def _waiting(self) -> dict[Place, Hand]:
        """Those that somebody takes out, and that are not known to be drained."""
        if not self._out:
            return {}
        drained = self.drained
        return {place: entry for place, entry in self._out.items() if place not in drained}

    def _see(self, table: Table, waiting: Mapping[Place, Hand] | None = None) -> bool:
        """Whether the counters in table make somebody drained; waiting: those it was asked for, None: all."""
        now, before = self._clock(), len(self._drained)
        for place, entry in (self._waiting() if waiting is None else waiting).items():
            service, key = place
            present = table.destination(service, key)
            count = connections(table.counted(service, key))
            too_late = entry.order is Order.DRAIN and entry.until is not None and now >= entry.until
            if present is None or (present.weight == 0 and not count) or too_late:
                self._drained[place] = entry
                if present is not None:
                    self._say_drained(place, entry, count)
        return len(self._drained) > before

    def _say_drained(self, place: Place, entry: Hand, count: int) -> None:
        called = "/".join(entry.names)
        if count:
            self._events.warning(f"{called} goes out with {count} connections: its time to drain is over")
        else:
            self._events.info(f"{called} is drained: it goes out, as it has no connections left")
