"""What every kernel must do, in memory or real: classes of tests that a test module makes its own.

A subclass gives the fixture `kernel`: empty, with the interfaces eth0 and eth1, both without addresses.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from random import Random

import pytest

from lvs.config.model import Forwarding, PortRange, Protocol, Scheduler
from lvs.router import plan
from lvs.router.apply import Kernel, Refusal, reconcile
from lvs.router.memory import MemoryLedger
from lvs.router.settled import SettledKernel
from lvs.router.state import (
    Change,
    Counters,
    Destination,
    DestinationKey,
    Family,
    Guard,
    InterfaceAddress,
    KernelState,
    MarkRule,
    Netfilter,
    Owned,
    Part,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncState,
    Timeouts,
    Verb,
)
from tests.unit.router.cluster import Cluster

WEB = ServiceKey(Family.V4, Protocol.TCP, ip_address("192.0.2.1"), 80)
OTHER = ServiceKey(Family.V4, Protocol.TCP, ip_address("192.0.2.9"), 25)
WEB6 = ServiceKey(Family.V6, Protocol.TCP, ip_address("2001:db8::1"), 80)
MARK = ServiceKey(Family.V4, fwmark=7)
ONE = DestinationKey(ip_address("10.0.0.11"), 80)
TWO = DestinationKey(ip_address("10.0.0.12"), 80)
SIX = DestinationKey(ip_address("2001:db8:1::11"), 80)
DIRECT = Destination(Forwarding.DIRECT, 1)
FLOATING = InterfaceAddress(ip_address("192.0.2.1"), 24, "eth0", "eth0:1")

SERVICES = [
    *((WEB, Service(scheduler.value)) for scheduler in Scheduler),
    (WEB, Service("sh", flags=0x18)),
    (WEB, Service("mh", flags=0x10)),
    (WEB, Service("wlc", flags=0x01, persistence=360)),
    (WEB, Service("wlc", flags=0x01, persistence=60, netmask=24)),
    (replace(WEB, protocol=Protocol.UDP), Service("rr", flags=0x04)),
    (replace(WEB, protocol=Protocol.SCTP), Service("rr")),
    (WEB6, Service("rr", netmask=128)),
    (WEB6, Service("rr", flags=0x01, persistence=60, netmask=64)),
    (replace(WEB6, protocol=Protocol.UDP), Service("wrr", netmask=128)),
    (replace(WEB6, protocol=Protocol.SCTP), Service("wrr", netmask=128)),
    (MARK, Service("wlc", flags=0x01, persistence=60)),
    (ServiceKey(Family.V6, fwmark=0x7FFFFFFF), Service("wlc", netmask=128)),
]
MEMBERS = [
    (WEB, ONE, Destination(Forwarding.NAT, 0)),
    (WEB, DestinationKey(ONE.address, 8080), Destination(Forwarding.NAT, 65535)),
    (WEB, ONE, Destination(Forwarding.DIRECT, 1, 100, 50)),
    (WEB, ONE, Destination(Forwarding.TUNNEL, 1, 100)),
    (WEB, SIX, Destination(Forwarding.TUNNEL, 3)),
    (WEB6, ONE, Destination(Forwarding.TUNNEL, 3)),
    (WEB6, SIX, Destination(Forwarding.NAT, 3)),
    (MARK, DestinationKey(ONE.address, 0), Destination(Forwarding.NAT, 1)),
]


def add_service(key: ServiceKey, service: Service | None = None) -> Change:
    service = service or Service("wlc", netmask=32 if key.family is Family.V4 else 128)
    return Change(Part.SERVICE, Verb.ADD, f"add {key}", service_key=key, service=service)


def member(
    verb: Verb, service: ServiceKey, key: DestinationKey, destination: Destination | None = None
) -> Change:
    return Change(
        Part.DESTINATION,
        verb,
        f"{verb} {key}",
        service_key=service,
        destination_key=key,
        destination=destination,
    )


def table(*members: DestinationKey, service: Service | None = None, **of_one: int) -> KernelState:
    """WEB with these real servers; of_one changes the settings of ONE."""
    destinations = {each: DIRECT for each in members}
    if of_one:
        destinations[ONE] = replace(DIRECT, **of_one)
    return KernelState(services={WEB: service or Service("wlc")}, destinations={WEB: destinations})


def verbs(changes: tuple[Change, ...]) -> list[tuple[Part, Verb]]:
    return [(change.part, change.verb) for change in changes]


class KernelSuite:
    """The IPVS table, timeouts and addresses."""

    def test_an_empty_kernel_becomes_as_wanted_and_a_second_time_changes_nothing(self, kernel: Kernel):
        wanted = replace(table(ONE, TWO), addresses=frozenset({FLOATING}))
        ledger = MemoryLedger()
        report = reconcile(kernel, wanted, ledger)
        assert (report.refused, report.remaining) == ((), ())
        actual = kernel.read(wanted)
        assert (actual.services, actual.destinations) == (wanted.services, wanted.destinations)
        assert FLOATING in actual.addresses
        assert reconcile(kernel, wanted, ledger).changes == ()
        assert ledger.load() == Owned(frozenset({WEB}), frozenset({FLOATING}))

    @pytest.mark.parametrize(("key", "service"), SERVICES, ids=lambda value: str(value)[:60])
    def test_a_service_is_read_as_it_was_written(self, kernel: Kernel, key: ServiceKey, service: Service):
        assert kernel.carry_out([add_service(key, service)]) == ()
        assert kernel.read(KernelState()).services == {key: service}

    @pytest.mark.parametrize(("service", "key", "destination"), MEMBERS, ids=lambda value: str(value)[:60])
    def test_a_real_server_is_read_as_it_was_written(
        self, kernel: Kernel, service: ServiceKey, key: DestinationKey, destination: Destination
    ):
        assert kernel.carry_out([add_service(service), member(Verb.ADD, service, key, destination)]) == ()
        assert kernel.read(KernelState()).destinations == {service: {key: destination}}
        counted = kernel.table()
        assert counted.destinations == {service: {key: destination}}
        assert counted.destination_counters[service][key].connections == 0
        assert counted.service_counters[service].bytes_out == 0
        assert kernel.carry_out([member(Verb.REMOVE, service, key)]) == ()
        assert kernel.read(KernelState()).destinations == {service: {}}

    def test_weight_scheduler_method_and_limits_are_edited_in_place(self, kernel: Kernel):
        ledger = MemoryLedger()
        reconcile(kernel, table(ONE, TWO), ledger)
        sticky = Service("sh", flags=0x01, persistence=60, netmask=24)
        wanted = table(ONE, TWO, service=sticky, weight=0, upper_threshold=10, forwarding=Forwarding.TUNNEL)
        report = reconcile(kernel, wanted, ledger)
        assert verbs(report.changes) == [(Part.SERVICE, Verb.CHANGE), (Part.DESTINATION, Verb.CHANGE)]
        assert report.remaining == ()
        assert kernel.read(wanted).destinations == wanted.destinations
        assert verbs(reconcile(kernel, table(ONE, TWO), ledger).changes) == verbs(report.changes)
        assert kernel.read(wanted).services == {WEB: Service("wlc")}

    def test_a_foreign_service_and_address_stay(self, kernel: Kernel):
        mine = InterfaceAddress(ip_address("198.51.100.1"), 24, "eth0")
        kernel.carry_out([add_service(OTHER), member(Verb.ADD, OTHER, ONE, DIRECT), address(Verb.ADD, mine)])
        ledger = MemoryLedger()
        reconcile(kernel, replace(table(ONE), addresses=frozenset({FLOATING})), ledger)
        reconcile(kernel, KernelState(), ledger)
        actual = kernel.read(KernelState())
        assert actual.destinations == {OTHER: {ONE: DIRECT}}
        assert mine in actual.addresses
        assert FLOATING not in actual.addresses
        assert ledger.load() == Owned()

    def test_a_service_found_as_wanted_is_adopted_without_a_change_and_removed_when_it_goes(
        self, kernel: Kernel
    ):
        kernel.carry_out([add_service(WEB), member(Verb.ADD, WEB, ONE, DIRECT)])
        ledger = MemoryLedger()
        assert reconcile(kernel, table(ONE), ledger).changes == ()
        assert ledger.load().services == {WEB}
        report = reconcile(kernel, KernelState(), ledger)
        assert verbs(report.changes) == [(Part.SERVICE, Verb.REMOVE)]
        assert kernel.read(KernelState()).services == {}

    def test_an_unknown_scheduler_is_refused_by_name_and_the_rest_is_done(self, kernel: Kernel):
        bad = replace(WEB, port=81)
        wanted = KernelState(
            services={bad: Service("nosuch"), WEB: Service("wlc")},
            destinations={bad: {ONE: DIRECT}, WEB: {ONE: DIRECT}},
        )
        report = reconcile(kernel, wanted, MemoryLedger())
        assert [refusal.change.service_key for refusal in report.refused] == [bad]
        assert "modprobe ip_vs_nosuch" in report.refused[0].reason
        assert verbs(report.changes) == [(Part.SERVICE, Verb.ADD), (Part.DESTINATION, Verb.ADD)]
        assert verbs(report.remaining) == verbs(report.changes)
        assert kernel.read(wanted).destinations == {WEB: {ONE: DIRECT}}

    def test_each_refusal_has_its_reason(self, kernel: Kernel):
        kernel.carry_out([add_service(WEB), member(Verb.ADD, WEB, ONE, DIRECT)])
        tried = {
            "already": add_service(WEB),
            "already:": member(Verb.ADD, WEB, ONE, DIRECT),
            "real server is not in the table": member(Verb.CHANGE, WEB, TWO, DIRECT),
            "is not in the table": member(Verb.REMOVE, WEB, TWO),
            "its service is not": member(Verb.ADD, OTHER, ONE, DIRECT),
            "its service": Change(Part.SERVICE, Verb.REMOVE, "remove", service_key=OTHER),
            "family unless": member(Verb.ADD, WEB, SIX, Destination(Forwarding.NAT, 1)),
            "threshold": member(Verb.ADD, WEB, TWO, Destination(Forwarding.NAT, 1, 10, 20)),
            "weight": member(Verb.ADD, WEB, TWO, Destination(Forwarding.NAT, -1)),
            "one machine's own": member(Verb.ADD, WEB, DestinationKey(ip_address("224.0.0.1"), 80), DIRECT),
        }
        for words, change in tried.items():
            (refused,) = kernel.carry_out([change])
            assert (refused.change, words in refused.reason) == (change, True), refused.reason
        assert kernel.read(KernelState()).destinations == {WEB: {ONE: DIRECT}}

    def test_only_the_refused_of_a_long_batch_are_not_made(self, kernel: Kernel):
        places = [DestinationKey(ip_address(0x0A000000 + number), 80) for number in range(1, 301)]
        kernel.carry_out([add_service(WEB), *(member(Verb.ADD, WEB, key, DIRECT) for key in places[::3])])
        refused = kernel.carry_out([member(Verb.ADD, WEB, key, DIRECT) for key in places])
        assert [refusal.change.destination_key for refusal in refused] == places[::3]
        assert set(kernel.read(KernelState()).destinations[WEB]) == set(places)

    def test_only_the_timeouts_that_are_set_are_changed(self, kernel: Kernel):
        before = kernel.read(KernelState()).timeouts
        report = reconcile(kernel, KernelState(timeouts=Timeouts(tcp=before.tcp + 60)), MemoryLedger())
        assert (report.refused, report.remaining) == ((), ())
        assert kernel.read(KernelState()).timeouts == replace(before, tcp=before.tcp + 60)

    def test_a_sysctl_is_set_once(self, kernel: Kernel):
        wanted = KernelState(sysctls={"net/ipv4/ip_forward": "1", "net/ipv4/vs/expire_nodest_conn": "1"})
        reconcile(kernel, wanted, MemoryLedger())
        assert kernel.read(wanted).sysctls == wanted.sysctls
        assert reconcile(kernel, wanted, MemoryLedger()).changes == ()

    def test_an_address_on_a_missing_interface_is_refused_and_not_announced(self, kernel: Kernel):
        wanted = KernelState(addresses=frozenset({FLOATING, replace(FLOATING, interface="eth7", label="")}))
        report = reconcile(kernel, wanted, MemoryLedger())
        assert [refusal.change.verb for refusal in report.refused] == [Verb.ADD]
        assert "no interface eth7" in report.refused[0].reason
        assert verbs(report.changes) == [(Part.ADDRESS, Verb.ADD), (Part.ADDRESS, Verb.ANNOUNCE)]

    def test_an_address_with_another_label_or_prefix_is_changed_and_leaves_nothing(self, kernel: Kernel):
        ledger = MemoryLedger()
        six = InterfaceAddress(ip_address("2001:db8::1"), 64, "eth0")
        first = frozenset({FLOATING, six})
        second = frozenset({replace(FLOATING, label="eth0:2"), replace(six, prefix=128)})
        third = frozenset({replace(FLOATING, prefix=32), replace(six, interface="eth1")})
        for wanted in (first, second, third):
            report = reconcile(kernel, KernelState(addresses=wanted), ledger)
            assert (report.refused, report.remaining) == ((), ())
            here = {each for each in kernel.read(KernelState()).addresses if is_ours(each)}
            assert here == wanted

    def test_a_cluster_that_keeps_changing_is_always_as_planned(self, kernel: Kernel):
        foreign = replace(OTHER, port=26)
        kernel.carry_out([add_service(foreign), member(Verb.ADD, foreign, ONE, DIRECT)])
        cluster, ledger = Cluster(Random(4), nat=False), MemoryLedger()
        for _ in range(60):
            cluster.step()
            wanted = plan.wanted(cluster.config, cluster.role, cluster.health())
            check_reconciled(kernel, wanted, ledger)
            assert kernel.read(wanted).destinations[foreign] == {ONE: DIRECT}

    def test_both_halves_of_the_sync_daemon_start_stop_and_run_as_they_are_wanted(self, kernel: Kernel):
        ledger = MemoryLedger()
        backup = SyncDaemon(SyncState.BACKUP, "eth0", 7)
        master = SyncDaemon(SyncState.MASTER, "eth0", 7, maxlen=44)
        for halves, expected in (
            ({backup}, [(Part.SYNC, Verb.ADD)]),
            ({backup, master}, [(Part.SYNC, Verb.ADD)]),
            ({backup, master}, []),
            ({backup}, [(Part.SYNC, Verb.REMOVE)]),
            (set(), [(Part.SYNC, Verb.REMOVE)]),
        ):
            wanted = KernelState(sync=frozenset(halves))
            report = reconcile(kernel, wanted, ledger)
            assert (verbs(report.changes), report.refused, report.remaining) == (expected, (), ())
            assert {each.state for each in kernel.read_sync()} == {each.state for each in halves}
            assert kernel.read(wanted).sync == kernel.read_sync()
        assert ledger.load() == Owned()

    def test_a_setting_of_the_sync_daemon_is_changed_by_starting_that_half_again(self, kernel: Kernel):
        ledger = MemoryLedger()
        first = SyncDaemon(SyncState.MASTER, "eth0", 7)
        backup = replace(first, state=SyncState.BACKUP)
        reconcile(kernel, KernelState(sync=frozenset({first, backup})), ledger)
        for edit in (
            {"syncid": 8},
            {"interface": "eth1"},
            {"maxlen": 400},
            {"group": ip_address("224.0.0.99")},
            {"group": ip_address("ff02::99")},
            {"port": 9000},
            {"ttl": 3},
        ):
            wanted = KernelState(sync=frozenset({replace(first, **edit), backup}))
            report = reconcile(kernel, wanted, ledger)
            assert verbs(report.changes) == [(Part.SYNC, Verb.CHANGE)], edit
            assert (report.refused, report.remaining) == ((), ())
            reconcile(kernel, KernelState(sync=frozenset({first, backup})), ledger)

    def test_a_message_longer_or_shorter_than_the_kernel_allows_counts_as_what_it_makes_of_it(
        self, kernel: Kernel
    ):
        for maxlen in (1, 1000, 9000, 65535):
            halves = {SyncDaemon(state, "eth0", maxlen=maxlen) for state in SyncState}
            report = reconcile(kernel, KernelState(sync=frozenset(halves)), MemoryLedger())
            assert (len(report.changes) > 0, report.refused, report.remaining) == (True, (), ())

    def test_a_sync_daemon_that_somebody_else_started_stays_unless_one_is_wanted(self, kernel: Kernel):
        foreign = SyncDaemon(SyncState.MASTER, "eth1", 3)
        kernel.carry_out([Change(Part.SYNC, Verb.ADD, "start", sync=foreign)])
        ledger = MemoryLedger()
        reconcile(kernel, KernelState(), ledger)
        assert [each.syncid for each in kernel.read_sync()] == [3]
        assert ledger.load() == Owned()
        report = reconcile(
            kernel, KernelState(sync=frozenset({SyncDaemon(SyncState.BACKUP, "eth0")})), ledger
        )
        assert verbs(report.changes) == [(Part.SYNC, Verb.ADD), (Part.SYNC, Verb.REMOVE)]
        assert [each.state for each in kernel.read_sync()] == [SyncState.BACKUP]

    def test_a_sync_daemon_that_cannot_start_says_why(self, kernel: Kernel):
        half = SyncDaemon(SyncState.MASTER, "eth0")
        tried = {
            "no interface eth7: set syncd_iface": replace(half, interface="eth7"),
            "must be a multicast address": replace(half, group=ip_address("10.0.0.1")),
        }
        for words, daemon in tried.items():
            (refused,) = kernel.carry_out([Change(Part.SYNC, Verb.ADD, "start", sync=daemon)])
            assert words in refused.reason
        start = Change(Part.SYNC, Verb.ADD, "start", sync=half)
        assert kernel.carry_out([start]) == ()
        (refused,) = kernel.carry_out([start])
        assert "runs already" in refused.reason
        assert kernel.carry_out([replace(start, verb=Verb.REMOVE)] * 2) == ()

    def test_a_takeover_reads_and_changes_addresses_and_sync_daemon_only(self, kernel: Kernel):
        backup, master = (SyncDaemon(state, "eth0", 7) for state in (SyncState.BACKUP, SyncState.MASTER))
        ledger, six = MemoryLedger(), InterfaceAddress(ip_address("2001:db8::1"), 64, "eth0")
        floating = frozenset({FLOATING, six})
        timeouts = kernel.read(KernelState()).timeouts
        standby = replace(table(ONE, TWO), floating=floating, sync=frozenset({backup}), timeouts=timeouts)
        active = replace(standby, addresses=floating, sync=frozenset({backup, master}))
        reconcile(kernel, standby, ledger)
        written = len(ledger.saved)
        report = reconcile(SettledKernel(kernel, standby), active, ledger)
        assert verbs(report.changes) == [
            (Part.SYNC, Verb.ADD),
            *[(Part.ADDRESS, Verb.ADD)] * 2,
            *[(Part.ADDRESS, Verb.ANNOUNCE)] * 2,
        ]
        assert (report.refused, report.remaining) == ((), ())
        assert reconcile(kernel, active, ledger).changes == ()
        report = reconcile(SettledKernel(kernel, active), standby, ledger)
        assert verbs(report.changes) == [*[(Part.ADDRESS, Verb.REMOVE)] * 2, (Part.SYNC, Verb.REMOVE)]
        assert (report.refused, report.remaining) == ((), ())
        assert reconcile(kernel, standby, ledger).changes == ()
        assert len(ledger.saved) == written

    def test_a_standby_takes_down_a_floating_address_that_it_finds(self, kernel: Kernel):
        kernel.carry_out([address(Verb.ADD, FLOATING)])
        report = reconcile(kernel, KernelState(floating=frozenset({FLOATING})), MemoryLedger())
        assert verbs(report.changes) == [(Part.ADDRESS, Verb.REMOVE)]
        assert FLOATING not in kernel.read_addresses()

    def test_services_read_one_by_one_are_what_the_whole_table_says_of_them(self, kernel: Kernel):
        kernel.carry_out([add_service(WEB), member(Verb.ADD, WEB, ONE, DIRECT), add_service(WEB6)])
        kernel.carry_out([add_service(MARK), member(Verb.ADD, MARK, TWO, DIRECT), add_service(OTHER)])
        whole, asked = kernel.read(KernelState()), {WEB, WEB6, MARK, replace(OTHER, port=26)}
        found = kernel.read_services(asked)
        there = asked & whole.services.keys()
        assert found.services == {key: whole.services[key] for key in there}
        assert found.destinations == {key: whole.destinations[key] for key in there}
        assert len(there) == 3
        counted = kernel.read_counters(asked)
        assert (counted.services, counted.destinations) == (found.services, found.destinations)
        assert counted.destination_counters == {
            key: dict.fromkeys(members, Counters()) for key, members in found.destinations.items()
        }
        assert counted.service_counters == dict.fromkeys(there, Counters())
        assert kernel.read_service_counters() == dict.fromkeys(whole.services, Counters())

    def test_a_cluster_changed_service_by_service_is_always_as_planned(self, kernel: Kernel):
        foreign = replace(OTHER, port=26)
        kernel.carry_out([add_service(foreign), member(Verb.ADD, foreign, ONE, DIRECT)])
        cluster, ledger = Cluster(Random(6), nat=False), MemoryLedger()
        settled = KernelState(timeouts=kernel.read(KernelState()).timeouts)
        for _ in range(60):
            cluster.step()
            wanted = plan.wanted(cluster.config, cluster.role, cluster.health())
            report = reconcile(SettledKernel(kernel, settled), wanted, ledger)
            assert (report.refused, report.remaining) == ((), ())
            settled = wanted
            check_reconciled(kernel, wanted, ledger)
            assert kernel.read(wanted).destinations[foreign] == {ONE: DIRECT}


class NetfilterSuite:
    """The table of nftables."""

    def test_marks_masquerade_and_guard_are_set_replaced_and_removed(self, kernel: Kernel):
        rule = MarkRule(ip_address("192.0.2.1"), Protocol.TCP, PortRange(80, 80), 7)
        ledger = MemoryLedger()
        first = Netfilter((rule,), (ip_address("10.0.0.11"),))
        second = Netfilter((rule, replace(rule, ports=PortRange(443, 443))), (ip_address("2001:db8::11"),))
        guarded = replace(second, guard=Guard(3636, (ip_network("10.0.0.0/8"), ip_network("fc00::/7"))))
        for wanted, verb in ((first, Verb.ADD), (second, Verb.CHANGE), (guarded, Verb.CHANGE)):
            report = reconcile(kernel, KernelState(netfilter=wanted), ledger)
            assert (report.refused, report.remaining) == ((), ())
            assert verbs(report.changes) == [(Part.NETFILTER, verb)]
            assert kernel.read(KernelState()).netfilter == kernel.read_netfilter() == wanted
        assert reconcile(kernel, KernelState(netfilter=guarded), ledger).changes == ()
        assert verbs(reconcile(kernel, KernelState(), ledger).changes) == [(Part.NETFILTER, Verb.REMOVE)]
        assert kernel.read(KernelState()).netfilter is None

    def test_a_cluster_with_nat_and_marks_that_keeps_changing_is_always_as_planned(self, kernel: Kernel):
        cluster, ledger = Cluster(Random(5)), MemoryLedger()
        for _ in range(60):
            cluster.step()
            check_reconciled(kernel, plan.wanted(cluster.config, cluster.role, cluster.health()), ledger)


def address(verb: Verb, which: InterfaceAddress) -> Change:
    return Change(Part.ADDRESS, verb, f"{verb} {which.address}", address=which)


def is_ours(which: InterfaceAddress) -> bool:
    """Not the kernel's own: loopback and link-local addresses."""
    return not (which.address.is_loopback or which.address.is_link_local)


def check_reconciled(kernel: Kernel, wanted: KernelState, ledger: MemoryLedger) -> tuple[Refusal, ...]:
    """Reconcile: all that is wanted is there, none of ours is left, a second time changes nothing."""
    report = reconcile(kernel, wanted, ledger)
    assert (report.refused, report.remaining) == ((), ())
    actual = kernel.read(wanted)
    assert {key: actual.services[key] for key in wanted.services} == wanted.services
    assert {key: actual.destinations[key] for key in wanted.services} == wanted.destinations
    assert wanted.addresses <= actual.addresses
    assert actual.netfilter == wanted.netfilter
    assert actual.sysctls == wanted.sysctls
    assert ledger.load() == Owned(frozenset(wanted.services), wanted.addresses)
    assert reconcile(kernel, wanted, ledger).changes == ()
    return report.refused
