"""What is remarked on a router that was seen: each thing that can stand against a configuration, named."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.config.model import (
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    Protocol,
    Redundancy,
    Scheduler,
)
from lvs.router.judges.rivals import KEEPALIVED_FILE, program
from lvs.router.parameter_table import table
from lvs.router.preflight import document, judged
from lvs.router.seen import (
    Answered,
    Clock,
    Interface,
    Ipvs,
    Level,
    Limits,
    Listener,
    Mention,
    Modules,
    Process,
    Remark,
    Seen,
    Way,
)
from lvs.router.state import (
    Family,
    InterfaceAddress,
    Owned,
    Role,
    ServiceKey,
    SyncDaemon,
    SyncState,
)
from lvs.router.sysctl_files import Settings
from tests.unit.router.cluster import floating, real, virtual
from tests.unit.router.test_ruleset import ACCEPT, STATE, base, field, match, rule

NOW = 1_800_000_000.0
PRIMARY, BACKUP = ip_address("192.0.2.8"), ip_address("192.0.2.9")
PRIVATE, BACKUP_PRIVATE = ip_address("10.0.0.8"), ip_address("10.0.0.9")
VIRTUAL = ip_address("192.0.2.1")
GATEWAY = ip_address("10.0.0.254")
ALL_MODULES = (
    "ip_vs ip_vs_wlc ip_vs_ftp nf_tables nf_conntrack nf_nat nft_chain_nat nft_masq ipv6".split()  # noqa: SIM905
)

DIRECT = LvsConfig(
    global_settings=GlobalSettings(primary=PRIMARY, primary_private=PRIVATE),
    virtual_servers=(virtual(),),
    redundancy=Redundancy(backup_active=True, backup=BACKUP, backup_private=BACKUP_PRIVATE),
)
NAT = replace(
    DIRECT,
    global_settings=replace(DIRECT.global_settings, nat_router=floating(str(GATEWAY), "eth1:1"), nat_mask=24),
    virtual_servers=(virtual(forwarding=Forwarding.NAT),),
)
FOUND = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/eth0/rp_filter": "0",
    "net/ipv4/ip_local_port_range": "32768 60999",
    "net/netfilter/nf_conntrack_max": "262144",
}


def seen(config: LvsConfig = NAT, saved: str = "", **changes: Any) -> Seen:
    """A router with nothing to remark, but for changes; found=… are kernel parameters."""
    found = FOUND | changes.pop("found", {})
    settings = Settings([("/etc/sysctl.d/90.conf", saved)])
    whole = Seen(
        modules=Modules(present=frozenset(ALL_MODULES), known=True, release="6.1.0"),
        interfaces={
            name: Interface(name, True, True, bytes([2, 0, 0, 0, 0, n]))
            for n, name in enumerate(("lo", "eth0", "eth1"))
        },
        addresses=frozenset({InterfaceAddress(PRIMARY, 24, "eth0"), InterfaceAddress(PRIVATE, 24, "eth1")}),
        ways={one.address: Way("eth1") for one in (real(1), real(2)) if one.address},
        way_out={4: Way("eth0", ip_address("192.0.2.254")), 6: None},
        parameters=table(config, Role.ACTIVE, found.get, settings),
        clock=Clock(NOW, True),
        limits=Limits(4096, 10),
    )
    return replace(whole, **changes)


def remarks(config: LvsConfig = NAT, **changes: Any) -> tuple[Remark, ...]:
    return judged(seen(config, **changes), config)


def the_only(config: LvsConfig = NAT, **changes: Any) -> Remark:
    found = remarks(config, **changes)
    assert len(found) == 1, [remark.what for remark in found]
    assert all((found[0].what, found[0].why, found[0].remedy, found[0].evidence)), (
        "a remark leaves nothing out"
    )
    return found[0]


@pytest.mark.parametrize("config", [DIRECT, NAT, LvsConfig()], ids=["direct", "NAT", "nothing"])
def test_of_a_router_that_is_fit_nothing_is_remarked(config: LvsConfig) -> None:
    assert remarks(config) == ()


def test_the_worst_comes_first_and_what_could_not_be_seen_is_said() -> None:
    found = remarks(
        clock=Clock(NOW, False), interfaces={}, unseen=("This router's routes could not be looked at.",)
    )
    assert [remark.level for remark in found] == sorted(
        (remark.level for remark in found), key=list(Level).index
    )
    assert {remark.level for remark in found} == set(Level)
    assert found[-1].what == "This router's routes could not be looked at."


def test_the_document_has_remarks_and_parameters() -> None:
    one = seen(saved="net.ipv4.ip_forward=0")
    made = document(judged(one, NAT), one)
    assert made["remarks"][0].keys() == {"level", "about", "what", "why", "remedy", "evidence"}
    assert made["parameters"][0] == {
        "path": "net/ipv4/ip_forward",
        "wanted": "1",
        "found": "1",
        "why": "the answers of NAT real servers pass through this router",
        "when": "NAT over IPv4",
        "persisted": {"value": "0", "place": "/etc/sysctl.d/90.conf:1"},
    }


def test_the_document_has_the_machine_s_own_addresses_and_its_way_out() -> None:
    one = Seen(
        interfaces={name: Interface(name, on=True, carries=True) for name in ("eth0", "eth1")},
        addresses=frozenset(
            InterfaceAddress(ip_address(address), prefix, name)
            for address, prefix, name in (
                ("192.0.2.9", 24, "eth0"),
                ("192.0.2.10", 32, "eth0"),
                ("2001:db8::9", 64, "eth0"),
                ("fe80::1", 64, "eth0"),
            )
        ),
        owned=Owned(addresses=frozenset({InterfaceAddress(ip_address("192.0.2.10"), 32, "eth0", "eth0:1")})),
        way_out={4: Way("eth0", ip_address("192.0.2.254")), 6: None},
    )
    made = document((), one)
    assert made["interfaces"] == [
        {"name": "eth0", "carries": True, "addresses": ["192.0.2.9/24", "2001:db8::9/64"]},
        {"name": "eth1", "carries": True, "addresses": []},
    ]
    assert made["ways_out"] == {"4": {"interface": "eth0", "gateway": "192.0.2.254"}, "6": None}


# ---- modules


def test_a_scheduler_that_the_kernel_has_not_got_is_named() -> None:
    config = replace(DIRECT, virtual_servers=(virtual(scheduler=Scheduler.MH),))
    found = the_only(config)
    assert (found.level, found.what) == (Level.ERROR, "This kernel cannot have the module ip_vs_mh.")
    assert "shop has the scheduler mh" in found.why
    assert "CONFIG_IP_VS_MH" in found.remedy


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        (Modules(loadable=frozenset(ALL_MODULES), known=True), None),
        (Modules(loadable=frozenset(ALL_MODULES), known=True, frozen=True), "modules_disabled is 1"),
        (
            Modules(
                loadable=frozenset(ALL_MODULES), known=True, forbidden={"ip_vs": "/etc/modprobe.d/x.conf:3"}
            ),
            "x.conf:3",
        ),
        (Modules(known=True, release="6.1.0"), "modules.dep of /lib/modules/6.1.0"),
        (Modules(release="6.1.0"), "/lib/modules/6.1.0 has no lists"),
    ],
)
def test_modules_count_as_there_when_they_can_be_loaded(modules: Modules, said: str | None) -> None:
    found = remarks(DIRECT, modules=modules)
    assert bool(found) == bool(said)
    assert said is None or said in found[0].evidence


def test_ftp_over_nat_needs_a_module_that_pulse_loads() -> None:
    config = replace(NAT, virtual_servers=(virtual("ftp", forwarding=Forwarding.NAT, port=21),))
    without = Modules(frozenset(ALL_MODULES) - {"ip_vs_ftp"}, frozenset({"ip_vs_ftp"}), known=True)
    assert remarks(config, modules=without) == ()
    found = the_only(config, modules=replace(without, loadable=frozenset()))
    assert (found.level, "CONFIG_IP_VS_FTP" in found.remedy) == (Level.WARNING, True)
    assert remarks(NAT, modules=without) == ()


def test_ftp_with_a_firewall_mark_and_the_helper_beside_it_want_different_addresses() -> None:
    marked = virtual("marked", forwarding=Forwarding.NAT, port=21, ports=(PortRange(10000, 20000),), fwmark=1)
    config = replace(NAT, virtual_servers=(marked,))
    without = Modules(frozenset(ALL_MODULES) - {"ip_vs_ftp"}, frozenset({"ip_vs_ftp"}), known=True)
    assert remarks(config, modules=without) == ()
    assert "Take pasv_address out" in the_only(config).remedy
    plain = virtual("plain", "192.0.2.9", forwarding=Forwarding.NAT, port=21)
    both = replace(NAT, virtual_servers=(marked, plain))
    assert "another virtual server needs it" in the_only(both, modules=without).evidence
    direct = replace(NAT, virtual_servers=(replace(marked, forwarding=Forwarding.DIRECT),))
    assert remarks(direct) == ()


# ---- interfaces


@pytest.mark.parametrize(
    ("interface", "what"),
    [
        (None, "This machine has no interface eth0."),
        (Interface("eth0", False, False), "The interface eth0 is switched off."),
        (Interface("eth0", True, False), "The interface eth0 has no carrier."),
    ],
)
def test_an_interface_that_is_missing_or_down_is_named_with_whom_it_is_to_carry(
    interface: Interface | None, what: str
) -> None:
    interfaces = {"eth1": Interface("eth1", True, True)} | ({"eth0": interface} if interface else {})
    found = the_only(DIRECT, interfaces=interfaces)
    assert (found.level, found.what) == (Level.ERROR, what)
    assert "192.0.2.1 of shop" in found.why


def test_a_missing_vlan_comes_with_the_command_that_makes_it() -> None:
    config = replace(
        DIRECT, virtual_servers=(replace(virtual(), address=floating("192.0.2.1", "bond0.100:1")),)
    )
    found = the_only(config)
    assert "ip link add link bond0 name bond0.100 type vlan id 100" in found.remedy


# ---- addresses


def test_a_machine_that_is_none_of_the_routers_is_told_so() -> None:
    found = the_only(DIRECT, addresses=frozenset({InterfaceAddress(ip_address("192.0.2.77"), 24, "eth0")}))
    assert found.level is Level.ERROR
    assert found.what == "This machine has the address of no router: primary 192.0.2.8 and backup 192.0.2.9."


def test_a_machine_with_the_addresses_of_both_is_told_so() -> None:
    both = seen().addresses | {InterfaceAddress(BACKUP, 24, "eth0")}
    assert "addresses of both routers" in the_only(DIRECT, addresses=both).what


def test_a_backup_without_its_private_address_is_told_so() -> None:
    found = the_only(DIRECT, addresses=frozenset({InterfaceAddress(BACKUP, 24, "eth0")}))
    assert found.what == "This machine has not got its private address 10.0.0.9."


def test_a_floating_address_that_pulse_did_not_put_there_is_remarked_and_its_own_is_not() -> None:
    here = InterfaceAddress(VIRTUAL, 32, "eth0")
    with_it = seen().addresses | {here}
    found = the_only(DIRECT, addresses=with_it)
    assert found.level is Level.WARNING
    assert "ip address del 192.0.2.1/32 dev eth0" in found.remedy
    assert remarks(DIRECT, addresses=with_it, owned=Owned(addresses=frozenset({here}))) == ()


def test_a_floating_address_in_the_network_configuration_is_an_error() -> None:
    found = the_only(DIRECT, mentions=(Mention(VIRTUAL, "/etc/network/interfaces:12"),))
    assert (found.level, found.evidence) == (Level.ERROR, "/etc/network/interfaces:12")


def test_another_machine_that_answers_is_named_and_the_other_router_may() -> None:
    mac = bytes.fromhex("020000aabbcc")
    answered = (Answered(VIRTUAL, "eth0", mac),)
    found = the_only(DIRECT, answered=answered, neighbours={mac: ip_address("10.0.0.11")})
    assert found.what.endswith("192.0.2.1: 02:00:00:aa:bb:cc, which is 10.0.0.11.")
    assert remarks(DIRECT, answered=answered, peers=frozenset({mac})) == ()


# ---- routes


def test_a_strict_filter_where_the_way_back_is_elsewhere_drops_clients() -> None:
    elsewhere = {4: Way("eth1", ip_address("10.0.0.1")), 6: None}
    found = the_only(DIRECT, way_out=elsewhere, found={"net/ipv4/conf/eth0/rp_filter": "1"})
    assert found.level is Level.ERROR
    assert "over eth1" in found.why
    assert "rp_filter=2" in found.remedy
    assert remarks(DIRECT, way_out=elsewhere, found={"net/ipv4/conf/eth0/rp_filter": "2"}) == ()
    assert remarks(DIRECT, found={"net/ipv4/conf/all/rp_filter": "1"}) == ()


def test_nat_without_a_default_route_leaves_distant_clients_without_answers() -> None:
    assert the_only(NAT, way_out={4: None, 6: None}).what == "This machine has no IPv4 default route."


def test_real_servers_that_cannot_be_reached_are_named() -> None:
    found = the_only(DIRECT, ways={ip_address("10.0.0.11"): None, ip_address("10.0.0.12"): Way("eth1")})
    assert found.what == "There is no route to web1 (10.0.0.11)."


def test_direct_routing_through_another_router_cannot_work_and_nat_can() -> None:
    ways = dict.fromkeys(
        (ip_address("10.0.0.11"), ip_address("10.0.0.12")), Way("eth1", ip_address("10.0.0.1"))
    )
    found = the_only(DIRECT, ways=ways)
    assert found.level is Level.ERROR
    assert (
        found.what == "web1 (10.0.0.11) and web2 (10.0.0.12) can be reached only through the router 10.0.0.1."
    )
    assert remarks(NAT, ways=ways) == ()


def test_nat_real_servers_beside_the_gateway_address_are_named() -> None:
    ways = {ip_address("10.0.0.11"): Way("eth2"), ip_address("10.0.0.12"): Way("eth1")}
    assert (
        the_only(NAT, ways=ways).what
        == "web1 (10.0.0.11) can be reached over eth2, where no nat_router address is."
    )


def test_one_network_for_clients_and_nat_real_servers_is_remarked() -> None:
    settings = replace(NAT.global_settings, nat_router=floating("192.0.2.254", "eth0:1"))
    config = replace(NAT, global_settings=settings)
    ways = dict.fromkeys((ip_address("10.0.0.11"), ip_address("10.0.0.12")), Way("eth0"))
    found = the_only(config, ways=ways)
    assert "in one network (192.0.2.0/24)" in found.what
    assert "send_redirects" in found.remedy


# ---- firewalls


def test_a_closed_input_chain_is_named_with_what_it_drops_and_the_rule_that_lets_it_in() -> None:
    found = the_only(replace(DIRECT, redundancy=Redundancy()), rules=(base(policy="drop"),))
    assert found.level is Level.ERROR
    assert found.what == (
        "The policy drop of chain input of table inet filter drops what clients send to 192.0.2.1 tcp port "
        "80."
    )
    assert "ip daddr 192.0.2.1 tcp dport 80 accept" in found.remedy
    assert found.evidence == "nft list table inet filter"


def test_a_closed_input_chain_keeps_the_routers_from_hearing_each_other() -> None:
    config = replace(DIRECT, virtual_servers=())
    found = the_only(config, rules=(base(policy="drop"),))
    assert "heartbeat: from 192.0.2.9 to UDP port 539 and from 10.0.0.9 to UDP port 539" in found.what
    open_ = rule(match(field("udp", "dport"), 539), ACCEPT)
    assert remarks(config, rules=(base(policy="drop"), open_)) == ()


def test_answers_of_nat_real_servers_need_more_than_established() -> None:
    closed = base("forward", "forward", policy="drop")
    established = rule(match(STATE, [2, 4], "in"), ACCEPT, chain="forward")
    found = the_only(NAT, rules=(closed, established))
    assert "what NAT real servers answer: web1 (10.0.0.11) tcp port 80 and web2" in found.what
    assert "invalid or new" in found.why
    assert "net.ipv4.vs.conntrack = 1" in found.remedy
    assert remarks(NAT, rules=(closed, established), found={"net/ipv4/vs/conntrack": "1"}) == ()
    assert remarks(DIRECT, rules=(closed,)) == ()


def test_dropping_what_is_invalid_drops_the_first_answer() -> None:
    rules = (base("forward", "forward"), rule(match(STATE, 1, "in"), {"drop": None}, chain="forward"))
    assert the_only(NAT, rules=rules).level is Level.ERROR


def test_what_is_handed_on_must_get_out() -> None:
    rules = (
        base("output", "output"),
        rule(match(field("ip", "daddr"), "192.0.2.1"), {"drop": None}, chain="output"),
    )
    assert "what IPVS hands on to web1 (10.0.0.11) and web2" in the_only(DIRECT, rules=rules).what
    assert remarks(NAT, rules=rules) == ()


def test_a_rule_that_sends_the_virtual_port_elsewhere_is_named() -> None:
    place = {"family": "ip", "table": "nat"}
    chain = {"chain": {**place, "name": "pre", "type": "nat", "hook": "prerouting", "prio": -100}}
    rules = (
        chain,
        rule(match(field("tcp", "dport"), 80), {"dnat": {"addr": "10.0.0.1"}}, chain="pre", **place),
    )
    assert the_only(DIRECT, rules=rules).what.startswith(
        "Rule 1 in chain pre of table ip nat sends elsewhere"
    )


def test_what_cannot_be_followed_is_a_warning() -> None:
    rules = (base(), rule(match(field("ip", "saddr"), "@blocked"), {"drop": None}))
    found = the_only(replace(DIRECT, redundancy=Redundancy()), rules=rules)
    assert (found.level, "may drop" in found.what) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("process", "remedy"),
    [("firewalld", "firewall-cmd"), ("dockerd", "DOCKER-USER")],
)
def test_the_remedy_speaks_the_language_of_the_firewall_that_runs(process: str, remedy: str) -> None:
    rules = (base("forward", "forward", policy="drop"),)
    found = remarks(NAT, rules=rules, processes=(Process(7, process),))
    assert remedy in found[0].remedy
    assert found[-1].level is Level.NOTE


def test_rules_of_iptables_legacy_are_named() -> None:
    assert the_only(DIRECT, old_tables=("ip filter",)).level is Level.NOTE
    found = the_only(DIRECT, old_tables=("ip filter",), rules=(base(), rule(ACCEPT)))
    assert found.level is Level.WARNING


# ---- other managers


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("/usr/sbin/keepalived", "--dont-fork"), "keepalived"),
        (("/usr/bin/perl", "-w", "/usr/sbin/ldirectord", "start"), "ldirectord"),
        (("/usr/sbin/lvsd", "--nofork"), "lvsd"),
        (("pulse",), "pulse"),
        (("/opt/piranha/.venv/bin/python3.11", "/opt/piranha/.venv/bin/piranha", "pulse"), "piranha"),
        (("nginx: worker process",), "nginx"),
        ((), "sshd"),
    ],
)
def test_a_program_is_known_by_its_command_line(words: tuple[str, ...], name: str) -> None:
    assert program(Process(1, "sshd", words)) == name


@pytest.mark.parametrize("name", ["keepalived", "ldirectord", "lvsd", "nanny", "pulse"])
def test_another_manager_of_ipvs_is_named_with_its_number(name: str) -> None:
    found = the_only(DIRECT, processes=(Process(4711, name, (f"/usr/sbin/{name}", "-x")),))
    assert found.level is Level.ERROR
    assert name in found.what
    assert "process 4711" in found.evidence
    assert "systemctl disable --now" in found.remedy


def test_keepalived_for_vrrp_alone_is_a_warning() -> None:
    text = "vrrp_instance one {\n}\n"
    found = the_only(
        DIRECT, processes=(Process(1, "keepalived", ("keepalived",)),), files={KEEPALIVED_FILE: text}
    )
    assert found.level is Level.WARNING


def test_kube_proxy_counts_in_its_ipvs_mode() -> None:
    plain = Process(1, "kube-proxy", ("/usr/local/bin/kube-proxy", "--config=/x"))
    assert remarks(DIRECT, processes=(plain,)) == ()
    assert (
        "kube-ipvs0"
        in the_only(
            DIRECT,
            processes=(plain,),
            interfaces=dict(seen().interfaces) | {"kube-ipvs0": Interface("kube-ipvs0", True, True)},
        ).evidence
    )
    asked = replace(plain, words=(*plain.words, "--proxy-mode=ipvs"))
    assert the_only(DIRECT, processes=(asked,)).level is Level.ERROR


OURS = ServiceKey(Family.V4, Protocol.TCP, VIRTUAL, 80)
FOREIGN = ServiceKey(Family.V4, Protocol.UDP, ip_address("198.51.100.1"), 53)


def test_foreign_services_are_named_and_pulse_own_are_not() -> None:
    found = the_only(DIRECT, ipvs=Ipvs(frozenset({OURS, FOREIGN})), owned=Owned(services=frozenset({OURS})))
    assert "udp 198.51.100.1:53" in found.what
    assert "ipvsadm -D -u 198.51.100.1:53" in found.remedy


def test_a_service_of_lvs_cf_that_somebody_else_made_is_said_to_be_taken_over() -> None:
    assert "takes over" in the_only(DIRECT, ipvs=Ipvs(frozenset({OURS}))).why


def test_a_sync_daemon_that_pulse_did_not_start_is_named() -> None:
    daemon = SyncDaemon(SyncState.MASTER, "eth1", 7)
    found = the_only(DIRECT, ipvs=Ipvs(sync=frozenset({daemon})))
    assert (found.level, found.remedy) == (Level.NOTE, "Stop it: ipvsadm --stop-daemon master")
    owned = Owned(sync=frozenset({SyncState.MASTER}))
    assert remarks(DIRECT, ipvs=Ipvs(sync=frozenset({daemon})), owned=owned) == ()


# ---- listeners


@pytest.mark.parametrize(
    ("address", "port", "level"),
    [
        ("0.0.0.0", 80, Level.NOTE),
        ("::", 80, Level.NOTE),
        ("192.0.2.1", 80, Level.WARNING),
        ("192.0.2.8", 80, None),
        ("0.0.0.0", 22, None),
    ],
)
def test_programs_that_wait_at_a_virtual_port_are_named(address: str, port: int, level: Level | None) -> None:
    listener = Listener(Protocol.TCP, ip_address(address), port, "nginx (process 5)")
    found = remarks(DIRECT, listeners=(listener,))
    assert [remark.level for remark in found] == ([level] if level else [])
    assert all("nginx (process 5)" in remark.what for remark in found)


# ---- parameters, limits, clock


def test_a_file_that_undoes_what_pulse_sets_is_named_with_its_line() -> None:
    found = the_only(NAT, saved="#\nnet.ipv4.ip_forward = 0\n")
    assert (found.level, found.evidence) == (Level.WARNING, "/etc/sysctl.d/90.conf:2")


def test_that_forwarding_will_be_switched_on_is_said() -> None:
    assert the_only(NAT, found={"net/ipv4/ip_forward": "0"}).level is Level.NOTE
    assert remarks(DIRECT, found={"net/ipv4/ip_forward": "0"}) == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("net/ipv4/conf/eth1/forwarding", "0"),
        ("net/ipv4/conf/all/arp_ignore", "8"),
        ("net/ipv4/conf/eth0/arp_ignore", "8"),
        ("net/ipv4/vs/conn_reuse_mode", "0"),
    ],
)
def test_parameters_in_the_way_are_named_with_the_command(path: str, value: str) -> None:
    found = remarks(NAT, found={path: value})
    assert found
    assert all(path in remark.what for remark in found)
    assert f"sysctl -w {path.replace('/', '.')}=" in found[0].remedy


def test_an_ipv6_address_needs_ipv6_on_its_interface() -> None:
    config = replace(DIRECT, virtual_servers=(virtual(address="2001:db8::1"),))
    found = the_only(config, found={"net/ipv6/conf/eth0/disable_ipv6": "1"})
    assert "2001:db8::1 cannot be raised" in found.why


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"found": {"net/netfilter/nf_conntrack_max": "8192"}}, Level.NOTE),
        ({"limits": Limits(4096, 250_000)}, Level.WARNING),
        ({"limits": Limits(1, 0)}, Level.WARNING),
        ({"found": {"net/ipv4/ip_local_port_range": "500 60999"}}, Level.WARNING),
        ({"found": {"net/ipv4/ip_local_port_range": "60000 60999"}}, Level.WARNING),
        ({"clock": Clock(NOW, False)}, Level.WARNING),
        ({"clock": Clock(0.0, None)}, Level.ERROR),
    ],
    ids=[
        "little conntrack",
        "full conntrack",
        "descriptors",
        "heartbeat port",
        "ports",
        "clock alone",
        "1970",
    ],
)
def test_what_there_is_too_little_of_is_named(changes: dict[str, Any], level: Level) -> None:
    assert the_only(NAT, **changes).level is level


def test_a_heartbeat_port_that_is_reserved_is_fine() -> None:
    found = {"net/ipv4/ip_local_port_range": "500 60999", "net/ipv4/ip_local_reserved_ports": "100,530-540"}
    assert remarks(NAT, found=found) == ()


def test_thousands_of_virtual_servers_are_judged_in_a_moment() -> None:
    config = replace(
        NAT,
        virtual_servers=tuple(
            virtual(f"v{n}", str(ip_address("198.18.0.1") + n), forwarding=Forwarding.NAT)
            for n in range(1000)
        ),
    )
    found = judged(
        seen(config, rules=(base(policy="drop"), base("forward", "forward", policy="drop"))), config
    )
    assert any("and 196 more" in remark.what for remark in found)
