"""Reconciling: what is noted when, what is reported, and a cluster that changes a thousand times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.errors import KernelError
from lvs.router import plan
from lvs.router.apply import NotToBeRaised, Refusal, made, reconcile
from lvs.router.memory import MemoryKernel, MemoryLedger
from lvs.router.state import Change, Destination, Health, KernelState, Owned, Part, Verb
from tests.unit.router.cluster import Cluster
from tests.unit.router.kernel_suite import (
    DIRECT,
    FLOATING,
    MARK,
    ONE,
    OTHER,
    TWO,
    WEB,
    add_service,
    check_reconciled,
    member,
    table,
    verbs,
)


class DyingKernel(MemoryKernel):
    """Is gone before it makes any change."""

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        raise KernelError("write", "the machine lost its power")


class StubbornKernel(MemoryKernel):
    """Lets nothing go."""

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        super().carry_out([change for change in changes if change.verb is not Verb.REMOVE])
        return tuple(Refusal(change, "no") for change in changes if change.verb is Verb.REMOVE)


class ForgetfulKernel(MemoryKernel):
    """Somebody else takes out every real server as soon as it is in."""

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        refused = super().carry_out(changes)
        for members in self.destinations.values():
            members.clear()
        return refused


def test_the_ledger_says_what_will_be_ours_before_the_kernel_is_written():
    ledger = MemoryLedger()
    wanted = replace(table(ONE), addresses=frozenset({FLOATING}))
    with pytest.raises(KernelError):
        reconcile(DyingKernel(), wanted, ledger)
    assert ledger.load() == Owned(frozenset({WEB}), frozenset({FLOATING}))


def test_what_is_ours_stays_in_the_ledger_until_it_is_gone():
    owned = Owned(frozenset({WEB, OTHER}), frozenset({FLOATING}))
    ledger = MemoryLedger(owned)
    with pytest.raises(KernelError):
        reconcile(DyingKernel(replace(table(ONE), addresses=frozenset({FLOATING}))), KernelState(), ledger)
    assert ledger.load() == owned
    reconcile(MemoryKernel(replace(table(ONE), addresses=frozenset({FLOATING}))), KernelState(), ledger)
    assert ledger.load() == Owned()


def test_what_could_not_be_removed_stays_ours():
    state = replace(table(ONE), addresses=frozenset({FLOATING}))
    ledger = MemoryLedger(Owned(frozenset({WEB, OTHER}), frozenset({FLOATING})))
    report = reconcile(StubbornKernel(state), KernelState(), ledger)
    assert [refusal.change for refusal in report.refused] == list(report.remaining)
    assert ledger.load() == Owned(frozenset({WEB}), frozenset({FLOATING}))


def test_a_ledger_that_is_right_is_not_written_again():
    ledger = MemoryLedger()
    kernel = MemoryKernel()
    reconcile(kernel, table(ONE), ledger)
    writes = len(ledger.saved)
    reconcile(kernel, table(ONE), ledger)
    reconcile(kernel, table(ONE, TWO), ledger)
    assert len(ledger.saved) == writes


def test_what_differs_after_all_is_reported():
    report = reconcile(ForgetfulKernel(), table(ONE), MemoryLedger())
    assert report.refused == ()
    assert verbs(report.changes) == [(Part.SERVICE, Verb.ADD), (Part.DESTINATION, Verb.ADD)]
    assert verbs(report.remaining) == [(Part.DESTINATION, Verb.ADD)]


def test_what_was_not_tried_is_not_reported_as_made():
    address = Change(Part.ADDRESS, Verb.ADD, "", address=FLOATING)
    announcement = replace(address, verb=Verb.ANNOUNCE)
    changes = (
        add_service(WEB),
        member(Verb.ADD, WEB, ONE, DIRECT),
        add_service(MARK),
        member(Verb.ADD, MARK, ONE, DIRECT),
        address,
        announcement,
    )
    refused = (Refusal(changes[0], "no"), Refusal(address, "no"))
    assert made(changes, refused) == changes[2:4]
    assert made(changes, ()) == changes


def test_a_module_that_is_not_to_be_had_does_not_stop_the_rest_and_is_never_taken_out():
    wanted = replace(table(ONE), modules=frozenset({"ip_vs_ftp"}))
    lacking = MemoryKernel(loadable=())
    report = reconcile(lacking, wanted, MemoryLedger())
    assert [refusal.change.module for refusal in report.refused] == ["ip_vs_ftp"]
    assert [change.module for change in report.remaining] == ["ip_vs_ftp"]
    assert lacking.services == wanted.services

    kernel = MemoryKernel()
    report = reconcile(kernel, wanted, MemoryLedger())
    assert (report.changes[0].part, report.remaining) == (Part.MODULE, ())
    assert report.changes[0].text.startswith("load the kernel module ip_vs_ftp: it leads")
    assert reconcile(kernel, table(ONE), MemoryLedger()).changes == ()
    assert kernel.modules == {"ip_vs_ftp"}


def test_what_may_not_be_raised_any_more_stops_a_reconciliation_before_its_addresses():
    kernel, ledger = MemoryKernel(), MemoryLedger()
    wanted = replace(table(ONE), addresses=frozenset({FLOATING}))
    with pytest.raises(NotToBeRaised) as stopped:
        reconcile(kernel, wanted, ledger, may_raise=lambda: False)
    assert verbs(stopped.value.made) == [(Part.SERVICE, Verb.ADD), (Part.DESTINATION, Verb.ADD)]
    assert (kernel.addresses, kernel.announced) == (set(), [])
    report = reconcile(kernel, wanted, ledger, may_raise=lambda: True)
    assert verbs(report.changes) == [(Part.ADDRESS, Verb.ADD), (Part.ADDRESS, Verb.ANNOUNCE)]
    reconcile(kernel, table(ONE), ledger, may_raise=lambda: False)  # which lowers
    assert kernel.addresses == set()


def test_the_real_servers_of_a_service_that_could_not_be_edited_are_still_tried():
    kernel = MemoryKernel(table(ONE), schedulers={"wlc"})
    wanted = table(ONE, service=replace(table().services[WEB], scheduler="mh"), weight=7)
    report = reconcile(kernel, wanted, MemoryLedger())
    assert verbs([refusal.change for refusal in report.refused]) == [(Part.SERVICE, Verb.CHANGE)]
    assert kernel.destinations[WEB][ONE].weight == 7


def restarted(cluster: Cluster, kernel: MemoryKernel) -> dict[plan.Place, Health]:
    """What a pulse knows that starts now: the table, and nothing of what is not in it."""
    unknown = dict.fromkeys(plan.keys(cluster.config).values(), Health.UNKNOWN)
    return unknown | plan.adopted_health(cluster.config, kernel.read(KernelState()))


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(min_value=20, max_value=60))
def test_however_a_cluster_changes_the_kernel_is_as_planned_and_foreign_things_stay(random, steps):
    """A thousand changes; every now and then pulse starts again and knows only its ledger and the table."""
    foreign = KernelState(
        services={OTHER: table().services[WEB]},
        destinations={OTHER: {ONE: Destination(plan.Forwarding.NAT, 3)}},
        addresses=frozenset({replace(FLOATING, address=ip_address("198.51.100.1"))}),
        timeouts=plan.Timeouts(1, 2, 3),
    )
    kernel, ledger, cluster = MemoryKernel(foreign), MemoryLedger(), Cluster(random)
    for _ in range(steps):
        cluster.step()
        if random.random() < 0.1:
            cluster.found = restarted(cluster, kernel)
        check_reconciled(kernel, plan.wanted(cluster.config, cluster.role, cluster.health()), ledger)
        assert kernel.destinations[OTHER] == foreign.destinations[OTHER]
        assert foreign.addresses <= kernel.addresses
        ours = {key for key in kernel.services if key != OTHER}
        assert ours == ledger.load().services
    reconcile(kernel, KernelState(), ledger)
    left = kernel.read(KernelState())
    assert (left.services, left.destinations) == (foreign.services, foreign.destinations)
    assert left.addresses == foreign.addresses
    assert ledger.load() == Owned()


def test_a_pulse_that_starts_beside_its_own_table_takes_no_real_server_out():
    cluster, kernel, ledger = Cluster(Random(7)), MemoryKernel(), MemoryLedger()
    for _ in range(200):
        cluster.step()
        reconcile(kernel, plan.wanted(cluster.config, cluster.role, cluster.health()), ledger)
        adopted = plan.adopted_health(cluster.config, kernel.read(KernelState()))
        again = reconcile(kernel, plan.wanted(cluster.config, cluster.role, adopted), ledger)
        assert again.changes == ()
