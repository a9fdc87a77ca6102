"""The scripts for real servers, run as root on machines of this kernel: done, done twice, taken out."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from lvs.config.model import (
    Address,
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    Protocol,
    RealServer,
    VirtualServer,
)
from lvs.realservers import Setup, setups
from lvs.router import sysctl
from lvs.router.frames import (
    ARP,
    BROADCAST,
    IPV6,
    advertised,
    arp_probe,
    arp_sender,
    multicast_mac,
    solicitation,
    solicited_node,
)
from tests.conftest import eventually
from tests.real_machine import RealMachine
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root

OWN, VIP, OWN6, VIP6 = "192.168.26.11", "192.168.26.20", "fd00:26::11", "fd00:26::20"
CLIENT, CLIENT6 = "192.168.26.100", "fd00:26::100"
IGNORE, ANNOUNCE = "net/ipv4/conf/all/arp_ignore", "net/ipv4/conf/all/arp_announce"
WEB = RealServer(name="web 1", address=ip_address(OWN), active=True)
WEB6 = RealServer(name="web 1", address=ip_address(OWN6), active=True)
NETWORK = GlobalSettings(
    forwarding=Forwarding.DIRECT,
    nat_router=FloatingAddress(address=ip_address("192.168.26.10"), device="eth1:1"),
    nat_mask=24,
    nat_router6=FloatingAddress(address=ip_address("fd00:26::10"), device="eth1"),
)


def virtual(
    address: str = VIP,
    real: RealServer = WEB,
    *,
    port: int = 80,
    ports: Sequence[tuple[int, int]] = (),
    **more: object,
) -> VirtualServer:
    service = VirtualServer(
        name=f"at {address} {port}",
        active=True,
        address=FloatingAddress(address=ip_address(address), device="eth0:1"),
        port=port,
        ports=tuple(PortRange(*one) for one in ports),
        real_servers=(real,),
    )
    return replace(service, **more)


def setup(way: str, *services: VirtualServer, real: RealServer = WEB) -> Setup:
    """The one of that way for a real server."""
    config = LvsConfig(global_settings=NETWORK, virtual_servers=services or (virtual(),))
    return next(one for one in setups(config, None, real) if one.way == way)


class Segment:
    """A client and a machine on one cable, the machine with IPv4 and IPv6."""

    def __init__(self, client: Namespace, server: Namespace, folder: Path) -> None:
        self.client, self.server = client, server
        for each in (client, server):
            each.call(sysctl.write, "net/ipv6/conf/default/accept_dad", "0")
            each.call(sysctl.write, "net/ipv6/conf/default/disable_ipv6", "0")
            each.call(sysctl.write, "net/ipv6/conf/all/disable_ipv6", "0")
        client.join(server, "eth0", "eth0")
        for each, addresses in ((client, (CLIENT, CLIENT6)), (server, (OWN, OWN6))):
            each.run("ip", "address", "add", f"{addresses[0]}/24", "dev", "eth0")
            each.run("ip", "address", "add", f"{addresses[1]}/64", "dev", "eth0", "nodad")
        self.machine = RealMachine(server.name, folder)
        eventually(self._settled, "the machine's interface has all its routes")

    def _settled(self) -> bool:
        """The kernel adds the link-local address and the multicast route once it has seen the carrier."""
        found = self.server.run("ip", "-6", "route", "show", "table", "all")
        return all(one in found for one in ("ff00::/8 dev eth0", "local fe80::", "fe80::/64 dev eth0"))

    def state(self) -> dict[str, object]:
        """All that the scripts may change but files."""
        networks = json.loads(self.server.run("ip", "-json", "address"))
        return {
            "addresses": {
                one["ifname"]: sorted(each["local"] for each in one["addr_info"]) for one in networks
            },
            "routes": self.server.run("ip", "route", "show", "table", "all"),
            "routes6": self.server.run("ip", "-6", "route", "show", "table", "all"),
            "rules": self.server.run("ip", "rule") + self.server.run("ip", "-6", "rule"),
            "parameters": self.server.call(sysctl.read, [IGNORE, ANNOUNCE]),
            "nftables": self.server.run("nft", "list", "ruleset"),
        }

    def hand_on(self, *addresses: str) -> None:
        """The client's packets for these go to the machine without a question, as a router sends them on."""
        links = json.loads(self.server.run("ip", "-json", "link", "show", "eth0"))
        for address in addresses:
            words = ("lladdr", links[0]["address"], "dev", "eth0", "nud", "permanent")
            self.client.run("ip", "neighbour", "replace", address, *words)

    def answered(self, address: str, port: int = 80) -> bool:
        """Whether the client's connection is taken."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.client.call(socket.socket, family, socket.SOCK_STREAM) as asking:
            asking.settimeout(0.5)
            return asking.connect_ex((address, port)) == 0

    def claims(self, address: str) -> bool:
        """Whether the machine says in ARP, or neighbour discovery, that an address is its own.

        It is asked for the address between two questions that it answers, so that silence is not waited for.
        """
        own = OWN6 if ":" in address else OWN
        return address in self.client.call(heard, [address, own])


def heard(addresses: Sequence[str]) -> set[str]:
    """Who answers until the last of the addresses does."""
    wanted = [ip_address(one) for one in addresses]
    protocol = ARP if wanted[0].version == 4 else IPV6
    found: set[str] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol)) as wire:
        wire.bind(("eth0", protocol))
        wire.settimeout(5)
        mac = wire.getsockname()[4]
        for one in wanted:
            packet, to = question(one, mac)
            wire.sendto(packet, ("eth0", protocol, 0, 0, to))
        while addresses[-1] not in found:
            packet, sender = wire.recvfrom(2048)
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            claim = arp_sender(packet) if protocol == ARP else advertised(packet, sender[4])
            if claim:
                found.add(str(claim[0]))
    return found


def question(address: Address, mac: bytes) -> tuple[bytes, bytes]:
    if isinstance(address, IPv4Address):
        return arp_probe(address, mac), BROADCAST
    return solicitation(address, IPv6Address(CLIENT6), mac), multicast_mac(solicited_node(address))


@pytest.fixture
def segment(namespaces: Callable[[], Namespace], tmp_path: Path) -> Segment:
    return Segment(namespaces(), namespaces(), tmp_path)


@pytest.fixture
def listening(segment: Segment):
    """The machine's program, on port 80 of every address."""
    with segment.server.call(socket.socket, socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.bind(("::", 80))
        listener.listen()
        yield listener


DIRECT = ["direct", "direct-arp-filter", "direct-redirect"]
DIRECT6 = ["direct6", "direct-redirect6"]
BOTH = [(way, VIP, WEB) for way in DIRECT] + [(way, VIP6, WEB6) for way in DIRECT6]


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("way", "address", "real"), BOTH)
def test_what_the_router_hands_on_is_answered_after_the_script_and_not_before_nor_once_it_is_undone(
    segment: Segment, way: str, address: str, real: RealServer
) -> None:
    script = setup(way, virtual(address, real), real=real)
    segment.hand_on(address)
    assert not segment.answered(address)
    segment.machine.run(script)
    assert segment.answered(address)
    assert not segment.claims(address)
    segment.machine.run(script, "--undo")
    assert not segment.answered(address)


