from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from lvs.config.model import Address
from lvs.router import addresses, announce, neighbours
from lvs.router.neighbours import Claim, Watch
from lvs.router.state import InterfaceAddress
from tests.conftest import eventually
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root

V4, V6 = ip_address("10.0.0.1"), ip_address("fd00::1")
NOBODYS = ip_address("10.0.0.77")
NOW = 1234.5


class Segment:
    """A router that watches its interface eth0, cabled to a neighbour's far0, which has V4 and V6."""

    def __init__(self, router: Namespace, neighbour: Namespace) -> None:
        self.router, self.neighbour = router, neighbour
        router.join(neighbour, "eth0", "far0")
        neighbour.run("ip", "address", "add", f"{V4}/24", "dev", "far0")
        neighbour.run("ip", "address", "add", f"{V6}/64", "dev", "far0", "nodad")
        self.mac = mac(neighbour, "far0")
        self.watch = router.call(Watch, lambda: NOW)
        self.claims: list[Claim] = []

    def ask(self, *those: Address, on: str = "eth0") -> None:
        assert self.router.call(self.watch.probe, [(on, address) for address in those]) == ()

    def heard(self, address: Address) -> Claim:
        """Waits for a claim of an address and gives the first."""

        def has_come() -> bool:
            self.claims += self.watch.read()
            return any(claim.address == address for claim in self.claims)

        eventually(has_come, f"somebody claims {address}", limit=5)
        return next(claim for claim in self.claims if claim.address == address)

    def send(self, *sent: bytes) -> None:
        """Sends frames, Ethernet header included, from the neighbour."""

        def send() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
                packets.bind(("far0", 0))
                for frame in sent:
                    packets.send(frame)

        self.neighbour.call(send)


def mac(namespace: Namespace, interface: str) -> bytes:
    (link,) = json.loads(namespace.run("ip", "-json", "link", "show", "dev", interface))
    return bytes.fromhex(link["address"].replace(":", ""))


def link_local(namespace: Namespace, interface: str) -> bool:
    """Whether its link-local address has passed duplicate address detection."""
    shown = namespace.run("ip", "-json", "-6", "address", "show", "dev", interface, "scope", "link")
    found = [one for link in json.loads(shown) for one in link.get("addr_info", ())]
    return bool(found) and not any(one.get("tentative") for one in found)


@pytest.fixture
def segment(namespaces: Callable[[], Namespace]) -> Iterator[Segment]:
    segment = Segment(namespaces(), namespaces())
    yield segment
    segment.watch.close()


@pytest.mark.parametrize("address", [V4, V6], ids=str)
def test_whoever_has_an_address_claims_it_when_asked(segment: Segment, address: Address) -> None:
    segment.ask(address)
    assert segment.heard(address) == Claim("eth0", address, segment.mac, NOW)


def test_nobody_claims_an_address_that_nobody_has(segment: Segment) -> None:
    segment.ask(NOBODYS, V4)
    segment.heard(V4)
    assert {claim.address for claim in segment.claims} == {V4}


@pytest.mark.parametrize(("arp_ignore", "answers"), [("0", True), ("1", False), ("2", False)])
def test_linux_claims_an_address_of_another_interface_unless_arp_ignore_forbids(
    segment: Segment, arp_ignore: str, answers: bool
) -> None:
    segment.neighbour.run("ip", "address", "add", f"{NOBODYS}/32", "dev", "lo")
    segment.neighbour.run("sysctl", "-qw", f"net.ipv4.conf.all.arp_ignore={arp_ignore}")
    segment.ask(NOBODYS, V4)
    segment.heard(V4)
    assert any(claim.address == NOBODYS for claim in segment.claims) == answers


def test_linux_claims_no_ipv6_address_of_another_interface(segment: Segment) -> None:
    elsewhere = ip_address("fd00::9")
    segment.neighbour.run("ip", "address", "add", f"{elsewhere}/128", "dev", "lo")
    segment.ask(elsewhere, V6)
    segment.heard(V6)
    assert all(claim.address != elsewhere for claim in segment.claims)


