"""From one state to another: which changes, in which order, in which words."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from lvs.config.model import Forwarding, PortRange, Protocol, Scheduler, SchedulerFlag
from lvs.router import plan
from lvs.router.diff import differences
from lvs.router.sentences import Names
from lvs.router.state import (
    Change,
    Guard,
    Health,
    InterfaceAddress,
    KernelState,
    Netfilter,
    Owned,
    Part,
    Role,
    SyncDaemon,
    SyncState,
    Timeouts,
    Verb,
)
from tests.unit.router.cluster import PAIR, config, floating, health_of, real, virtual
from tests.unit.router.kernel_suite import FLOATING, ONE, OTHER, TWO, WEB, table, verbs

SYNC = frozenset(SyncDaemon(state, "eth1", 7) for state in SyncState)


def owning(state: KernelState) -> Owned:
    return Owned(frozenset(state.services), state.addresses, frozenset(each.state for each in state.sync))


def texts(changes: tuple[Change, ...]) -> list[str]:
    return [change.text for change in changes]


def sentences(old, new, found=None) -> list[str]:
    """What it takes from one configuration, all healthy, to another (found: its healths)."""
    before = plan.wanted(old, Role.ACTIVE, health_of(old))
    after = plan.wanted(new, Role.ACTIVE, health_of(new) if found is None else found)
    return texts(differences(before, after, owning(before), Names.of(new, old)))


def test_nothing_changes_between_equal_states():
    state = replace(table(ONE, TWO), addresses=frozenset({FLOATING}), timeouts=Timeouts(1, 2, 3))
    assert differences(state, state, owning(state)) == ()
    assert differences(state, state, Owned()) == ()


def test_changes_come_in_the_order_that_leaves_no_gap():
    shop = config(
        virtual(forwarding=Forwarding.NAT, persistence=60), tcp_timeout=900, nat_router=floating("10.0.0.254")
    )
    shop = replace(shop, redundancy=PAIR)
    old = replace(
        table(ONE),
        services={OTHER: table().services[WEB], WEB: table().services[WEB]},
        addresses=frozenset({replace(FLOATING, address=ip_address("192.0.2.99"))}),
        netfilter=Netfilter(),
    )
    changes = differences(
        old, plan.wanted(shop, Role.ACTIVE, health_of(shop, web1=Health.FAILED)), owning(old)
    )
    assert verbs([change for change in changes if change.part is not Part.SYSCTL]) == [
        (Part.TIMEOUTS, Verb.CHANGE),
        (Part.SERVICE, Verb.CHANGE),
        (Part.DESTINATION, Verb.ADD),
        (Part.NETFILTER, Verb.CHANGE),
        *[(Part.SYNC, Verb.ADD)] * 2,
        *[(Part.ADDRESS, Verb.ADD)] * 2,
        *[(Part.ADDRESS, Verb.ANNOUNCE)] * 2,
        (Part.ADDRESS, Verb.REMOVE),
        (Part.DESTINATION, Verb.REMOVE),
        (Part.SERVICE, Verb.REMOVE),
    ]
    assert {change.part for change in changes[: verbs(changes).index((Part.TIMEOUTS, Verb.CHANGE))]} == {
        Part.SYSCTL
    }


def test_the_sync_daemon_is_told_in_words():
    wanted = KernelState(sync=frozenset({SyncDaemon(SyncState.MASTER, "eth1", 7, ttl=2)}))
    actual = KernelState(
        sync=frozenset({SyncDaemon(SyncState.MASTER, "eth0", 3, 1472, ip_address("224.0.0.99"), 8848, 2)})
    )
    assert texts(differences(KernelState(), wanted, Owned())) == [
        "start sync daemon master on eth1, id 7: tells the other router of connections"
    ]
    assert texts(differences(actual, wanted, Owned())) == [
        "restart sync daemon master: interface eth0 → eth1, id 3 → 7, group 224.0.0.99 → 224.0.0.81"
    ]


def test_everything_goes_in_reverse():
    old = replace(table(ONE, TWO), addresses=frozenset({FLOATING}), netfilter=Netfilter(), sync=SYNC)
    assert texts(differences(old, KernelState(), owning(old))) == [
        "remove address 192.0.2.1/24 on eth0:1",
        "stop sync daemon backup on eth1, id 7: takes in the other router's connections",
        "stop sync daemon master on eth1, id 7: tells the other router of connections",
        "remove netfilter table inet piranha",
        "remove virtual server tcp 192.0.2.1:80 with its 2 real servers",
    ]


def test_what_is_foreign_is_left_alone():
    old = replace(table(ONE), addresses=frozenset({FLOATING}), timeouts=Timeouts(1, 2, 3))
    assert differences(old, KernelState(), Owned()) == ()


def test_a_real_server_that_somebody_added_to_our_service_goes():
    assert texts(differences(table(ONE, TWO), table(ONE), Owned())) == [
        "remove real server 10.0.0.12:80 from tcp 192.0.2.1:80"
    ]


def test_the_sorry_server_comes_before_the_last_real_server_goes_and_the_reverse():
    shop = config(virtual(sorry_server=ip_address("10.0.0.99"), real_servers=(real(1),)))
    place = plan.keys(shop)["shop", "web1"]
    assert sentences(shop, shop, {place: Health.FAILED}) == [
        "add sorry server 10.0.0.99:80 to shop, weight 1, direct routing",
        "remove real server web1 10.0.0.11:80 from shop",
    ]
    failed = plan.wanted(shop, Role.ACTIVE, {place: Health.FAILED})
    back = differences(
        failed, plan.wanted(shop, Role.ACTIVE, health_of(shop)), owning(failed), Names.of(shop)
    )
    assert verbs(back) == [(Part.DESTINATION, Verb.ADD), (Part.DESTINATION, Verb.REMOVE)]


def test_a_service_that_turns_into_a_mark_has_the_mark_before_the_packets_get_it():
    changed = differences(
        plan.wanted(config(virtual()), Role.STANDBY, {}),
        plan.wanted(config(virtual(fwmark=7)), Role.STANDBY, {}),
        Owned(frozenset({WEB})),
    )
    assert verbs(changed) == [
        (Part.SERVICE, Verb.ADD),
        (Part.NETFILTER, Verb.ADD),
        (Part.SERVICE, Verb.REMOVE),
    ]


def test_a_moved_address_is_up_at_its_new_place_before_it_leaves_the_old():
    moved = replace(FLOATING, interface="eth1", label="")
    changes = differences(
        KernelState(addresses=frozenset({FLOATING})),
        KernelState(addresses=frozenset({moved})),
        Owned(addresses=frozenset({FLOATING})),
    )
    assert [(change.verb, change.address) for change in changes] == [
        (Verb.ADD, moved),
        (Verb.ANNOUNCE, moved),
        (Verb.REMOVE, FLOATING),
    ]


def test_an_address_that_replaces_itself_is_not_removed():
    six = InterfaceAddress(ip_address("2001:db8::1"), 64, "eth0")
    old = frozenset({FLOATING, six})
    new = frozenset({replace(FLOATING, label=""), replace(six, prefix=128)})
    changes = differences(KernelState(addresses=old), KernelState(addresses=new), Owned(addresses=old))
    assert {change.verb for change in changes} == {Verb.ADD, Verb.ANNOUNCE}


def test_only_timeouts_that_differ_are_set():
    changes = differences(
        KernelState(timeouts=Timeouts(900, 120, 300)), KernelState(timeouts=Timeouts(900, 60, 0)), Owned()
    )
    assert texts(changes) == ["set connection timeouts: TCP after FIN 60 s"]
    assert changes[0].timeouts == Timeouts(0, 60, 0)


def test_a_table_changed_by_hand_is_set_again_and_the_change_named():
    wanted = Netfilter(masquerade=(ip_address("10.0.0.11"),))
    changes = differences(
        KernelState(netfilter=replace(wanted, drift=("a rule was added",))),
        KernelState(netfilter=wanted),
        Owned(),
    )
    assert texts(changes) == [
        "set netfilter table inet piranha: masquerading for 1 real server (undoes by hand: a rule was added)"
    ]


def test_new_things_are_told_by_name_with_their_settings():
    shop = config(
        virtual(
            "shop-http",
            persistence=60,
            persistence_mask=24,
            real_servers=(real(3, weight=2, upper_threshold=9, lower_threshold=3),),
            forwarding=Forwarding.NAT,
        ),
        virtual("mail", "2001:db8::1", protocol=Protocol.UDP, one_packet=True, fwmark=5, real_servers=()),
    )
    said = sentences(config(), shop)
    assert said[0] == "set net/ipv4/ip_forward to 1: the answers of NAT real servers pass through this router"
    assert said[3:] == [
        "add virtual server shop-http (tcp 192.0.2.1:80), scheduler wlc, persistence 60 s for each /24",
        "add real server web3 10.0.0.13:80 to shop-http, weight 2, at most 9 connections, again below 3",
        "add virtual server mail (fwmark 5 (IPv6)), scheduler wlc, every datagram by itself",
        "set netfilter table inet piranha: firewall mark 5 for udp [2001:db8::1]:80; "
        "masquerading for 1 real server",
        "add address 192.0.2.1/32 on eth0",
        "add address 2001:db8::1/128 on eth0",
        "announce 192.0.2.1 on eth0",
        "announce 2001:db8::1 on eth0",
    ]


def test_edits_tell_old_and_new():
    old = config(virtual(persistence=60, real_servers=(real(1, weight=2), real(2))))
    new = config(
        virtual(
            scheduler=Scheduler.SH,
            scheduler_flags=(SchedulerFlag.SH_PORT,),
            forwarding=Forwarding.TUNNEL,
            real_servers=(real(1, weight=0), real(2, upper_threshold=5)),
        )
    )
    assert sentences(old, new) == [
        "change shop: scheduler wlc → sh sh-port, persistence 60 s → no persistence",
        "change real server web1 10.0.0.11:80 of shop: weight 2 → 0, direct routing → tunnelling",
        "change real server web2 10.0.0.12:80 of shop: direct routing → tunnelling, "
        "no connection limit → at most 5 connections, again below 0",
    ]


def test_what_goes_is_told_by_its_old_name():
    old = config(virtual("a"), virtual("b", "192.0.2.2", real_servers=(real(1),)))
    new = config(virtual("a", real_servers=(real(2),)))
    assert sentences(old, new) == [
        "remove address 192.0.2.2/32 on eth0",
        "remove real server web1 10.0.0.11:80 from a",
        "remove virtual server b (tcp 192.0.2.2:80) with its real server",
    ]


def test_further_ports_show_in_the_sentence():
    new = config(virtual(fwmark=7, ports=(PortRange(443, 443), PortRange(20, 30)), real_servers=()))
    (said,) = [text for text in sentences(config(), new) if "netfilter" in text]
    assert said == (
        "set netfilter table inet piranha: firewall mark 7 for tcp 192.0.2.1:20-30, tcp 192.0.2.1:80 "
        "and tcp 192.0.2.1:443"
    )


def test_each_mark_shows_with_its_ports_and_of_many_their_number():
    def said(count):
        servers = [
            virtual(str(each), f"192.0.2.{each}", fwmark=each, real_servers=())
            for each in range(1, count + 1)
        ]
        (text,) = [text for text in sentences(config(), config(*servers)) if "netfilter" in text]
        return text

    assert said(2) == (
        "set netfilter table inet piranha: firewall mark 1 for tcp 192.0.2.1:80; "
        "firewall mark 2 for tcp 192.0.2.2:80"
    )
    assert said(9).startswith("set netfilter table inet piranha: 9 firewall marks for tcp 192.0.2.1:80, ")


def test_a_guard_shows_in_the_sentence():
    guard = Guard(3636, (ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
    said = [
        each.text
        for networks in (guard.networks, ())
        for each in differences(
            KernelState(), KernelState(netfilter=Netfilter(guard=Guard(3636, networks))), Owned()
        )
    ]
    table = "set netfilter table inet piranha: port 3636 only for this machine and"
    assert said == [f"{table} 10.0.0.0/8 and fd00::/8", f"{table} nobody else"]