@pytest.mark.parametrize(("way", "address", "real"), BOTH)
def test_a_second_run_changes_nothing_and_undo_leaves_what_was_there_before(
    segment: Segment, way: str, address: str, real: RealServer
) -> None:
    script = setup(way, virtual(address, real), real=real)
    before, files = segment.state(), segment.machine.files()
    segment.machine.run(script)
    after = segment.state()
    assert after != before
    said = segment.machine.run(script)
    assert segment.state() == after
    assert not any(word in said for word in ("Added", "Set", "Wrote"))
    segment.machine.run(script, "--undo")
    assert segment.state() == before
    assert segment.machine.files() == files
    assert "There is nothing" in segment.machine.run(script, "--undo")


def test_a_machine_that_claims_the_virtual_address_in_arp_is_silenced(segment: Segment) -> None:
    segment.server.run("ip", "address", "add", f"{VIP}/32", "dev", "lo")
    assert segment.claims(VIP)
    segment.machine.run(setup("direct"))
    assert not segment.claims(VIP)


def test_an_address_on_lo_is_never_claimed_in_neighbour_discovery(segment: Segment) -> None:
    segment.server.run("ip", "address", "add", f"{VIP6}/128", "dev", "lo")
    assert not segment.claims(VIP6)


def test_what_the_administrator_had_put_in_is_not_undone(segment: Segment) -> None:
    segment.server.run("ip", "address", "add", f"{VIP}/32", "dev", "lo")
    segment.server.call(sysctl.write, IGNORE, "2")
    before = segment.state()
    segment.machine.run(setup("direct"))
    segment.machine.run(setup("direct"), "--undo")
    assert segment.state() == before


