from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address

import pytest

from lvs.errors import KernelError
from lvs.router import addresses, announce, sysctl
from lvs.router.state import InterfaceAddress
from tests.conftest import eventually
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root

STALE_MAC = "02:00:00:00:00:99"
V4 = InterfaceAddress(ip_address("10.0.0.100"), 24, "eth0", "eth0:1")
V6 = InterfaceAddress(ip_address("fd00::100"), 64, "eth0")


class Neighbours:
    """A router that has just taken over, and a neighbour that still knows the other router's MAC."""

    def __init__(self, router: Namespace, neighbour: Namespace) -> None:
        self.router, self.neighbour = router, neighbour
        router.join(neighbour, "eth0", "far0")
        neighbour.run("ip", "address", "add", "10.0.0.1/24", "dev", "far0")
        neighbour.run("ip", "address", "add", "fd00::1/64", "dev", "far0", "nodad")
        for taken_over in (V4, V6):
            router.call(addresses.add, taken_over)
            entry = (str(taken_over.address), "lladdr", STALE_MAC, "dev", "far0", "nud", "stale")
            neighbour.run("ip", "neighbour", "replace", *entry)
        (link,) = json.loads(router.run("ip", "-json", "link", "show", "dev", "eth0"))
        self.mac = link["address"]

    def known(self, address: InterfaceAddress) -> str:
        """The MAC that the neighbour has for an address."""
        (entry,) = json.loads(self.neighbour.run("ip", "-json", "neighbour", "show", str(address.address)))
        return str(entry["lladdr"])

    def learned(self, address: InterfaceAddress) -> bool:
        return self.known(address) == self.mac


@pytest.fixture
def pair(namespaces: Callable[[], Namespace]) -> Neighbours:
    return Neighbours(namespaces(), namespaces())


@pytest.mark.parametrize("address", [V4, V6], ids=str)
def test_a_neighbour_with_a_stale_entry_learns_the_new_mac(
    pair: Neighbours, address: InterfaceAddress
) -> None:
    assert pair.known(address) == STALE_MAC
    assert pair.router.call(announce.announce, [address]) == ()
    eventually(lambda: pair.learned(address), "the neighbour has learned the new MAC", limit=5)


@pytest.mark.parametrize("form", [0, 1], ids=["request", "reply"])
def test_each_arp_form_alone_teaches_a_linux_neighbour(pair: Neighbours, form: int) -> None:
    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
            packets.bind(("eth0", 0))
            mac = bytes.fromhex(pair.mac.replace(":", ""))
            packets.send(announce.arp_frames(IPv4Address("10.0.0.100"), mac)[form])

    pair.router.call(send)
    eventually(lambda: pair.learned(V4), "the neighbour has learned the new MAC", limit=5)


def test_what_is_not_announced_stays_unknown(pair: Neighbours) -> None:
    pair.router.call(announce.announce, [V6])
    eventually(lambda: pair.learned(V6), "the neighbour has learned the IPv6 address's MAC", limit=5)
    assert pair.known(V4) == STALE_MAC


@pytest.mark.parametrize("forwarding", ["0", "1"])
def test_an_advertisement_calls_the_machine_a_router_when_it_forwards(
    pair: Neighbours, forwarding: str
) -> None:
    pair.router.call(sysctl.write, "net/ipv6/conf/eth0/forwarding", forwarding)
    pair.router.call(announce.announce, [V6])

    def says_router() -> bool:
        (entry,) = json.loads(pair.neighbour.run("ip", "-json", "neighbour", "show", "fd00::100"))
        return ("router" in entry) == (forwarding == "1")

    eventually(lambda: pair.learned(V6) and says_router(), "the neighbour knows what it is", limit=5)


def test_an_interface_above_another_announces_with_its_own_mac(pair: Neighbours) -> None:
    pair.mac = "02:00:00:00:00:05"
    pair.router.run("ip", "link", "add", "br0", "address", pair.mac, "type", "bridge")
    pair.router.run("ip", "link", "set", "eth0", "master", "br0")
    pair.router.run("ip", "link", "set", "br0", "up")
    pair.router.call(announce.announce, [InterfaceAddress(V4.address, 24, "br0")])
    eventually(lambda: pair.learned(V4), "the neighbour has learned the bridge's MAC", limit=5)


def test_an_interface_that_is_not_ethernet_is_left_out_and_said(pair: Neighbours) -> None:
    on_lo = InterfaceAddress(V4.address, 32, "lo")
    (reason,) = pair.router.call(announce.announce, [on_lo, V4])
    assert reason.startswith("lo is not an Ethernet interface")
    eventually(lambda: pair.learned(V4), "the neighbour has learned the new MAC", limit=5)


def test_a_missing_and_a_downed_interface_are_said_and_keep_no_other_from_announcing(
    pair: Neighbours,
) -> None:
    pair.router.run("ip", "link", "add", "eth1", "type", "bridge")
    missing, down = InterfaceAddress(V4.address, 24, "eth9"), InterfaceAddress(V4.address, 24, "eth1")
    with pytest.raises(KernelError) as refused:
        pair.router.call(announce.announce, [down, missing, V4])
    assert "eth1 is down: bring it up (ip link set eth1 up)" in refused.value.reason
    assert "no interface eth9: use one of eth0, eth1, lo" in refused.value.reason
    eventually(lambda: pair.learned(V4), "the neighbour has learned the new MAC", limit=5)


def test_an_interface_whose_queue_stands_still_keeps_no_other_from_announcing(pair: Neighbours) -> None:
    pair.router.run("ip", "link", "add", "dummy0", "type", "veth", "peer", "dummy1")
    for end in ("dummy0", "dummy1"):
        pair.router.run("ip", "link", "set", end, "up")
    queue = ("rate", "8bit", "burst", "2000", "limit", "10000000")
    pair.router.run("tc", "qdisc", "add", "dev", "dummy0", "root", "tbf", *queue)
    many = [InterfaceAddress(ip_address(f"10.0.{n // 200}.{n % 200}"), 16, "dummy0") for n in range(1, 1000)]
    with pytest.raises(KernelError, match="dummy0 has sent nothing for 1 s: check its queue") as refused:
        pair.router.call(announce.announce, [*many, V4])
    assert "eth0" not in refused.value.reason
    eventually(lambda: pair.learned(V4), "the neighbour has learned the new MAC", limit=5)


@pytest.mark.parametrize(
    "address", ["224.0.0.1", "0.0.0.0", "127.0.0.1", "255.255.255.255", "ff02::1", "::", "::1"]
)
def test_an_address_that_no_machine_owns_is_never_announced(pair: Neighbours, address: str) -> None:
    with pytest.raises(KernelError, match="no machine can own such an address"):
        pair.router.call(announce.announce, [V4, InterfaceAddress(ip_address(address), 32, "eth0")])
    assert pair.known(V4) == STALE_MAC


def test_a_process_that_may_not_send_is_told_what_it_needs(pair: Neighbours) -> None:
    program = (
        "import os\nfrom ipaddress import ip_address\nfrom lvs.router import announce\n"
        "from lvs.router.state import InterfaceAddress\nos.setuid(65534)\n"
        "try:\n    announce.announce([InterfaceAddress(ip_address('10.0.0.100'), 24, 'eth0')])\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    said = pair.router.run(sys.executable, "-c", program)
    assert said.startswith(
        "KernelError announce floating addresses: permission denied: pulse needs to run as"
    )
