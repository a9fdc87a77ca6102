"""Everything that pulse does to the kernel and the disk, in one worker thread.

The thread keeps the event loop, and with it the checks, going; that it is one keeps the work in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from lvs.config.model import LvsConfig
from lvs.nanny.checker import Target
from lvs.router import plan
from lvs.router.apply import Kernel, Ledger, Report, reconcile
from lvs.router.diff import differences
from lvs.router.ipvs import Table
from lvs.router.sentences import Names
from lvs.router.settled import SettledKernel
from lvs.router.state import Change, Health, InterfaceAddress, KernelState, Owned, Role

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconciliation came to. drifted: nothing else was wanted than what was in place before."""

    wanted: KernelState
    report: Report
    drifted: bool


class KernelWork:
    """The kernel and the ledger, to be called from the event loop; the calls raise what the kernel raises."""

    def __init__(self, kernel: Kernel, ledger: Ledger) -> None:
        self._kernel = kernel
        self._ledger = ledger
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel")
        self._settled: KernelState | None = None  # what was wanted and reached last; used in the thread only

    async def run(self, work: Callable[[], Found]) -> Found:
        """The result of work, carried out in the thread when everything asked for before is done."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def close(self) -> None:
        """Wait for the work under way, and end the thread."""
        self._worker.shutdown()

    async def reconcile(
        self, config: LvsConfig, role: Role, health: Mapping[Target, Health], names: Names, *, whole: bool
    ) -> Outcome:
        """Bring the kernel to what is wanted; whole: look at all of it, not only at what is to change."""
        return await self.run(lambda: self._reconcile(plan.wanted(config, role, health), names, whole=whole))

    async def clear(self, names: Names) -> Outcome:
        """Take out all that the ledger has."""
        return await self.run(lambda: self._reconcile(KernelState(), names))

    async def plan(
        self, config: LvsConfig, role: Role, health: Mapping[Target, Health], names: Names
    ) -> tuple[Change, ...]:
        """The changes that a reconciliation would make now."""

        def compare() -> tuple[Change, ...]:
            wanted = plan.wanted(config, role, health)
            return differences(self._kernel.read(wanted), wanted, self._ledger.load(), names)

        return await self.run(compare)

    async def adopted_health(self, config: LvsConfig) -> dict[Target, Health]:
        """The health that the table shows of config's real servers."""
        return await self.run(lambda: plan.adopted_health(config, self._kernel.read(KernelState())))

    async def table(self) -> tuple[Table, Owned]:
        """The table with its counters, and what is pulse's in it."""
        return await self.run(lambda: (self._kernel.table(), self._ledger.load()))

    async def owned(self) -> Owned:
        return await self.run(self._ledger.load)

    async def announce(self, addresses: Collection[InterfaceAddress]) -> None:
        await self.run(lambda: self._kernel.announce(addresses))

    def _reconcile(self, wanted: KernelState, names: Names, *, whole: bool = True) -> Outcome:
        settled, self._settled = self._settled, None
        report = Report()
        if settled is not None and not whole:
            report = reconcile(SettledKernel(self._kernel, settled), wanted, self._ledger, names)
        if settled is None or whole or report.refused or report.remaining:
            # After a refusal or a surprise only the whole kernel says what is left to do.
            rest = reconcile(self._kernel, wanted, self._ledger, names)
            report = replace(rest, changes=report.changes + rest.changes)
        if not report.refused and not report.remaining:
            self._settled = wanted
        return Outcome(wanted, report, wanted == settled and bool(report.changes))