@pytest.mark.parametrize("address", [V4, V6], ids=str)
def test_the_answer_comes_to_the_asker_alone_and_teaches_nobody(
    namespaces: Callable[[], Namespace], address: Address
) -> None:
    switch, other = namespaces(), namespaces()
    segment = Segment(namespaces(), namespaces())
    switch.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    switch.run("ip", "link", "set", "br0", "up")
    segment.router.run("ip", "link", "del", "eth0")
    for member, interface in ((segment.router, "eth0"), (segment.neighbour, "far0"), (other, "eth0")):
        switch.join(member, f"to-{member.name[-6:]}"[:15], interface)
        switch.run("ip", "link", "set", f"to-{member.name[-6:]}"[:15], "master", "br0")
    segment.neighbour.run("ip", "address", "add", f"{V4}/24", "dev", "far0")
    segment.neighbour.run("ip", "address", "add", f"{V6}/64", "dev", "far0", "nodad")
    eventually(lambda: link_local(segment.router, "eth0"), "the router may use its link-local address", 10)
    bystander = other.call(Watch)
    segment.ask(address)
    segment.heard(address)
    segment.neighbour.call(announce.announce, [InterfaceAddress(NOBODYS, 32, "far0")])
    heard: list[Claim] = []

    def overheard() -> bool:
        heard.extend(bystander.read())
        return any(claim.address == NOBODYS for claim in heard)

    eventually(overheard, "the bystander hears the neighbour", limit=5)
    assert all(claim.address != address for claim in heard)
    bystander.close()
    segment.watch.close()


def test_without_a_link_local_address_the_question_comes_from_nowhere_and_is_answered(
    segment: Segment,
) -> None:
    segment.router.run("ip", "-6", "address", "flush", "dev", "eth0", "scope", "link")
    segment.ask(V6)
    assert segment.heard(V6).mac == segment.mac


def test_on_an_interface_without_ipv6_the_question_is_asked_all_the_same(segment: Segment) -> None:
    segment.router.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    segment.ask(V6)
    assert segment.heard(V6).mac == segment.mac


@pytest.mark.parametrize("address", [V4, V6], ids=str)
def test_an_announcement_is_a_claim(segment: Segment, address: Address) -> None:
    segment.neighbour.call(announce.announce, [InterfaceAddress(address, 32, "far0")])
    assert segment.heard(address) == Claim("eth0", address, segment.mac, NOW)


def test_a_machine_that_asks_for_another_claims_its_own_address(segment: Segment) -> None:
    segment.router.call(addresses.add, InterfaceAddress(ip_address("10.0.0.2"), 24, "eth0"))
    segment.neighbour.call(_speak_to, "10.0.0.2")
    assert segment.heard(V4).mac == segment.mac