def test_the_arp_parameters_stay_until_the_last_way_that_needs_them_is_undone(segment: Segment) -> None:
    segment.machine.program("networkctl")
    first, second = setup("direct"), setup("direct-networkd")
    segment.machine.run(first)
    segment.machine.run(second)
    segment.machine.run(first, "--undo")
    assert segment.server.call(sysctl.read, [IGNORE, ANNOUNCE]) == {IGNORE: "1", ANNOUNCE: "2"}
    segment.machine.run(second, "--undo")
    assert segment.server.call(sysctl.read, [IGNORE, ANNOUNCE]) == {IGNORE: "0", ANNOUNCE: "0"}


def test_a_virtual_address_that_is_served_no_more_goes_with_the_next_run(segment: Segment) -> None:
    segment.machine.run(setup("direct", virtual(), virtual("192.168.26.21")))
    said = segment.machine.run(setup("direct"))
    assert "Took 192.168.26.21/32 off lo." in said
    assert segment.state()["addresses"]["lo"] == ["127.0.0.1", VIP, "::1"]
    segment.machine.run(setup("direct"), "--undo")
    assert segment.state()["addresses"]["lo"] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("way", [*DIRECT, "direct-netplan"])
def test_a_router_that_has_the_virtual_address_itself_is_left_alone(segment: Segment, way: str) -> None:
    segment.machine.program("netplan")
    segment.server.run("ip", "address", "add", f"{VIP}/24", "dev", "eth0")
    before = segment.state()
    done = segment.machine.attempt(setup(way))
    assert done.returncode == 1
    assert f"{VIP}" in done.stdout
    assert "Is this a router?" in done.stdout
    assert segment.state() == before
    assert segment.machine.files() == {}


def test_another_machine_than_the_real_server_is_left_alone(segment: Segment) -> None:
    other = replace(WEB, address=ip_address("192.168.26.12"))
    done = segment.machine.attempt(setup("direct", virtual(real=other), real=other))
    assert (done.returncode, "does not have 192.168.26.12" in done.stdout) == (1, True)
    assert segment.machine.files() == {}


def test_a_machine_that_is_two_real_servers_is_set_up_as_one_of_them(segment: Segment) -> None:
    segment.server.run("ip", "address", "add", "192.168.26.12/24", "dev", "eth0")
    other = replace(WEB, address=ip_address("192.168.26.12"))
    segment.machine.run(setup("direct"))
    done = segment.machine.attempt(setup("direct", virtual(real=other), real=other))
    assert (done.returncode, f"as {OWN}" in done.stdout) == (1, True)


def test_words_that_the_script_does_not_know_are_refused(segment: Segment) -> None:
    done = segment.machine.attempt(setup("direct"), "--help")
    assert (done.returncode, "--at-boot | --undo" in done.stdout) == (1, True)


def test_redirect_takes_every_port_and_protocol_of_the_virtual_servers_and_no_other(segment: Segment) -> None:
    services = (
        virtual(ports=[(443, 443), (10000, 20000)], fwmark=80),
        virtual(port=15000, ports=[(19000, 21000)], fwmark=81),
        virtual(port=53, protocol=Protocol.UDP),
        virtual(port=5060, protocol=Protocol.SCTP),
    )
    segment.machine.run(setup("direct-redirect", *services))
    rules = segment.server.run("nft", "list", "table", "ip", "piranha_redirect")
    assert f"ip daddr {VIP} tcp dport {{ 80, 443, 10000-21000 }} redirect" in rules
    assert f"ip daddr {VIP} udp dport 53 redirect" in rules.replace("{ 53 }", "53")
    assert f"ip daddr {VIP} sctp dport 5060 redirect" in rules.replace("{ 5060 }", "5060")


GATEWAYS = [("-4", WEB, "192.168.26.10", "203.0.113.1"), ("-6", WEB6, "fd00:26::10", "2001:db8::1")]
PLACES = pytest.mark.parametrize(("family", "real", "gateway", "client"), GATEWAYS)


