"""A kernel of which almost everything is known: what it reads, and when it trusts nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from lvs.config.model import Scheduler
from lvs.router.apply import Refusal, reconcile
from lvs.router.ipvs import Table
from lvs.router.memory import MemoryKernel, MemoryLedger
from lvs.router.settled import MOST_SERVICES, SettledKernel, changed_services
from lvs.router.state import (
    Change,
    KernelState,
    Netfilter,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncState,
    Timeouts,
)
from tests.unit.router.kernel_suite import DIRECT, FLOATING, ONE, OTHER, TWO, WEB, table


class CountingKernel(MemoryKernel):
    """Notes what is read: the keys one by one, or None for the whole table."""

    def __init__(self, state: KernelState) -> None:
        super().__init__(state)
        self.asked: list[set[ServiceKey] | None] = []

    def read(self, wanted: KernelState, only: Collection[ServiceKey] | None = None) -> KernelState:
        self.asked.append(None)
        return super().read(wanted, only)

    def read_services(self, keys: Collection[ServiceKey]) -> Table:
        self.asked.append(set(keys))
        return super().read_services(keys)


class LosingKernel(CountingKernel):
    """Somebody else takes every address down as soon as it is up."""

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        refused = super().carry_out(changes)
        self.addresses.clear()
        return refused


BACKUP = SyncDaemon(SyncState.BACKUP, "eth0")


def with_other(state: KernelState, **of_one: int) -> KernelState:
    """state with a second service, of one real server."""
    return replace(
        state,
        services={**state.services, OTHER: Service("rr")},
        destinations={**state.destinations, OTHER: {ONE: replace(DIRECT, **of_one)}},
    )


def test_only_the_service_that_changes_is_read_before_and_after():
    settled = with_other(table(ONE, TWO))
    kernel = CountingKernel(settled)
    report = reconcile(SettledKernel(kernel, settled), with_other(table(ONE, TWO), weight=7), MemoryLedger())
    assert [change.text for change in report.changes] == [
        "change real server 10.0.0.11:80 of tcp 192.0.2.9:25: weight 1 → 7"
    ]
    assert (report.refused, report.remaining) == ((), ())
    assert kernel.asked == [{OTHER}, {OTHER}]
    assert kernel.destinations[OTHER][ONE].weight == 7


def test_services_that_come_and_go_need_no_look_at_the_others():
    settled = with_other(table(ONE))
    kernel = CountingKernel(settled)
    ledger = MemoryLedger()
    reconcile(kernel, settled, ledger)
    kernel.asked.clear()
    reconcile(SettledKernel(kernel, settled), table(ONE), ledger)
    assert (list(kernel.services), kernel.asked) == ([WEB], [{OTHER}, {OTHER}])
    reconcile(SettledKernel(kernel, table(ONE)), settled, ledger)
    assert kernel.destinations[OTHER] == {ONE: DIRECT}
    assert None not in kernel.asked


def test_a_service_that_is_not_as_it_was_left_makes_everything_be_read_and_mended():
    settled = with_other(table(ONE, TWO))
    kernel = CountingKernel(settled)
    del kernel.destinations[OTHER][ONE], kernel.destinations[WEB][TWO]
    wanted = with_other(table(ONE, TWO), weight=7)
    reconcile(SettledKernel(kernel, settled), wanted, MemoryLedger())
    assert kernel.asked[:2] == [{OTHER}, None]
    assert kernel.destinations == wanted.destinations


def test_a_foreign_service_that_is_wanted_now_is_adopted():
    kernel = CountingKernel(with_other(table(ONE)))
    ledger = MemoryLedger()
    report = reconcile(SettledKernel(kernel, table(ONE)), with_other(table(ONE)), ledger)
    assert report.changes == ()
    assert OTHER in ledger.load().services


def test_whatever_else_is_to_change_makes_everything_be_read():
    settled = table(ONE)
    for wanted in (
        replace(settled, netfilter=Netfilter()),
        replace(settled, timeouts=Timeouts(tcp=60)),
    ):
        kernel = CountingKernel(settled)
        report = reconcile(SettledKernel(kernel, settled), wanted, MemoryLedger())
        assert kernel.asked == [None, None]
        assert (len(report.changes) > 0, report.remaining) == (True, ())


def test_a_takeover_looks_at_no_service():
    kernel = CountingKernel(table(ONE))
    sysctls = {"net/ipv4/vs/expire_nodest_conn": "1"}
    wanted = replace(table(ONE), addresses=frozenset({FLOATING}), sync=frozenset({BACKUP}), sysctls=sysctls)
    report = reconcile(SettledKernel(kernel, table(ONE)), wanted, MemoryLedger())
    assert (len(report.changes), report.remaining, kernel.asked) == (4, (), [])
    assert kernel.sysctls == sysctls
    assert (kernel.read_addresses(), len(kernel.read_sync())) == ({FLOATING}, 1)


def test_an_address_that_is_gone_again_after_a_takeover_remains_to_be_raised():
    kernel = LosingKernel(table(ONE))
    wanted = replace(table(ONE), addresses=frozenset({FLOATING}))
    report = reconcile(SettledKernel(kernel, table(ONE)), wanted, MemoryLedger())
    assert [change.address for change in report.remaining] == [FLOATING] * 2


def test_what_a_role_changes_is_looked_at_on_request_though_nothing_else_is_wanted():
    settled = replace(table(ONE), addresses=frozenset({FLOATING}))
    kernel = CountingKernel(replace(settled, addresses=frozenset()))
    assert reconcile(SettledKernel(kernel, settled), settled, MemoryLedger()).changes == ()
    report = reconcile(SettledKernel(kernel, settled, role=True), settled, MemoryLedger())
    assert [change.address for change in report.changes] == [FLOATING] * 2
    assert (report.remaining, kernel.asked) == ((), [])


def test_many_changed_services_are_read_at_once():
    keys = [replace(WEB, port=port) for port in range(1, MOST_SERVICES + 2)]
    settled = KernelState(dict.fromkeys(keys, Service("rr")), {key: {} for key in keys})
    wanted = replace(settled, services=dict.fromkeys(keys, Service(Scheduler.WLC)))
    kernel = CountingKernel(settled)
    reconcile(SettledKernel(kernel, settled), wanted, MemoryLedger())
    assert kernel.asked == [None, None]
    assert kernel.services == wanted.services


def test_equal_plans_differ_in_no_service():
    assert changed_services(with_other(table(ONE)), with_other(table(ONE))) == frozenset()
    assert changed_services(table(ONE), table(ONE, TWO)) == {WEB}
    assert changed_services(table(ONE), replace(table(ONE), modules=frozenset({"ip_vs_ftp"}))) is None
    assert changed_services(table(ONE), table(ONE, service=Service("rr"))) == {WEB}
