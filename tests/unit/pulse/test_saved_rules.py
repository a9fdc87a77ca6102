"""The rules of netfilter on the disk, as pulse's work on the kernel leaves them there."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from lvs.config.model import Forwarding
from lvs.pulse.kernel_work import Aim, KernelWork
from lvs.router import netfilter, plan
from lvs.router.memory import MemoryKernel, MemoryLedger
from lvs.router.saved_rules import HEAD, NAME, SavedRules
from lvs.router.sentences import Names
from lvs.router.state import Change, Guard, Part, Role
from tests.unit.router.cluster import config, real, virtual

MARKED = config(virtual(fwmark=7, forwarding=Forwarding.NAT, real_servers=(real(1),)))
PLAIN = config(virtual())


class Refusing(MemoryKernel):
    """A kernel without nftables."""

    def _make(self, change: Change) -> str | None:
        return "no nftables" if change.part is Part.NETFILTER else super()._make(change)


class Disk:
    """What outlives a pulse: kernel, ledger, file."""

    def __init__(self, folder: Path, kernel: MemoryKernel | None = None) -> None:
        self.kernel, self.ledger, self.path = kernel or MemoryKernel(), MemoryLedger(), folder / NAME

    def pulse(self) -> KernelWork:
        return KernelWork(self.kernel, self.ledger, SavedRules(self.path))

    def apply(self, work: KernelWork, wanted=MARKED, guard: Guard | None = None) -> None:
        aim = Aim(wanted, Role.ACTIVE, {}, guard=guard)
        asyncio.run(work.reconcile(aim, Names(), whole=True))

    def expected(self) -> str:
        return netfilter.replacing(self.kernel.netfilter) if self.kernel.netfilter else netfilter.REMOVING


def test_the_file_has_what_is_in_force_after_each_change_and_is_for_root_and_its_group(tmp_path: Path):
    disk = Disk(tmp_path)
    work = disk.pulse()
    disk.apply(work)
    written = disk.path.read_text()
    assert disk.kernel.netfilter is not None
    assert written.endswith(disk.expected())
    assert "192.0.2.1 . tcp . 80 : 7" in written
    assert stat.S_IMODE(disk.path.stat().st_mode) == 0o640
    disk.apply(work, guard=Guard(3636, ()))
    assert "tcp dport 3636" in disk.path.read_text()
    asyncio.run(work.hold(None))
    assert disk.path.read_text() == written
    disk.apply(work, PLAIN)
    assert disk.path.read_text().endswith(f"{HEAD}{netfilter.REMOVING}")
    asyncio.run(work.hold(Guard(3636, ())))
    assert disk.path.read_text().endswith(disk.expected())
    work.close()


def test_where_there_never_was_a_rule_there_is_no_file(tmp_path: Path):
    disk = Disk(tmp_path)
    work = disk.pulse()
    disk.apply(work, PLAIN)
    assert not disk.path.exists()
    assert work.saved is not None
    assert work.saved.written_at() is None
    work.close()


def test_what_a_crash_left_behind_is_put_right_at_the_next_start(tmp_path: Path):
    disk = Disk(tmp_path)
    disk.apply(disk.pulse())
    written = disk.path.read_text()
    for left in ("", written.replace("192.0.2.1", "192.0.2.77"), None):
        if left is None:
            disk.path.unlink()
        else:
            disk.path.write_text(left)
        disk.apply(disk.pulse())
        assert disk.path.read_text() == written
    disk.kernel.netfilter = None  # the machine has booted: pulse finds a kernel without the table
    disk.apply(disk.pulse())
    assert disk.kernel.netfilter == plan.wanted(MARKED, Role.ACTIVE, {}).netfilter
    assert disk.path.read_text() == written


def test_nothing_is_written_while_nothing_changes(tmp_path: Path):
    disk = Disk(tmp_path)
    work = disk.pulse()
    disk.apply(work)
    before = disk.path.stat()
    disk.apply(work)
    disk.apply(disk.pulse())
    assert disk.path.stat() == before


def test_rules_that_the_kernel_refused_are_not_on_the_disk(tmp_path: Path):
    disk = Disk(tmp_path, Refusing())
    disk.apply(disk.pulse())
    assert not disk.path.exists()


def test_a_disk_that_refuses_keeps_nothing_from_balancing_is_said_and_tried_again(tmp_path: Path):
    disk = Disk(tmp_path)
    disk.path.mkdir()
    work = disk.pulse()
    disk.apply(work)
    assert disk.kernel.netfilter is not None
    (problem,) = work.problems()
    assert "not on the disk" in problem
    disk.path.rmdir()
    disk.apply(work)
    assert work.problems() == []
    assert disk.path.read_text().endswith(disk.expected())


def test_rules_put_back_after_somebody_changed_them_are_as_they_were_on_the_disk(tmp_path: Path):
    disk = Disk(tmp_path)
    work = disk.pulse()
    disk.apply(work)
    written = disk.path.read_text()
    assert disk.kernel.netfilter is not None
    masquerade = (ip_address("10.9.9.9"),)
    disk.kernel.netfilter = replace(disk.kernel.netfilter, masquerade=masquerade, drift=("by hand",))
    disk.apply(work)
    assert disk.path.read_text() == written
