"""Everything that pulse does to the kernel and the disk, in one worker thread.

The thread keeps the event loop, and with it the checks, going; that it is one keeps the work in order.
Looking at the table with its counters has a thread of its own: for ten thousand real servers that takes
longer than a takeover, which must not wait for somebody who only wants to see.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lvs.config.model import LvsConfig
from lvs.errors import KernelError
from lvs.nanny.checker import Target
from lvs.router import passing, plan
from lvs.router.apply import Kernel, Ledger, NotToBeRaised, Report, made, reconcile
from lvs.router.diff import differences
from lvs.router.ipvs import Table
from lvs.router.netfilter.counts import Counts
from lvs.router.saved_rules import SavedRules
from lvs.router.sentences import Names
from lvs.router.settled import SettledKernel
from lvs.router.state import (
    Change,
    Counters,
    Destination,
    Guard,
    Health,
    InterfaceAddress,
    KernelState,
    Netfilter,
    Owned,
    Part,
    Role,
    ServiceKey,
    SyncDaemon,
    SyncState,
)

log = logging.getLogger("pulse")

PARTING_SECONDS = 1.0  # to look for half-open connections: after another the client begins anew
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconciliation came to.

    drifted: nothing else was wanted than what was in place before. held_back: no floating address was raised,
    since that was not allowed any more.
    """

    wanted: KernelState
    report: Report
    drifted: bool
    held_back: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the status tells of the kernel: the table with its counters, what is pulse's, the sync daemon."""

    table: Table = field(default_factory=Table)
    owned: Owned = field(default_factory=Owned)
    sync: frozenset[SyncDaemon] = frozenset()


