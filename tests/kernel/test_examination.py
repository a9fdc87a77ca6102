"""*Check this real server* on real machines: content with good ones, and each classic mistake named.

A machine is plugged in with nothing but its addresses and a web server, or is set up by its script and then
spoiled; the remark must name the mistake, and no other. Then its script mends it, and the check is content.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import batch, inside, write_sysctls
from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    RealServer,
    Redundancy,
    VirtualServer,
)
from lvs.pulse.examining import subject_of
from lvs.realservers import setups
from lvs.router import sysctl
from lvs.router.examination.course import examine
from lvs.router.examination.subject import Examination, Subject
from lvs.router.seen import Level
from lvs.router.state import Role
from tests.kernel import test_real_server_setup as fresh
from tests.kernel import traffic
from tests.kernel.conftest import has_nftables
from tests.kernel.leftovers import clear_kernel
from tests.kernel.test_lab import balance
from tests.kernel.traffic import Router, routed, virtual
from tests.real_machine import RealMachine

pytestmark = pytest.mark.kernel

FRESH, PRIVATE, PRIVATE6, PUBLIC, PUBLIC6 = (
    fresh.FRESH,
    fresh.PRIVATE,
    fresh.PRIVATE6,
    fresh.PUBLIC,
    fresh.PUBLIC6,
)
plug = fresh.plug
Plug = fresh.Plug

NAT, DIRECT, TUNNEL = Forwarding.NAT, Forwarding.DIRECT, Forwarding.TUNNEL
VIRTUAL = {DIRECT: network.DIRECT_VIP, TUNNEL: network.TUNNEL_VIP}
# For each method: virtual address, the machine's own, and what is said before anything is set up.
CASES = {
    NAT: [
        (network.NAT_VIP, PRIVATE[0], "has the wrong gateway"),
        (network.NAT_VIP6, PRIVATE6[0], "has the wrong gateway"),
    ],
    DIRECT: [
        (network.DIRECT_VIP, PUBLIC[0], "does not take packets for the virtual address"),
        (network.DIRECT_VIP6, PUBLIC6[0], "does not take packets for the virtual address"),
    ],
    TUNNEL: [
        (network.TUNNEL_VIP, PUBLIC[0], "has no tunnel device that is up"),
        (network.TUNNEL_VIP6, PUBLIC[0], "has no tunnel device that is up"),
        (network.TUNNEL_VIP6, PUBLIC6[0], "tunnel"),
    ],
}
ARP_IGNORE = "net/ipv4/conf/all/arp_ignore"
WAYS = {
    "nat": traffic.NAT,
    "nat6": traffic.NAT6,
    "direct": traffic.DIRECT,
    "direct6": traffic.DIRECT6,
    "tunnel": traffic.TUNNEL,
}
PAIR = Redundancy(backup_active=True, backup=ip_address("192.168.26.8"))


class Bench:
    """A machine behind r1, by one method: what its check says, and its script."""

    def __init__(self, lab: Lab, machine: RealMachine, method: Forwarding, virtual: str, own: str) -> None:
        self.lab, self.machine, self.method, self.virtual = lab, machine, method, virtual
        self.server = RealServer(name=FRESH, address=ip_address(own), active=True)
        self.ports: tuple[PortRange, ...] = ()
        clear_kernel(lab, "r1", nftables=has_nftables())
        balance(lab, virtual, fresh.OPTIONS[method], (own,), protocol="tcp", port=80)

    @property
    def config(self) -> LvsConfig:
        service = VirtualServer(
            name="web",
            active=True,
            address=FloatingAddress(address=ip_address(self.virtual), device="eth0:1"),
            forwarding=self.method,
            ports=self.ports,
            real_servers=(self.server,),
        )
        settings = GlobalSettings(
            primary=ip_address("192.168.26.9"),
            nat_router=FloatingAddress(address=ip_address(network.NAT_GATEWAY), device="eth1:1"),
            nat_mask=24,
            nat_router6=FloatingAddress(address=ip_address(network.NAT_GATEWAY6), device="eth1"),
        )
        return LvsConfig(global_settings=settings, redundancy=PAIR, virtual_servers=(service,))

    def subject(self, role: Role = Role.ACTIVE) -> Subject:
        return subject_of(self.config, "web", FRESH, role)

    def mend(self, way: str | None = None) -> None:
        """Runs the script of the first way, or of that one."""
        found = setups(self.config, None, self.server)
        self.machine.run(next(one for one in found if way is None or one.way == way))

    def check(
        self, router: str = "r1", role: Role = Role.ACTIVE, subject: Subject | None = None
    ) -> Examination:
        with inside(router):
            found = examine(subject or self.subject(role))
        for tried in found.tried:
            print(f"{tried.good!s:>6} {tried.what}: {tried.said}")
        for remark in found.remarks:
            print(f"{remark.level}: {remark.what} {remark.why} To do: {remark.remedy} ({remark.evidence})")
        return found

    def errors(self) -> list[str]:
        """What the check from the active router says is wrong."""
        return [one.what for one in self.check().remarks if one.level is Level.ERROR]

    def only_error(self) -> str:
        (found,) = self.errors()
        return found


def bench(lab: Lab, plug: Plug, method: Forwarding) -> Bench:
    """A machine with nothing set up yet, behind an IPv4 virtual address."""
    if method is NAT:
        return Bench(lab, plug(network.PRIVATE, PRIVATE, PRIVATE6), method, network.NAT_VIP, PRIVATE[0])
    machine = plug(network.PUBLIC, PUBLIC, PUBLIC6, internet=True)
    return Bench(lab, machine, method, VIRTUAL[method], PUBLIC[0])


def each_is_named(one: Bench, mistakes: Mapping[str, Callable[[], None]]) -> None:
    """Sets the machine up, and makes one mistake after the other: named, mended by the script, and gone."""
    one.mend()
    assert one.errors() == []
    for words, make in mistakes.items():
        make()
        assert words in one.only_error(), words
        one.mend()
        assert one.errors() == [], words


# ---- good ones


@pytest.fixture
def router(_lab: Lab, tmp_path: Path) -> Iterator[Router]:
    with routed(_lab, tmp_path) as made:
        made.start()
        yield made


def test_nothing_is_wrong_with_the_labs_real_servers_as_pulse_and_the_terminal_see_them(
    router: Router,
) -> None:
    router.install(*(virtual(name, way) for name, way in WAYS.items()))
    for name in WAYS:
        found = router.client.examine(name, "s1")
        print(name, found)
        assert [one for one in found["remarks"] if one["level"] == "error"] == []
        assert found["seconds"] < 3
        assert found["tried"]
    words = [sys.executable, "-m", "piranha_web.cli", "server", "check", "direct/s2"]
    words += ["--socket", str(router.client.path)]
    said = subprocess.run(words, cwd=traffic.ROOT, capture_output=True, text=True, env=dict(os.environ))
    print(said.stdout)
    assert said.returncode == 0, said.stderr
    assert "good  tcp 80 at 192.168.26.20" in said.stdout
    assert half_open(router.lab, "r1", "s1", "s2") == []


def half_open(lab: Lab, *names: str) -> list[str]:
    """Connections that began and were neither made nor ended, and those that r1 passes on."""
    kept = [lab.run(name, ["ss", "-Htan", "state", "syn-recv", "state", "syn-sent"]) for name in names]
    passed_on = lab.run("r1", ["cat", "/proc/net/ip_vs_conn"]).splitlines()[1:]
    return [line for text in kept for line in text.splitlines()] + passed_on


@pytest.mark.parametrize("method", [NAT, DIRECT, TUNNEL])
def test_a_machine_that_is_not_set_up_is_told_so_until_its_script_has_run(
    lab: Lab, plug: Plug, method: Forwarding
) -> None:
    machine = bench(lab, plug, method).machine
    for address, own, words in CASES[method]:
        one = Bench(lab, machine, method, address, own)
        assert words in one.only_error(), address
        one.mend()
        assert one.errors() == [], address


# ---- NAT


def test_each_mistake_with_nat_is_named(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, NAT)
    near = f"192.168.26.0/24 via {network.NAT_GATEWAY}"

    def only_near() -> None:
        batch([f"route add {near}", "route del default"], FRESH)

    each_is_named(
        one,
        {
            "what it answers to clients in other networks does not come": lambda: batch(
                ["route del default"], FRESH
            ),
            "what it answers to clients elsewhere does not come to this router": only_near,
        },
    )
    stopped(one, PRIVATE[0])


def stopped(one: Bench, where: str) -> None:
    """The service ends, and begins again."""
    one.lab.stop_server(FRESH)
    assert one.only_error() == f"Nothing listens on tcp 80 at {where} of {FRESH}."
    one.lab.servers.pop(FRESH).wait()
    one.lab.start_servers(FRESH)
    assert one.errors() == []


def test_another_default_gateway_is_told_by_the_machine_through_which_the_answer_comes(
    lab: Lab, plug: Plug
) -> None:
    one = bench(lab, plug, NAT)
    fresh.plug_in("eth1", network.PUBLIC, (PUBLIC, PUBLIC6))
    batch([f"route add default via {network.INTERNET}"], FRESH)
    write_sysctls(FRESH, dict.fromkeys((*fresh.STRICT, "net/ipv4/conf/eth0/rp_filter"), "0"))
    assert "comes on eth0 from" in one.only_error()
    batch([f"route replace default via {network.NAT_GATEWAY}"], FRESH)
    (said,) = one.check().remarks
    assert (said.level, "to clients elsewhere it does" in said.what) == (Level.WARNING, True)
    batch([f"route replace default via {network.INTERNET}"], FRESH)
    one.mend("nat-answers")
    assert one.check().remarks == ()


def test_the_standby_sees_what_comes_back_through_the_active_router(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, NAT)
    found = one.check("r2", Role.STANDBY)
    assert [each.level for each in found.remarks] == [Level.NOTE]
    assert "cannot be told from this one" in found.remarks[0].what
    one.mend()
    found = one.check("r2", Role.STANDBY)
    assert found.remarks == ()
    assert any("the other router" in each.said for each in found.tried)


def test_nothing_is_left_open_on_the_real_server_and_nothing_in_the_routers_tables(
    lab: Lab, plug: Plug
) -> None:
    one = bench(lab, plug, NAT)  # half of the answers get lost, for want of a gateway
    before = tracked()
    one.check()
    assert half_open(lab, "r1", FRESH) == []
    assert tracked() == before


def tracked() -> dict[str, str]:
    """How many connections r1's conntrack has, where it is there."""
    with inside("r1"):
        return sysctl.read(["net/netfilter/nf_conntrack_count"])


