"""What a configuration, a role and healths ask of a kernel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvs.config.model import Forwarding, PortRange, Protocol, Scheduler, SchedulerFlag
from lvs.router import plan
from lvs.router.parameters import REASONS
from lvs.router.state import (
    Destination,
    DestinationKey,
    Family,
    Health,
    InterfaceAddress,
    KernelState,
    MarkRule,
    Netfilter,
    Role,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncState,
    Timeouts,
)
from tests.unit.router.cluster import PAIR, config, floating, health_of, real, virtual

WEB = ServiceKey(Family.V4, Protocol.TCP, ip_address("192.0.2.1"), 80)
SORRY = DestinationKey(ip_address("10.0.0.99"), 80)


def at(number: int, port: int = 80) -> DestinationKey:
    return DestinationKey(ip_address(f"10.0.0.{10 + number}"), port)


def planned(*servers, role=Role.ACTIVE, **named: Health) -> KernelState:
    """The plan with everything healthy but the real servers named."""
    shop = config(*servers)
    return plan.wanted(shop, role, health_of(shop, **named))


def weights(state: KernelState, key: ServiceKey = WEB) -> dict[DestinationKey, int]:
    return {each: destination.weight for each, destination in state.destinations[key].items()}


def test_a_healthy_real_server_has_its_weight_method_and_thresholds():
    server = virtual(
        forwarding=Forwarding.TUNNEL, real_servers=(real(1, weight=5, upper_threshold=9, lower_threshold=3),)
    )
    state = planned(server)
    assert state.services == {WEB: Service("wlc")}
    assert state.destinations == {WEB: {at(1): Destination(Forwarding.TUNNEL, 5, 9, 3)}}


def test_the_clusters_method_counts_where_the_virtual_server_names_none():
    shop = config(virtual(forwarding=None), forwarding=Forwarding.DIRECT)
    state = plan.wanted(shop, Role.ACTIVE, health_of(shop))
    assert {each.forwarding for each in state.destinations[WEB].values()} == {Forwarding.DIRECT}


@pytest.mark.parametrize(
    ("health", "quiesce", "expected"),
    [
        (Health.HEALTHY, False, {at(1): 3, at(2): 1}),
        (Health.HEALTHY, True, {at(1): 3, at(2): 1}),
        (Health.FAILED, False, {at(2): 1}),
        (Health.FAILED, True, {at(1): 0, at(2): 1}),
        (Health.UNKNOWN, False, {at(2): 1}),
        (Health.UNKNOWN, True, {at(2): 1}),
    ],
)
def test_health_decides_whether_a_real_server_is_in_the_table(health, quiesce, expected):
    server = virtual(quiesce=quiesce, real_servers=(real(1, weight=3), real(2)))
    assert weights(planned(server, web1=health)) == expected


def test_a_real_server_that_health_does_not_name_is_not_in_the_table():
    assert plan.wanted(config(virtual()), Role.ACTIVE, {}).destinations == {WEB: {}}


def test_a_drained_real_server_stays_at_weight_0_when_a_check_succeeds():
    assert weights(planned(virtual(real_servers=(real(1, weight=0), real(2))))) == {at(1): 0, at(2): 1}


def test_what_is_not_active_or_has_no_address_is_left_out():
    servers = (real(1, active=False), real(2, address=None), real(3))
    state = planned(
        virtual(real_servers=servers), virtual("off", "192.0.2.2", active=False), virtual("no", None)
    )
    assert state.destinations == {WEB: {at(3): Destination(Forwarding.DIRECT, 1)}}
    assert {each.address for each in state.addresses} == {ip_address("192.0.2.1")}


@pytest.mark.parametrize(
    ("web1", "web2", "expected"),
    [
        (Health.UNKNOWN, Health.UNKNOWN, {SORRY: 1}),
        (Health.FAILED, Health.FAILED, {SORRY: 1}),
        (Health.FAILED, Health.HEALTHY, {at(2): 1}),
    ],
)
def test_the_sorry_server_serves_until_a_real_server_can(web1, web2, expected):
    server = virtual(sorry_server=SORRY.address)
    assert weights(planned(server, web1=web1, web2=web2)) == expected


def test_the_sorry_server_serves_beside_quiesced_and_drained_real_servers():
    servers = (real(1), real(2, weight=0))
    server = virtual(sorry_server=SORRY.address, sorry_port=8080, quiesce=True, real_servers=servers)
    state = planned(server, web1=Health.FAILED)
    assert weights(state) == {at(1): 0, at(2): 0, DestinationKey(SORRY.address, 8080): 1}


def test_a_virtual_server_without_real_servers_has_its_sorry_server():
    assert weights(planned(virtual(real_servers=(), sorry_server=SORRY.address))) == {SORRY: 1}


def test_persistence_and_its_mask_are_set_together():
    state = planned(
        virtual(persistence=60, persistence_mask=24),
        virtual("b", "192.0.2.2", persistence=60),
        virtual("c", "192.0.2.3", persistence_mask=24),
        virtual("d", "2001:db8::1", real_servers=()),
    )
    assert list(state.services.values()) == [
        Service("wlc", plan.PERSISTENT, 60, 24),
        Service("wlc", plan.PERSISTENT, 60, 32),
        Service("wlc", 0, 0, 32),
        Service("wlc", 0, 0, 128),
    ]


def test_flags_are_those_of_the_scheduler_that_is_chosen():
    flags = (SchedulerFlag.SH_PORT, SchedulerFlag.MH_FALLBACK)
    state = planned(
        virtual(scheduler=Scheduler.SH, scheduler_flags=flags),
        virtual("b", "192.0.2.2", scheduler=Scheduler.MH, scheduler_flags=flags),
        virtual("c", "192.0.2.3", scheduler_flags=flags),
    )
    assert [service.flags for service in state.services.values()] == [0x10, 0x08, 0]


def test_every_datagram_by_itself_is_for_udp_and_marks():
    state = planned(
        virtual(one_packet=True),
        virtual("b", one_packet=True, protocol=Protocol.UDP),
        virtual("c", one_packet=True, fwmark=3),
    )
    assert [service.flags for service in state.services.values()] == [0, plan.ONE_PACKET, plan.ONE_PACKET]


def test_a_mark_gathers_ports_which_real_servers_keep():
    server = virtual(fwmark=7, ports=(PortRange(443, 443), PortRange(2000, 2100)))
    state = planned(server)
    mark = ServiceKey(Family.V4, fwmark=7)
    assert weights(state, mark) == {at(1, 0): 1, at(2, 0): 1}
    assert state.netfilter is not None
    assert [(rule.ports, rule.fwmark) for rule in state.netfilter.marks] == [
        (PortRange(80, 80), 7),
        (PortRange(443, 443), 7),
        (PortRange(2000, 2100), 7),
    ]


def test_a_mark_gathers_ports_of_several_protocols():
    state = planned(virtual(fwmark=7, port=443, ports=(PortRange(443, 443, Protocol.UDP), PortRange(80, 80))))
    assert state.netfilter is not None
    assert [(rule.protocol, rule.ports) for rule in state.netfilter.marks] == [
        (Protocol.TCP, PortRange(80, 80)),
        (Protocol.TCP, PortRange(443, 443)),
        (Protocol.UDP, PortRange(443, 443)),
    ]


def test_a_mark_without_further_ports_is_set_for_its_own():
    state = planned(virtual("six", "2001:db8::1", fwmark=7, protocol=Protocol.UDP, port=53, real_servers=()))
    rule = MarkRule(ip_address("2001:db8::1"), Protocol.UDP, PortRange(53, 53), 7)
    assert state.netfilter == Netfilter((rule,))
    assert list(state.services) == [ServiceKey(Family.V6, fwmark=7)]


FTP_PORTS = (PortRange(10000, 10009),)


def test_the_helper_for_ftp_is_wanted_with_nat_and_without_a_mark_on_both_routers():
    ftp = virtual(port=21, forwarding=Forwarding.NAT)
    for role in Role:
        assert planned(ftp, role=role).modules == {"ip_vs_ftp"}
    assert planned(virtual(forwarding=Forwarding.NAT), ftp).modules == {"ip_vs_ftp"}
    for other in (
        virtual(port=21),
        virtual(forwarding=Forwarding.NAT),
        replace(ftp, active=False),
        replace(ftp, protocol=Protocol.UDP),
        replace(ftp, fwmark=21, ports=FTP_PORTS),
    ):
        assert planned(other).modules == frozenset()


@pytest.mark.parametrize(
    ("method", "last"), [(Forwarding.NAT, []), (Forwarding.DIRECT, [20]), (Forwarding.TUNNEL, [20])]
)
def test_a_mark_for_ftp_gathers_answers_to_its_data_port_where_real_servers_reach_clients_by_themselves(
    method, last
):
    state = planned(virtual(port=21, fwmark=21, forwarding=method, ports=FTP_PORTS))
    assert [rule.ports.first for rule in state.netfilter.marks] == [*last, 21, 10000]
    state = planned(virtual(port=20, fwmark=21, forwarding=method, ports=(PortRange(20, 21),)))
    assert [str(rule.ports) for rule in state.netfilter.marks] == ["20:21"]


def test_virtual_servers_with_one_mark_are_one_service():
    secure = virtual("secure", port=443, fwmark=7, persistence=9, real_servers=(real(2), real(3)))
    state = planned(virtual(fwmark=7, persistence=60, sorry_server=SORRY.address), secure, web1=Health.FAILED)
    mark = ServiceKey(Family.V4, fwmark=7)
    assert state.services[mark].persistence == 60
    assert weights(state, mark) == {at(2, 0): 1, at(3, 0): 1}
    assert state.netfilter is not None
    assert [rule.ports.first for rule in state.netfilter.marks] == [80, 443]


def test_a_real_servers_own_port_is_used():
    assert weights(planned(virtual(real_servers=(real(1, port=8080),)))) == {at(1, 8080): 1}
    marked = planned(virtual(fwmark=7, real_servers=(real(1, port=8080),)))
    assert weights(marked, ServiceKey(Family.V4, fwmark=7)) == {at(1, 8080): 1}


def test_floating_addresses_are_the_active_routers_alone_and_all_else_is_the_same():
    servers = (virtual(forwarding=Forwarding.NAT), virtual("b", "192.0.2.2", fwmark=3, persistence=60))
    active, standby = planned(*servers), planned(*servers, role=Role.STANDBY)
    assert standby == replace(active, addresses=frozenset())
    assert active.addresses


def test_each_address_comes_once_with_its_first_device_and_mask():
    servers = (
        virtual(address_mask=24),
        virtual("b", "192.0.2.1", port=443, address_mask=28),
        replace(virtual("c"), address=floating("192.0.2.3", "eth0:3")),
        replace(virtual("d"), address=floating("2001:db8::1", "eth0:4")),
    )
    assert planned(*servers).addresses == {
        InterfaceAddress(ip_address("192.0.2.1"), 24, "eth0"),
        InterfaceAddress(ip_address("192.0.2.3"), 32, "eth0", "eth0:3"),
        InterfaceAddress(ip_address("2001:db8::1"), 128, "eth0"),
    }


@pytest.mark.parametrize(("method", "raised"), [(Forwarding.NAT, True), (Forwarding.DIRECT, False)])
def test_the_gateway_addresses_are_raised_for_nat_only(method, raised):
    shop = config(
        virtual(forwarding=method),
        nat_router=floating("10.0.0.254", "eth1:1"),
        nat_mask=24,
        nat_router6=floating("2001:db8:1::254", "eth1"),
    )
    gateways = {
        InterfaceAddress(ip_address("10.0.0.254"), 24, "eth1", "eth1:1"),
        InterfaceAddress(ip_address("2001:db8:1::254"), 128, "eth1"),
    }
    assert (gateways <= plan.wanted(shop, Role.ACTIVE, {}).addresses) is raised


def test_real_servers_behind_nat_are_masqueraded():
    state = planned(
        virtual(forwarding=Forwarding.NAT, real_servers=(real(1), real(2, active=False))),
        virtual("b", "192.0.2.2", real_servers=(real(3),)),
    )
    assert state.netfilter == Netfilter(masquerade=(ip_address("10.0.0.11"),))
    assert planned(virtual()).netfilter is None


@pytest.mark.parametrize(
    ("server", "paths"),
    [
        (virtual(active=False), set()),
        (virtual(), {"net/ipv4/vs/expire_nodest_conn"}),
        (virtual(forwarding=Forwarding.NAT), {"net/ipv4/vs/expire_nodest_conn", "net/ipv4/ip_forward"}),
        (
            virtual("six", "2001:db8::1", forwarding=Forwarding.NAT, real_servers=()),
            {"net/ipv4/vs/expire_nodest_conn", "net/ipv6/conf/all/forwarding"},
        ),
        (
            virtual(persistence=60),
            {"net/ipv4/vs/expire_nodest_conn", "net/ipv4/vs/expire_quiescent_template"},
        ),
    ],
)
def test_only_the_sysctls_that_are_needed_are_set(server, paths):
    state = planned(server)
    assert state.sysctls == dict.fromkeys(paths, "1")
    assert all(REASONS[path, "1"] for path in paths)


def pair(role: Role = Role.ACTIVE, *, lingering: bool = False, **edit: object) -> KernelState:
    shop = replace(config(virtual()), redundancy=replace(PAIR, **edit))
    return plan.wanted(shop, role, health_of(shop), lingering=lingering)


def halves(state: KernelState) -> set[str]:
    return {each.state.value for each in state.sync}


def test_the_active_router_tells_and_takes_in_and_the_standby_takes_in():
    assert halves(pair()) == {"master", "backup"}
    assert halves(pair(Role.STANDBY)) == {"backup"}
    assert halves(pair(Role.STANDBY, lingering=True)) == {"master", "backup"}
    assert {(each.interface, each.syncid) for each in pair().sync} == {("eth1", 7)}


@pytest.mark.parametrize("edit", [{"syncdaemon": False}, {"backup_active": False}, {"backup": None}])
def test_without_somebody_to_tell_there_is_no_sync_daemon(edit):
    state = pair(**edit)
    assert state.sync == frozenset()
    assert set(state.sysctls) == {"net/ipv4/vs/expire_nodest_conn"}


def test_the_half_that_takes_in_has_room_for_the_longest_message_of_the_other():
    lengths = {
        maxlen: {each.state.value: each.maxlen for each in pair(syncd_maxlen=maxlen).sync}
        for maxlen in (0, 100, 9000)
    }
    assert lengths == {
        0: {"master": plan.SHORT_MESSAGE, "backup": 0},
        100: {"master": 100, "backup": 0},
        9000: {"master": 9000, "backup": 9000},
    }


def test_the_sync_daemons_options_are_those_of_the_configuration():
    group = ip_address("ff02::99")
    state = pair(Role.STANDBY, syncd_group=group, syncd_port=9000, syncd_ttl=3)
    assert state.sync == {SyncDaemon(SyncState.BACKUP, "eth1", 7, 0, group, 9000, 3)}


def test_the_routers_of_a_pair_differ_in_addresses_and_in_how_they_keep_connections_only():
    active, standby = pair(), pair(Role.STANDBY)
    differing = {path for path, value in active.sysctls.items() if standby.sysctls[path] != value}
    assert differing == {"net/ipv4/vs/expire_nodest_conn"}
    assert standby.addresses == frozenset()
    assert active.addresses == active.floating == standby.floating
    assert replace(active, addresses=frozenset(), sync=standby.sync, sysctls=standby.sysctls) == standby


def test_what_copying_connections_needs_of_the_kernel_is_set_on_both_routers():
    expected = {
        "net/ipv4/vs/sync_threshold": "0 0",
        "net/ipv4/vs/sync_refresh_period": "8",
        "net/ipv4/vs/sync_retries": "1",
        "net/ipv4/vs/backup_only": "0",
    }
    for role, expire in ((Role.ACTIVE, "1"), (Role.STANDBY, "0")):
        assert pair(role).sysctls == expected | {"net/ipv4/vs/expire_nodest_conn": expire}
    assert pair(Role.STANDBY, syncdaemon=False).sysctls == {"net/ipv4/vs/expire_nodest_conn": "1"}


def test_a_router_by_itself_claims_no_address_before_it_raises_it():
    assert plan.wanted(config(virtual()), Role.STANDBY, {}).floating == frozenset()


def test_timeouts_are_the_clusters():
    shop = config(tcp_timeout=900, udp_timeout=60)
    assert plan.wanted(shop, Role.ACTIVE, {}).timeouts == Timeouts(900, 0, 60)


def test_keys_name_every_real_server_that_has_an_address():
    shop = config(
        virtual(active=False, real_servers=(real(1, active=False), real(2, address=None))),
        virtual("no", None),
    )
    assert plan.keys(shop) == {("shop", "web1"): (WEB, at(1))}


def test_a_pulse_that_starts_takes_over_the_health_that_the_table_shows():
    drained, quiesced, new = real(2, weight=0), real(3), real(4)
    shop = config(virtual(quiesce=True, real_servers=(real(1), drained, quiesced, new)))
    found = {at(1): 1, at(2): 0, at(3): 0, at(9): 1}
    actual = KernelState(
        services={WEB: Service("wlc")},
        destinations={WEB: {key: Destination(Forwarding.DIRECT, weight) for key, weight in found.items()}},
    )
    health = plan.adopted_health(shop, actual)
    assert health == {
        (WEB, at(1)): Health.HEALTHY,
        (WEB, at(2)): Health.HEALTHY,
        (WEB, at(3)): Health.FAILED,
    }
    assert weights(plan.wanted(shop, Role.ACTIVE, health)) == {at(1): 1, at(2): 0, at(3): 0}