def nat(way: str, real: RealServer, **more: object) -> Setup:
    """The one of that way for a real server of NAT; way without the 6."""
    address = "198.51.100.10" if real is WEB else "2001:db8:5::10"
    name = f"{way}6" if real is WEB6 else way
    return setup(name, virtual(address, real, forwarding=Forwarding.NAT, **more), real=real)


def way_of(segment: Segment, family: str, *words: str) -> str:
    """Where the machine would send a packet: a gateway, or "" for a neighbour."""
    found = json.loads(segment.server.run("ip", family, "-json", "route", "get", *words))
    return str(found[0].get("gateway", ""))


@PLACES
def test_the_default_gateway_becomes_the_nat_router_and_the_old_one_comes_back(
    segment: Segment, family: str, real: RealServer, gateway: str, client: str
) -> None:
    old = "192.168.26.254" if family == "-4" else "fd00:26::fe"
    segment.server.run("ip", family, "route", "add", "default", "via", old)
    before, script = segment.state(), nat("nat", real)
    segment.machine.run(script)
    assert way_of(segment, family, client) == gateway
    after = segment.state()
    segment.machine.run(script)
    assert segment.state() == after
    segment.machine.run(script, "--undo")
    assert way_of(segment, family, client) == old
    assert segment.state() == before


@PLACES
def test_a_machine_without_any_default_gateway_has_none_again_once_undone(
    segment: Segment, family: str, real: RealServer, gateway: str, client: str
) -> None:
    before = segment.state()
    segment.machine.run(nat("nat", real))
    assert way_of(segment, family, client) == gateway
    segment.machine.run(nat("nat", real), "--undo")
    assert segment.state() == before


def test_a_gateway_from_dhcp_stays_behind_the_nat_router(segment: Segment) -> None:
    segment.server.run("ip", "route", "add", "default", "via", "192.168.26.254", "metric", "100")
    before = segment.state()
    segment.machine.run(nat("nat", WEB))
    assert way_of(segment, "-4", "203.0.113.1") == "192.168.26.10"
    segment.machine.run(nat("nat", WEB), "--undo")
    assert segment.state() == before


@PLACES
def test_only_what_the_service_answers_takes_the_nat_router(
    segment: Segment, family: str, real: RealServer, gateway: str, client: str
) -> None:
    old = "192.168.26.254" if family == "-4" else "fd00:26::fe"
    near = CLIENT if family == "-4" else CLIENT6
    own = str(real.address)
    segment.server.run("ip", family, "route", "add", "default", "via", old)
    before, script = segment.state(), nat("nat-answers", real, ports=[(8000, 8010)], fwmark=80)
    segment.machine.run(script)
    for port, expected in (("80", gateway), ("8005", gateway), ("22", old)):
        assert way_of(segment, family, client, "from", own, "ipproto", "tcp", "sport", port) == expected
    assert way_of(segment, family, near, "from", own, "ipproto", "tcp", "sport", "80") == ""
    after = segment.state()
    segment.machine.run(script)
    assert segment.state() == after
    segment.machine.run(script, "--undo")
    assert segment.state() == before


@pytest.mark.parametrize("way", ["nat", "nat-answers"])
def test_a_gateway_that_is_no_neighbour_is_refused(segment: Segment, way: str) -> None:
    far = replace(NETWORK, nat_router=FloatingAddress(address=ip_address("10.11.12.10"), device="eth1"))
    config = LvsConfig(global_settings=far, virtual_servers=(virtual(forwarding=Forwarding.NAT),))
    script = next(one for one in setups(config, None, WEB) if one.way == way)
    for route in ((), ("default", "via", CLIENT)):
        if route:
            segment.server.run("ip", "route", "add", *route)
        before = segment.state()
        done = segment.machine.attempt(script)
        assert (done.returncode, "10.11.12.10 is in no network" in done.stdout) == (1, True)
        assert segment.state() == before


def test_the_router_itself_does_not_get_its_own_address_as_gateway(segment: Segment) -> None:
    segment.server.run("ip", "address", "add", "192.168.26.10/24", "dev", "eth0")
    done = segment.machine.attempt(nat("nat", WEB))
    assert (done.returncode, "is this machine's own address" in done.stdout) == (1, True)