@dataclass(frozen=True, slots=True)
class Aim:
    """What a reconciliation is to reach.

    role: None while it is not known: the floating addresses stay as they are found, up or down, and all else
    is as on the active router. lingering: this router stood down a moment ago, and what it has still to tell
    the other of its connections goes out. weights: the exceptions (`lvs.nanny.shares`). departing: deleted
    real servers that keep their connections. guard: of the panel's port.
    """

    config: LvsConfig
    role: Role | None
    health: Mapping[Target, Health]
    lingering: bool = False
    weights: Mapping[Target, int | None] = field(default_factory=dict)
    departing: Mapping[Target, Destination] = field(default_factory=dict)
    guard: Guard | None = None

    @property
    def state(self) -> KernelState:
        """The state of the kernel with all floating addresses of the role."""
        role = self.role or Role.ACTIVE
        return plan.wanted(
            self.config,
            role,
            self.health,
            lingering=self.lingering,
            weights=self.weights,
            departing=self.departing,
            guard=self.guard,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reconciliation would find, reach and change."""

    actual: KernelState
    wanted: KernelState
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How much a reconciliation looks at, and what stops it; see `KernelWork.reconcile`."""

    whole: bool = True
    role: bool = False
    may_raise: Callable[[], bool] = lambda: True


class KernelWork:
    """The kernel and the ledger, to be called from the event loop; the calls raise what the kernel raises."""

    def __init__(self, kernel: Kernel, ledger: Ledger, saved: SavedRules | None = None) -> None:
        self._kernel = kernel
        self._ledger = ledger
        self.saved = saved  # the rules on the disk; None: they are not kept
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel")
        self._looker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel-table")
        self._settled: KernelState | None = None  # what was wanted and reached last; used in the thread only
        self._begun: float | None = None  # when, on the monotonic clock, the work under way began

    @property
    def busy(self) -> float:
        """The seconds that the work under way has taken; 0 when there is none."""
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    def problems(self) -> list[str]:
        """What could not be done beside the kernel, in sentences."""
        return [self.saved.problem] if self.saved and self.saved.problem else []

    async def run(self, work: Callable[[], Found]) -> Found:
        """The result of work, carried out in the thread when everything asked for before is done."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._timed, work)

    def _timed(self, work: Callable[[], Found]) -> Found:
        self._begun = time.monotonic()
        try:
            return work()
        finally:
            self._begun = None

    def close(self) -> None:
        """Wait for the work under way, and end the threads."""
        self._worker.shutdown()
        self._looker.shutdown()

    async def reconcile(
        self,
        aim: Aim,
        names: Names,
        *,
        whole: bool,
        role: bool = False,
        may_raise: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Bring the kernel to what is wanted; whole: look at all of it, not only at what is to change.

        role: look at what a role changes, though it were the same as before: the heart may have changed it.
        may_raise is asked, in the thread, right before an address is raised. Where it says no, the floating
        addresses stay as they are then, as with a role that is not known.
        """
        how = How(whole=whole, role=role, may_raise=may_raise)
        return await self.run(lambda: self._follow(aim, names, how))

    async def clear(self, names: Names, guard: Guard | None) -> Outcome:
        """Take out all that the ledger has, but for the guard."""
        left = KernelState(netfilter=passing.netfilter((), guard))
        return await self.run(lambda: self._reconcile(left, names, How()))

    async def hold(self, guard: Guard | None) -> Report:
        """Have the panel's port guarded so, and leave all else; it needs neither a configuration nor IPVS."""

        def follow() -> Report:
            found = self._kernel.read_netfilter()
            wanted = passing.guarded(found, guard)
            changes = differences(KernelState(netfilter=found), KernelState(netfilter=wanted), Owned())
            refused = self._kernel.carry_out(changes)
            settled = self._settled
            if changes and settled is not None:
                # Known as before, unless the table was not as it had been left: then all is looked at again.
                known = not refused and settled.netfilter == found
                self._settled = replace(settled, netfilter=wanted) if known else None
            if self.saved and not refused:
                self.saved.keep(wanted)
            return Report(made(changes, refused), refused)

        return await self.run(follow)

    async def guard(self) -> Guard | None:
        """The guard that the kernel has."""

        def look() -> Guard | None:
            found = self._kernel.read_netfilter()
            return None if found is None else found.guard

        return await self.run(look)

    async def rules(self) -> tuple[Netfilter, Counts] | None:
        """What the table of netfilter does and has counted; no takeover has to wait for that."""
        return await asyncio.get_running_loop().run_in_executor(self._looker, self._kernel.read_counted)

    async def plan(self, aim: Aim, names: Names) -> Plan:
        """The changes that a reconciliation would make now."""

        def compare() -> Plan:
            wanted = self._wanted(aim)
            actual = self._kernel.read(wanted)
            return Plan(actual, wanted, differences(actual, wanted, self._ledger.load(), names))

        return await self.run(compare)

    async def holds(self, config: LvsConfig) -> bool:
        """Whether at least half of the floating addresses are up, put there by pulse."""

        def look() -> bool:
            floating = plan.floating_addresses(config)
            own = floating & self._ledger.load().addresses
            return bool(own) and 2 * len(own & self._present()) >= len(floating)

        return await self.run(look)

    async def adopted_health(
        self, config: LvsConfig, by_hand: Collection[Target] = ()
    ) -> dict[Target, Health]:
        """The health that the table shows of config's real servers, but for those by_hand."""
        return await self.run(
            lambda: plan.adopted_health(config, self._kernel.read(KernelState()), by_hand=by_hand)
        )

    async def table(self) -> Seen:
        """The table with its counters, and what is pulse's in it, not before what was asked for is done."""
        owned = await self.owned()

        def look() -> Seen:
            return Seen(self._kernel.table(), owned, self._kernel.read_sync())

        return await asyncio.get_running_loop().run_in_executor(self._looker, look)

    async def part_of_table(self, services: Collection[ServiceKey]) -> Seen:
        """These services with all counters, and the sync daemon; no takeover has to wait for that."""

        def look() -> Seen:
            table = self._kernel.read_counters(services) if services else Table()
            return Seen(table, sync=self._kernel.read_sync())

        return await asyncio.get_running_loop().run_in_executor(self._looker, look)

    async def counters(self, services: Collection[ServiceKey], *, aside: bool = False) -> Table:
        """These services with the counters of their real servers; aside: no takeover has to wait for that."""
        if not aside:
            return await self.run(lambda: self._kernel.read_counters(services))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._looker, self._kernel.read_counters, services)

    async def service_counters(self) -> Mapping[ServiceKey, Counters]:
        """What was counted for each service; no takeover has to wait for that."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._looker, self._kernel.read_service_counters)

    async def counted_table(self) -> Table:
        """The whole table with its counters, when everything asked for before is done."""
        return await self.run(self._kernel.table)

    async def owned(self) -> Owned:
        return await self.run(self._ledger.load)

    async def announce(self, addresses: Collection[InterfaceAddress], still: Callable[[], bool]) -> None:
        """Announce them, if still, asked in the thread, says that they are up here when their turn comes."""

        def announce() -> None:
            if still():
                self._kernel.announce(addresses)

        await self.run(announce)

    async def hold_resets(self, addresses: Collection[InterfaceAddress]) -> None:
        """Send no TCP reset from these addresses, nor provoke one, until `let_resets_out`."""

        def hold() -> None:
            netfilter = self._settled.netfilter if self._settled else None
            masqueraded = netfilter.masquerade if netfilter else ()
            self._kernel.hold_resets([each.address for each in addresses], masqueraded)

        await self.run(hold)

    async def let_resets_out(self) -> None:
        await self.run(self._kernel.let_resets_out)

    async def tell_rest(self) -> None:
        """Tell the other router, which has the addresses by now, of the youngest connections here.

        KernelError where those that the kernel holds cannot be told. The half-open ones are looked up in the
        other thread, which may take a while; `close` waits for that.
        """

        def push() -> None:
            state = self._settled
            master = _master(state) if state else None
            if state is None or master is None:
                return
            try:
                for service in list(state.services.values())[:1]:
                    self._kernel.push_out(master, service.scheduler)
            finally:
                self._looker.submit(self._tell_half_open, master, state)

        await self.run(push)

    def _tell_half_open(self, master: SyncDaemon, state: KernelState) -> None:
        try:
            told = self._kernel.tell_half_open(master, state, PARTING_SECONDS)
        except KernelError as error:
            log.warning("clients that were just connecting may have to begin anew: %s", error)
        except Exception:  # else nobody would hear of a fault of ours
            log.exception("telling of half-open connections ended in an unexpected error")
        else:
            log.info("told the other router of %d half-open connections", told)

    def _present(self) -> frozenset[InterfaceAddress]:
        return self._kernel.read_addresses()

    def _wanted(self, aim: Aim) -> KernelState:
        wanted = aim.state
        if aim.role is None:
            wanted = replace(wanted, addresses=wanted.addresses & self._present())
        return wanted

    def _follow(self, aim: Aim, names: Names, how: How) -> Outcome:
        made: tuple[Change, ...] = ()
        while True:
            try:
                outcome = self._reconcile(self._wanted(aim), names, how)
            except NotToBeRaised as stopped:
                # Whoever took them down meanwhile may take down more: they are looked at anew each time.
                made, aim = made + stopped.made, replace(aim, role=None)
                continue
            report = replace(outcome.report, changes=made + outcome.report.changes)
            return replace(outcome, report=report, held_back=aim.role is None)

    def _reconcile(self, wanted: KernelState, names: Names, how: How) -> Outcome:
        settled, self._settled = self._settled, None
        report = Report()
        if settled is not None and not how.whole:
            known = SettledKernel(self._kernel, settled, role=how.role)
            report = reconcile(known, wanted, self._ledger, names, may_raise=how.may_raise)
        if settled is None or how.whole or report.refused or report.remaining:
            # After a refusal or a surprise only the whole kernel says what is left to do.
            rest = reconcile(self._kernel, wanted, self._ledger, names, may_raise=how.may_raise)
            report = replace(rest, changes=report.changes + rest.changes)
        left = [*report.remaining, *(one.change for one in report.refused)]
        if self.saved and not any(change.part is Part.NETFILTER for change in left):
            self.saved.keep(wanted.netfilter)
        if not left:
            self._settled = wanted
        return Outcome(wanted, report, wanted == settled and bool(report.changes))


def _master(state: KernelState) -> SyncDaemon | None:
    """The half of the sync daemon that tells of this router's connections, if it is to run."""
    return next((each for each in state.sync if each.state is SyncState.MASTER), None)
