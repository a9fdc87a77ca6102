"""What the rules count, on this machine's kernel."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvs.router import netfilter, sysctl
from lvs.router.netfilter.counts import Count, Counts
from lvs.router.state import Guard, MarkRule, Netfilter
from tests.conftest import eventually
from tests.router.conftest import Namespace
from tests.router.test_netfilter import SHOP, mark

pytestmark = pytest.mark.root

WEB = mark("10.0.0.100", 443, 443, 7)
WEB6 = mark("fd00::100", 80, 80, 7)
RANGE = mark("10.0.0.100", 10000, 20000, 21)
DATAGRAM = 20 + 8 + 1  # IPv4's header, UDP's, one byte
DATAGRAM6 = 40 + 8 + 1


def udp(rule_port: int, address: str = "10.0.0.100") -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"?", (address, rule_port))


def counts(router: Namespace) -> Counts:
    found = router.call(netfilter.read_counted)
    assert found is not None
    return found[1]


class Shop:
    """A router with a rule set for UDP, and a client on its cable."""

    def __init__(self, router: Namespace, client: Namespace) -> None:
        self.router, self._client = router, client
        router.join(client, "eth2", "eth0")
        for one, interface, address in ((router, "eth2", "10.0.0.100/24"), (client, "eth0", "10.0.0.1/24")):
            one.run("ip", "address", "add", address, "dev", interface)
        for one, interface, address in ((router, "eth2", "fd00::100/64"), (client, "eth0", "fd00::1/64")):
            one.run("ip", "address", "add", address, "dev", interface, "nodad")
        marks = tuple(replace(rule, protocol=SHOP.marks[3].protocol) for rule in (WEB, WEB6, RANGE))
        self.value = Netfilter(marks)
        self.web, self.ports, self.web6 = self.value.marks
        router.call(netfilter.replace, self.value)

    def ask(self, *ports: int, address: str = "10.0.0.100") -> None:
        """One datagram to each port."""
        for port in ports:
            self._client.call(udp, port, address)

    def counts(self, marks: dict[MarkRule, Count]) -> None:
        """Wait until the rules have counted this."""
        eventually(lambda: counts(self.router).marks == marks, "the rules have counted")


@pytest.fixture
def shop(router: Namespace, namespaces: Callable[[], Namespace]) -> Shop:
    return Shop(router, namespaces())


def test_each_rule_counts_its_own_packets_and_bytes_and_the_table_is_no_other_for_it(shop: Shop) -> None:
    assert counts(shop.router).marks == {}
    shop.ask(443, 10000, 20000, 20001)
    shop.ask(80, address="fd00::100")
    shop.counts(
        {shop.web: Count(1, DATAGRAM), shop.ports: Count(2, 2 * DATAGRAM), shop.web6: Count(1, DATAGRAM6)}
    )
    assert shop.router.call(netfilter.read) == shop.value
    both = shop.router.call(netfilter.read_counted)
    assert both is not None
    assert both[0] == shop.value


def test_rules_that_stay_go_on_counting_over_replacements_and_new_ones_begin_at_nothing(shop: Shop) -> None:
    shop.ask(443, 443, 10000)
    shop.counts({shop.web: Count(2, 2 * DATAGRAM), shop.ports: Count(1, DATAGRAM)})
    other = replace(shop.ports, fwmark=22)
    replaced = Netfilter((shop.web, other, shop.web6), guard=Guard(3636, ()))
    shop.router.call(netfilter.replace, replaced)
    shop.ask(443)
    shop.counts({shop.web: Count(3, 3 * DATAGRAM)})
    shop.router.run("nft", "add rule inet piranha prerouting accept")  # changed by hand: still known
    shop.router.call(netfilter.replace, shop.value)
    shop.counts({shop.web: Count(3, 3 * DATAGRAM)})
    shop.router.call(netfilter.remove)
    shop.router.call(netfilter.replace, shop.value)
    shop.counts({})


def test_what_the_router_itself_sends_is_counted_too(shop: Shop) -> None:
    shop.router.call(udp, 443)  # by output, and where no IPVS takes it, by prerouting when it comes back
    shop.counts({shop.web: Count(2, 2 * DATAGRAM)})


def test_no_count_is_lost_however_often_the_table_is_replaced(shop: Shop) -> None:
    for number in range(10):
        shop.ask(443)
        shop.counts({shop.web: Count(number + 1, (number + 1) * DATAGRAM)})
        shop.router.call(netfilter.replace, replace(shop.value, guard=Guard(1000 + number, ())))


def test_masquerade_counts_connections_and_the_guard_what_it_refused(
    namespaces: Callable[[], Namespace], router: Namespace
) -> None:
    server, outside = namespaces(), namespaces()
    router.join(server, "eth2", "eth0")
    router.join(outside, "eth3", "eth0")
    router.run("ip", "address", "add", "10.1.0.9/24", "dev", "eth2")
    router.run("ip", "address", "add", "192.0.2.9/24", "dev", "eth3")
    server.run("ip", "address", "add", "10.1.0.11/24", "dev", "eth0")
    server.run("ip", "route", "add", "default", "via", "10.1.0.9")
    outside.run("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
    router.call(sysctl.write, "net/ipv4/ip_forward", "1")
    value = Netfilter(SHOP.marks, (ip_address("10.1.0.11"), ip_address("fd01::11")), guard=Guard(3636, ()))
    router.call(netfilter.replace, value)

    def knock() -> None:
        with socket.socket() as client, suppress(TimeoutError):
            client.settimeout(0.1)
            client.connect(("192.0.2.9", 3636))

    outside.call(knock)
    for _ in range(2):
        server.call(udp, 53, "192.0.2.1")
    both = {4: Count(2, 2 * DATAGRAM), 6: Count()}
    eventually(lambda: counts(router).masquerade == both, "both connections are counted")
    router.call(netfilter.replace, replace(value, marks=()))
    found = counts(router)
    assert found.masquerade == both
    assert found.refused.packets >= 1
    assert router.call(netfilter.read) == replace(value, marks=())