STATUS = 'case $* in *status*) echo "     Network File: /usr/lib/systemd/network/80-wired.network" ;; esac'
NMCLI = """
case $* in
*GENERAL.CON-UUID*) echo 1234 ;;
*.method*) echo manual ;;
*"-g connection.uuid"*) exit 10 ;;
*"-g ipv4.gateway"* | *"-g ipv6.gateway"*) ;;
esac
"""
WRITTEN = {
    "direct-networkd": {
        "/etc/systemd/network/10-piranha-lo.network": "[Match]\nName=lo\n",
        "/etc/systemd/network/10-piranha-lo.network.d/direct-networkd.conf": f"[Network]\nAddress={VIP}/32\n",
    },
    "direct-netplan": {"/etc/netplan/90-piranha-direct-netplan.yaml": f'        - "{VIP}/32"\n'},
    "direct-ifupdown": {
        "/etc/network/interfaces.d/piranha-direct-ifupdown": f"    up ip address replace {VIP}/32 dev lo\n"
    },
    "nat-networkd": {
        "/etc/systemd/network/80-wired.network.d/50-piranha-nat-networkd.conf": "[Route]\n"
        "Gateway=192.168.26.10\n"
    },
    "nat-netplan": {"/etc/netplan/90-piranha-nat-netplan.yaml": 'via: "192.168.26.10"\n'},
    "nat-ifupdown": {
        "/etc/network/if-up.d/piranha-nat-ifupdown": "default via 192.168.26.10 dev eth0 \n",
    },
}


@pytest.mark.parametrize("way", WRITTEN)
def test_the_files_for_the_next_start_are_written_and_removed(segment: Segment, way: str) -> None:
    segment.machine.program("networkctl", STATUS)
    segment.machine.program("netplan")
    segment.machine.file("/etc/network/if-up.d").mkdir(parents=True)
    interfaces = segment.machine.file("/etc/network/interfaces")
    interfaces.write_text("source /etc/network/interfaces.d/*\n")
    before, files = segment.state(), segment.machine.files()
    script = nat(way, WEB) if way.startswith("nat") else setup(way)
    segment.machine.run(script)
    found = segment.machine.files()
    for path, end in WRITTEN[way].items():
        assert found[path].endswith(end)
    silent = "/etc/sysctl.d/98-piranha-" + way + ".conf"
    assert (silent in found) is way.startswith("direct")
    named = {one.replace("NAME", "80-wired") for one in script.files}
    assert named == {one for one in set(found) - set(files) if one.startswith("/etc")}
    after = segment.state()
    assert "Wrote" not in segment.machine.run(script)
    assert (segment.state(), segment.machine.files()) == (after, found)
    segment.machine.run(script, "--undo")
    assert (segment.state(), segment.machine.files()) == (before, files)


def test_the_two_families_have_lines_of_their_own_in_systemd_networkd(segment: Segment) -> None:
    segment.machine.program("networkctl")
    four, six = setup("direct-networkd"), setup("direct-networkd6", virtual(VIP6, WEB6), real=WEB6)
    segment.machine.run(four)
    alone = segment.machine.files()
    segment.machine.run(six)
    segment.machine.run(six, "--undo")
    assert segment.machine.files() == alone
    segment.machine.run(four, "--undo")
    assert segment.machine.files() == {}


def test_a_file_that_somebody_else_wrote_is_left_alone(segment: Segment) -> None:
    segment.machine.program("netplan")
    path = segment.machine.file("/etc/netplan/90-piranha-direct-netplan.yaml")
    path.parent.mkdir()
    path.write_text("network: {}\n")
    done = segment.machine.attempt(setup("direct-netplan"))
    assert (done.returncode, "is not from Piranha Web" in done.stdout) == (1, True)
    assert path.read_text() == "network: {}\n"


@pytest.mark.parametrize("way", ["nat-networkd", "nat-netplan", "direct-ifupdown", "nat-networkmanager"])
def test_a_machine_that_is_managed_otherwise_is_told_to_take_another_way(segment: Segment, way: str) -> None:
    segment.machine.program("networkctl")
    segment.machine.program("nmcli")
    before = segment.state()
    done = segment.machine.attempt(nat(way, WEB) if way.startswith("nat") else setup(way))
    assert done.returncode == 1
    assert "Nothing was changed." in done.stdout
    assert segment.state() == before