# ---- direct routing


def test_each_mistake_with_direct_routing_is_named(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, DIRECT)
    each_is_named(
        one,
        {
            f"{FRESH} says in ARP that the virtual address {one.virtual} is its own.": lambda: write_sysctls(
                FRESH, {ARP_IGNORE: "0"}
            ),
            "does not take packets for the virtual address": lambda: batch(
                [f"address del {one.virtual}/32 dev lo"], FRESH
            ),
        },
    )
    stopped(one, one.virtual)
    batch(["route replace default via 192.168.26.9"], FRESH)
    assert "which drops that" in one.only_error()
    batch(["link set eth0 down"], FRESH)
    assert one.only_error() == f"{FRESH} does not answer at all: nobody on eth0 has {PUBLIC[0]}."
    batch(["link set eth0 up", f"route replace default via {network.INTERNET}"], FRESH)
    one.ports = (PortRange(444, 444), PortRange(30000, 30100))
    assert one.only_error().startswith("Nothing listens on tcp 444 at")


def test_a_machine_that_answers_neighbour_discovery_for_the_virtual_address_is_named(
    lab: Lab, plug: Plug
) -> None:
    one = Bench(lab, bench(lab, plug, DIRECT).machine, DIRECT, network.DIRECT_VIP6, PUBLIC6[0])
    batch([f"address add {one.virtual}/128 dev eth0 nodad"], FRESH)
    assert "says in neighbour discovery" in one.only_error()
    batch([f"address del {one.virtual}/128 dev eth0"], FRESH)
    one.mend()
    assert one.errors() == []


