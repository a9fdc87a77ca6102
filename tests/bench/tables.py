"""A large table built and read, beside ipvsadm in the same kernel; and lvs.cf read and written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from lvs.config.model import LvsConfig
from lvs.config.reader import read
from lvs.config.writer import write
from lvs.router import plan
from lvs.router.apply import LinuxKernel, Report, reconcile
from lvs.router.diff import differences
from lvs.router.memory import MemoryLedger
from lvs.router.sentences import Names
from lvs.router.state import Change, Health, KernelState, Owned, Role
from tests.bench.clusters import REALS, SERVICES, cluster
from tests.bench.report import RUNS, Row, best, compared


class Tables:
    """One configuration, the kernel under us, and ipvsadm."""

    def __init__(self) -> None:
        self.fresh = iter([cluster(name=f"cluster{number}x") for number in range(RUNS + 1)])
        self.kernel = LinuxKernel()
        self.ledger = MemoryLedger()
        self.saved = ""
        self.use(next(self.fresh))

    def use(self, config: LvsConfig) -> None:
        """From now on with this one, of which nothing is remembered yet (lvs.config.memo)."""
        self.config = config
        self.health = dict.fromkeys(plan.keys(config).values(), Health.HEALTHY)

    def wanted(self) -> KernelState:
        return plan.wanted(self.config, Role.STANDBY, self.health)

    def apply(self) -> Report:
        return reconcile(self.kernel, self.wanted(), self.ledger, Names.of(self.config))

    def compare(self) -> tuple[Change, ...]:
        wanted = self.wanted()
        return differences(self.kernel.read(wanted), wanted, Owned(), Names.of(self.config))

    def clear(self) -> None:
        subprocess.run(["ipvsadm", "-C"], check=True)

    def clear_and_forget(self) -> None:
        self.clear()
        self.use(next(self.fresh))

    def restore(self) -> None:
        subprocess.run(["ipvsadm", "-R"], check=True, input=self.saved, text=True)

    def list(self) -> None:
        subprocess.run(["ipvsadm", "-Ln"], check=True, capture_output=True)

    def rows(self) -> Iterator[Row]:
        self.apply()
        self.saved = _output("ipvsadm", "-Sn")
        build = best(self.apply, before=self.clear_and_forget)
        restore = best(self.restore, before=self.clear)
        yield compared("full build: plan, diff, write, read back", build, restore, "ipvsadm -R", 0.25)
        if sorted(_output("ipvsadm", "-Sn").splitlines()) != sorted(self.saved.splitlines()):
            sys.exit("the two tables differ")
        listing = best(self.list)
        yield compared("dump and diff", best(self.compare), listing, "ipvsadm -Ln", 1)
        yield compared("dump with all counters", best(self.kernel.table), listing, "ipvsadm -Ln", 1)
        self.clear()


def text_rows() -> Iterator[Row]:
    """Reader and writer at 10,000 real servers, of which nothing was seen before."""
    clusters = iter([cluster(name=f"file{number}x") for number in range(RUNS)])
    how = f"({SERVICES * REALS} real servers)"
    yield Row("lvs.cf written", how, best(lambda: write(next(clusters))), 0.5, " s")
    texts = iter([write(cluster(name=f"text{number}x")) for number in range(RUNS)])
    yield Row("lvs.cf read", how, best(lambda: read(next(texts))), 0.5, " s")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