def test_networkmanager_gets_the_gateway_and_the_old_one_back(segment: Segment) -> None:
    segment.machine.program(
        "nmcli", NMCLI.replace('*"-g ipv4.gateway"*', '*"-g ipv4.gateway"*) echo 192.168.26.254 ;;\n*"-g 4"*')
    )
    segment.machine.run(nat("nat-networkmanager", WEB))
    assert "nmcli connection modify 1234 ipv4.gateway 192.168.26.10" in segment.machine.said()
    segment.machine.run(nat("nat-networkmanager", WEB), "--undo")
    assert segment.machine.said() == [
        "nmcli connection modify 1234 ipv4.gateway 192.168.26.254",
        "nmcli connection up 1234",
    ]


def test_networkmanager_gets_an_interface_for_the_virtual_addresses(segment: Segment) -> None:
    segment.machine.program("nmcli", NMCLI)
    segment.machine.run(setup("direct-networkmanager"))
    said = segment.machine.said()
    assert "nmcli connection add type dummy con-name piranha-vip ifname piranha-vip" in said
    assert any(f"ipv4.method manual ipv4.addresses {VIP}/32 ipv6.method disabled" in one for one in said)
    segment.machine.run(setup("direct-networkmanager"), "--undo")
    assert segment.machine.said() == ["nmcli connection delete piranha-vip"]


def test_a_way_that_is_kept_runs_at_every_start_until_it_is_undone(segment: Segment) -> None:
    files, before = segment.machine.files(), segment.state()
    segment.machine.run(setup("direct"), "--at-boot")
    assert segment.machine.said() == ["systemctl --quiet enable piranha-direct.service"]
    unit = segment.machine.files()["/etc/systemd/system/piranha-direct.service"]
    assert "ExecStart=/usr/local/sbin/piranha-direct\n" in unit
    segment.server.run("ip", "address", "del", f"{VIP}/32", "dev", "lo")
    segment.machine.start("direct")
    assert VIP in segment.state()["addresses"]["lo"]
    newer = setup("direct", virtual(), virtual("192.168.26.21"))
    segment.machine.run(newer)
    assert segment.machine.files()["/usr/local/sbin/piranha-direct"] == newer.script
    segment.machine.said()
    segment.machine.run(newer, "--undo")
    assert segment.machine.said() == ["systemctl --quiet disable piranha-direct.service"]
    assert (segment.machine.files(), segment.state()) == (files, before)


@pytest.mark.parametrize("last", ["listen=YES\n", "listen=YES", ""])
def test_vsftpd_has_its_lines_once_and_its_own_file_again_once_undone(segment: Segment, last: str) -> None:
    conf = segment.machine.file("/etc/vsftpd.conf")
    conf.write_text(last)
    conf.chmod(0o600)
    script = setup("ftp-direct", virtual(port=21, ports=[(10000, 20000)], fwmark=21, persistence=300))
    segment.machine.run(script)
    written = conf.read_text()
    assert written.startswith(last)
    assert "\npasv_min_port=10000\npasv_max_port=20000\n" in written
    segment.machine.run(script)
    assert conf.read_text() == written
    assert conf.stat().st_mode & 0o777 == 0o600
    segment.machine.run(script, "--undo")
    assert conf.read_text().rstrip("\n") == last.rstrip("\n")


@pytest.mark.parametrize("before", ["listen=NO\nlisten_ipv6=YES\n", "listen=YES\n"])
def test_vsftpd_that_names_the_virtual_address_listens_with_ipv4_alone(segment: Segment, before: str) -> None:
    conf = segment.machine.file("/etc/vsftpd.conf")
    conf.write_text(before)
    marked = virtual(port=21, ports=[(10000, 20000)], fwmark=21, persistence=300, forwarding=Forwarding.NAT)
    script = setup("ftp-nat", marked)
    segment.machine.run(script)
    written = conf.read_text()
    assert f"\npasv_address={VIP}\n" in written
    assert ("\nlisten=YES\nlisten_ipv6=NO\n" in written) is ("listen_ipv6" in before)
    segment.machine.run(script)
    assert conf.read_text() == written
    segment.machine.run(script, "--undo")
    assert conf.read_text() == before