def test_another_real_server_that_answers_arp_is_not_held_against_this_one(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, DIRECT)
    one.mend()
    subject = replace(one.subject(), others={ip_address("192.168.26.11"): "s1"})
    write_sysctls("s1", {ARP_IGNORE: "0"})
    try:
        found = one.check(subject=subject)
    finally:
        write_sysctls("s1", {ARP_IGNORE: "1"})
    said = found.remarks[0]
    assert said.level is Level.WARNING
    assert said.what.startswith("The real server s1 says")


def test_a_real_server_behind_a_gateway_is_in_another_segment(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, DIRECT)
    subject = replace(one.subject(), address=ip_address("10.99.0.7"))
    batch(["route add 10.99.0.0/24 via 10.11.12.1"], "r1")
    try:
        (said,) = one.check(subject=subject).remarks
    finally:
        batch(["route del 10.99.0.0/24"], "r1")
    assert said.level is Level.ERROR
    assert said.what.startswith(f"{FRESH} is not on the same network segment")


def test_a_strict_reverse_path_filter_is_named_beside_what_else_it_may_be(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, DIRECT)
    one.mend()
    fresh.plug_in("eth1", network.PRIVATE, (PRIVATE,))  # its way to the router's other network
    found = one.check()
    (said,) = found.remarks
    assert said.level is Level.NOTE
    assert "rp_filter" in said.why
    assert "nstat" in said.remedy
    write_sysctls(FRESH, dict.fromkeys(fresh.STRICT, "2"))
    assert one.check().remarks == ()