def _speak_to(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        speaker.sendto(b"hello", (address, 9))


def test_what_this_machine_sends_itself_is_not_heard(segment: Segment) -> None:
    own = [InterfaceAddress(ip_address(one), 32, "eth0") for one in ("10.0.0.2", "fd00::2")]
    segment.router.call(announce.announce, own)
    segment.ask(V4, V6)
    segment.heard(V4)
    segment.heard(V6)
    assert {claim.mac for claim in segment.claims} == {segment.mac}


def arp_frame(address: str, tag: int | None = None) -> bytes:
    """A gratuitous reply, tagged for a VLAN if one is given."""
    frame = announce.arp_frames(IPv4Address(address), b"\x02\0\0\0\0\x0f")[1]
    return frame if tag is None else frame[:12] + struct.pack("!HH", 0x8100, tag) + frame[12:]


def test_a_claim_in_a_vlan_that_is_not_ours_is_none(segment: Segment) -> None:
    segment.send(arp_frame("10.0.0.55", tag=55), arp_frame("10.0.0.56"))
    segment.heard(ip_address("10.0.0.56"))
    assert [str(claim.address) for claim in segment.claims if claim.address != V4] == ["10.0.0.56"]


def test_a_frame_with_a_priority_and_no_vlan_is_heard(segment: Segment) -> None:
    segment.send(arp_frame("10.0.0.57", tag=7 << 13))
    assert segment.heard(ip_address("10.0.0.57")).interface == "eth0"


def test_what_is_for_another_machine_is_not_heard(segment: Segment) -> None:
    segment.router.run("ip", "link", "set", "eth0", "promisc", "on")
    to_another = b"\x02\0\0\0\0\xee" + arp_frame("10.0.0.58")[6:]
    segment.send(to_another, arp_frame("10.0.0.59"))
    segment.heard(ip_address("10.0.0.59"))
    assert all(str(claim.address) != "10.0.0.58" for claim in segment.claims)


def test_rubbish_is_ignored_and_what_follows_is_heard(segment: Segment) -> None:
    good = announce.advertisement_frame(IPv6Address("fd00::66"), b"\x02\0\0\0\0\x0f", router=False)
    rubbish = [
        arp_frame("10.0.0.60")[:20],
        arp_frame("10.0.0.61")[:14] + b"\xff" * 28,
        good[:60],
        good[:21] + b"\x40" + good[22:],  # passed on by a router
        good[:79] + b"\xff" + good[80:],  # an option longer than the packet
        b"\x33\x33\0\0\0\x01" + good[6:14] + bytes(60),
    ]
    segment.send(*rubbish, arp_frame("10.0.0.62"), good)
    segment.heard(ip_address("10.0.0.62"))
    segment.heard(ip_address("fd00::66"))
    assert {str(claim.address) for claim in segment.claims} <= {str(V4), str(V6), "10.0.0.62", "fd00::66"}


def test_a_storm_is_read_in_portions(segment: Segment) -> None:
    segment.send(*[arp_frame(f"10.0.1.{last}") for last in range(1, 255)])
    eventually(lambda: select.select([segment.watch.filenos()[0]], [], [], 0)[0] != [], "frames have come", 5)
    segment.heard(ip_address("10.0.1.1"))
    assert len(segment.claims) <= neighbours.FRAMES_A_READ
    segment.heard(ip_address("10.0.1.254"))


def test_without_news_there_is_nothing_to_read_and_no_wait(namespaces: Callable[[], Namespace]) -> None:
    watch = namespaces().call(Watch)
    assert watch.read() == []
    watch.close()


def test_an_interface_that_comes_later_is_heard(
    segment: Segment, namespaces: Callable[[], Namespace]
) -> None:
    late = namespaces()
    segment.router.join(late, "eth1", "late0")
    late.call(announce.announce, [InterfaceAddress(NOBODYS, 32, "late0")])
    assert segment.heard(NOBODYS).interface == "eth1"


def test_below_a_bridge_it_is_the_bridge_that_hears_and_asks(segment: Segment) -> None:
    segment.router.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
    segment.router.run("ip", "link", "set", "eth0", "master", "br0")
    segment.router.run("ip", "link", "set", "br0", "up")
    segment.ask(V4, on="br0")
    assert segment.heard(V4) == Claim("br0", V4, segment.mac, NOW)


def test_an_interface_that_cannot_be_asked_is_said_and_keeps_no_other_from_it(segment: Segment) -> None:
    segment.router.run("ip", "link", "add", "eth1", "type", "bridge")
    wanted = [("lo", V4), ("eth9", V4), ("an-interface-with-a-long-name", V4), ("eth1", V4), ("eth0", V4)]
    said = segment.router.call(segment.watch.probe, wanted)
    assert [sentence.partition(":")[0] for sentence in said] == [
        "lo is not an Ethernet interface",
        "this machine has no interface eth9",
        "this machine has no interface an-interface-with-a-long-name",
        "eth1 is down",
    ]
    segment.heard(V4)


def test_an_interface_that_went_away_leaves_the_watch_working(
    segment: Segment, namespaces: Callable[[], Namespace]
) -> None:
    segment.router.join(namespaces(), "eth1", "late0")
    segment.router.run("ip", "link", "del", "eth1")
    segment.router.run("ip", "link", "set", "eth0", "down")
    segment.router.run("ip", "link", "set", "eth0", "up")
    segment.ask(V4)
    segment.heard(V4)


def test_a_process_that_may_not_listen_is_told_what_it_needs() -> None:
    program = (
        "import os\nfrom lvs.router.neighbours import Watch\nos.setuid(65534)\n"
        "try:\n    Watch()\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=os.getcwd())
    assert done.stdout.startswith("KernelError watch the neighbours: permission denied"), done.stderr
    assert "CAP_NET_RAW" in done.stdout
