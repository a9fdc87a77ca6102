"""Marks and masquerade at work on packets: a client, a router and two real servers, a namespace each."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from lvs.config.model import PortRange, Protocol
from lvs.router import addresses, netfilter, sysctl
from lvs.router.state import InterfaceAddress, MarkRule, Netfilter
from tests.conftest import eventually
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root

WATCH = """
table inet watch {
    counter seven { }
    counter nine { }
    chain arriving {
        type filter hook input priority 0
        meta mark 7 counter name seven
        meta mark 9 counter name nine
    }
}
"""


@dataclass(frozen=True)
class Net:
    """The lab's addresses in one family: the client's and the real servers' nets, the router .1 in each."""

    family: socket.AddressFamily
    client_net: str
    server_net: str
    other_net: str
    virtual: str
    prefix: int


V4 = Net(socket.AF_INET, "192.0.2.", "10.1.0.", "10.2.0.", "192.0.2.100", 24)
V6 = Net(socket.AF_INET6, "2001:db8:1::", "fd01::", "fd02::", "2001:db8:1::100", 64)


class Lab:
    def __init__(self, namespaces: Callable[[], Namespace]) -> None:
        self.client, self.router, self.server, self.other = (namespaces() for _ in range(4))
        for interface, machine in (("eth0", self.client), ("eth1", self.server), ("eth2", self.other)):
            self.router.join(machine, interface, "eth0")
        for net in (V4, V6):
            for interface, prefix in (
                ("eth0", net.client_net),
                ("eth1", net.server_net),
                ("eth2", net.other_net),
            ):
                self._address(self.router, f"{prefix}1/{net.prefix}", interface)
            virtual = InterfaceAddress(ip_address(net.virtual), net.prefix, "eth0")
            self.router.call(addresses.add, virtual)
            self._address(self.client, f"{net.client_net}2/{net.prefix}", "eth0")
            for machine, prefix in ((self.server, net.server_net), (self.other, net.other_net)):
                self._address(machine, f"{prefix}11/{net.prefix}", "eth0")
                machine.run("ip", "route", "add", "default", "via", f"{prefix}1")
        for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            self.router.call(sysctl.write, path, "1")

    @staticmethod
    def _address(machine: Namespace, cidr: str, interface: str) -> None:
        nodad = ["nodad"] if ":" in cidr else []
        machine.run("ip", "address", "add", cidr, "dev", interface, *nodad)

    def counted(self) -> tuple[int, int]:
        """How many packets the router's other table has seen with marks 7 and 9."""
        objects = json.loads(self.router.run("nft", "--json", "list", "counters", "table", "inet", "watch"))
        packets = {
            o["counter"]["name"]: o["counter"]["packets"] for o in objects["nftables"] if "counter" in o
        }
        return packets["seven"], packets["nine"]


@pytest.fixture
def lab(namespaces: Callable[[], Namespace]) -> Lab:
    return Lab(namespaces)


def send(family: socket.AddressFamily, address: str, ports: list[int]) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        for port in ports:
            # Not connected: a closed port's answer then bothers nobody.
            datagrams.sendto(b"hello", (address, port))


@pytest.mark.parametrize("net", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("sender", ["client", "router"])
def test_packets_to_the_marked_ports_carry_the_mark_and_others_none(lab: Lab, net: Net, sender: str) -> None:
    virtual = ip_address(net.virtual)
    rules = (
        MarkRule(virtual, Protocol.UDP, PortRange(80, 80), 7),
        MarkRule(virtual, Protocol.UDP, PortRange(10000, 20000), 7),
        MarkRule(virtual, Protocol.UDP, PortRange(53, 53), 9),
        MarkRule(virtual, Protocol.TCP, PortRange(81, 81), 7),
    )
    lab.router.run("nft", WATCH)
    lab.router.call(netfilter.replace, Netfilter(rules))
    machine: Namespace = getattr(lab, sender)
    machine.call(send, net.family, net.virtual, [79, 80, 81, 9999, 10000, 15000, 20000, 20001])
    machine.call(send, net.family, f"{net.client_net}1", [80])
    machine.call(send, net.family, net.virtual, [53])  # last: once it is counted, so are the others
    eventually(lambda: lab.counted()[1] == 1, "the last packet was counted", limit=5)
    assert lab.counted() == (4, 1)


def source_seen(net: Net, sender: Namespace, receiver: Namespace, address: str) -> str:
    """The address that a datagram from sender comes from, in the eyes of receiver at address."""

    def listen() -> socket.socket:
        listening = socket.socket(net.family, socket.SOCK_DGRAM)
        listening.bind((address, 4000))
        listening.settimeout(5)
        return listening

    with receiver.call(listen) as listening:
        sender.call(send, net.family, address, [4000])
        _, source = listening.recvfrom(100)
    return str(source[0])


@pytest.mark.parametrize("net", [V4, V6], ids=["v4", "v6"])
def test_a_real_server_appears_outside_as_the_router_and_to_its_own_kind_as_itself(
    lab: Lab, net: Net
) -> None:
    server, other = f"{net.server_net}11", f"{net.other_net}11"
    lab.router.call(netfilter.replace, Netfilter(masquerade=(ip_address(server), ip_address(other))))
    # By its own address, not by the floating one, which may be another router's tomorrow.
    assert source_seen(net, lab.server, lab.client, f"{net.client_net}2") == f"{net.client_net}1"
    assert source_seen(net, lab.server, lab.other, other) == server
    assert source_seen(net, lab.server, lab.router, f"{net.server_net}1") == server


@pytest.mark.parametrize("net", [V4, V6], ids=["v4", "v6"])
def test_who_is_no_real_server_is_not_masqueraded(lab: Lab, net: Net) -> None:
    lab.router.call(netfilter.replace, Netfilter(masquerade=(ip_address(f"{net.other_net}11"),)))
    lab.client.run("ip", "route", "add", f"{net.server_net}0/{net.prefix}", "via", f"{net.client_net}1")
    source = source_seen(net, lab.server, lab.client, f"{net.client_net}2")
    assert source == f"{net.server_net}11"


@pytest.mark.parametrize("net", [V4, V6], ids=["v4", "v6"])
def test_the_answer_to_a_masqueraded_real_server_comes_back_to_it(lab: Lab, net: Net) -> None:
    lab.router.call(netfilter.replace, Netfilter(masquerade=(ip_address(f"{net.server_net}11"),)))

    def listen() -> socket.socket:
        return socket.create_server((f"{net.client_net}2", 4000), family=net.family)

    def connect() -> socket.socket:
        return socket.create_connection((f"{net.client_net}2", 4000), timeout=5)

    with lab.client.call(listen) as listening, lab.server.call(connect) as connection:
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b"welcome")
            assert connection.recv(7) == b"welcome"