@pytest.mark.nft
@pytest.mark.parametrize("method", [NAT, DIRECT])
def test_a_firewall_that_drops_the_port_is_told_from_an_address_that_is_missing(
    lab: Lab, plug: Plug, method: Forwarding
) -> None:
    one = bench(lab, plug, method)
    one.mend()
    for verdict, said in (("drop", "something drops"), ("reject", "A firewall refuses")):
        rules = "add table ip f; add chain ip f in { type filter hook input priority 0; }; "
        lab.run(FRESH, ["nft", f"{rules} add rule ip f in tcp dport 80 {verdict}"])
        assert said in one.only_error()
        lab.run(FRESH, ["nft", "delete table ip f"])
    assert one.errors() == []


@pytest.mark.nft
@pytest.mark.parametrize("way", ["direct-arp-filter", "direct-redirect"])
def test_the_ways_that_use_nftables_are_good_as_well(lab: Lab, plug: Plug, way: str) -> None:
    one = bench(lab, plug, DIRECT)
    one.mend(way)
    assert one.errors() == []


# ---- tunnels


def test_each_mistake_with_a_tunnel_is_named(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, TUNNEL)
    each_is_named(
        one,
        {
            "has no tunnel device that is up": lambda: batch(["link set tunl0 down"], FRESH),
            # So that the strict one of `all` counts.
            "its reverse path filter (rp_filter) on tunl0 is strict": lambda: write_sysctls(
                FRESH, {"net/ipv4/conf/tunl0/rp_filter": "0"}
            ),
            "does not take packets for the virtual address": lambda: batch(
                [f"address del {one.virtual}/32 dev tunl0"], FRESH
            ),
        },
    )
    stopped(one, one.virtual)


def test_a_smaller_mtu_on_the_way_of_the_tunnel_is_told(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, TUNNEL)
    one.mend()
    batch(["link set eth0 mtu 1400"], FRESH)
    if has_nftables():
        lab.run(FRESH, ["nft", "flush", "ruleset"])  # in which the script limits the segments
    assert "The MTU on the way of the tunnel is too small: packets of 1420 bytes vanish" in one.only_error()
    if has_nftables():
        one.mend()
    else:
        batch(["link set eth0 mtu 1500"], FRESH)
    assert one.errors() == []


@pytest.mark.nft
def test_segments_that_the_script_limits_fit_the_tunnel(lab: Lab, plug: Plug) -> None:
    one = bench(lab, plug, TUNNEL)
    one.mend()
    assert one.check().remarks == ()
    batch(["link set eth0 mtu 1400"], FRESH)
    one.mend()
    assert one.check().remarks == ()
    batch(["link set eth0 mtu 1500"], FRESH)
    lab.run(FRESH, ["nft", "flush", "ruleset"])
    (said,) = one.check().remarks
    assert said.level is Level.WARNING
    assert "Clients' biggest packets do not fit the tunnel" in said.what
