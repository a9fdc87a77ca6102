"""The guard of the panel's port, with real connections on this machine's kernel."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvs.router import netfilter
from lvs.router.state import Guard, Netfilter, Network
from tests.router.conftest import Namespace
from tests.router.test_netfilter import SHOP

pytestmark = pytest.mark.root

PORT = 3636
OWN = ("192.0.2.9", "2001:db8::9")
FRIENDS, OTHERS = ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2")
FRIENDLY = (ip_network("192.0.2.0/31"), ip_network("2001:db8::/127"))


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def gets_in(source: str, destination: str, port: int = PORT) -> bool:
    """Whether a connection from this address is taken."""
    with socket.socket(family(destination)) as client:
        client.settimeout(0.3)
        client.bind((source, 0))
        try:
            client.connect((destination, port))
        except TimeoutError:
            return False
        return True


@pytest.fixture
def client(namespaces: Callable[[], Namespace], router: Namespace) -> Namespace:
    """One with good and bad addresses, on a cable to the router, which has OWN and the panel."""
    client = namespaces()
    router.join(client, "eth2", "eth0")
    for one, interface, addresses in ((router, "eth2", OWN), (client, "eth0", (*FRIENDS, *OTHERS))):
        for address in addresses:
            wide, still = (64, ["nodad"]) if ":" in address else (24, [])
            one.run("ip", "address", "add", f"{address}/{wide}", "dev", interface, *still)
    return client


def listening(port: int) -> socket.socket:
    """A server of both IP versions."""
    return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)


def who(client: Namespace, router: Namespace, port: int = PORT) -> set[str]:
    """The addresses from which a connection to the port is taken."""
    pairs = [(source, OWN[":" in source], client) for source in (*FRIENDS, *OTHERS)] + [
        (own, own, router) for own in (*OWN, "127.0.0.1", "::1")
    ]
    with closing(router.call(listening, port)):
        return {source for source, to, machine in pairs if machine.call(gets_in, source, to, port)}


def test_only_the_networks_and_the_machine_itself_reach_the_port_and_all_reach_others(
    client: Namespace, router: Namespace
) -> None:
    everybody = {*FRIENDS, *OTHERS, *OWN, "127.0.0.1", "::1"}
    assert who(client, router) == everybody
    router.call(netfilter.replace, Netfilter(guard=Guard(PORT, FRIENDLY)))
    assert who(client, router) == everybody - set(OTHERS)
    assert who(client, router, 8080) == everybody
    router.call(netfilter.replace, Netfilter(guard=Guard(PORT, FRIENDLY[:1])))
    assert who(client, router) == everybody - {*OTHERS, FRIENDS[1]}
    router.call(netfilter.replace, Netfilter(guard=Guard(PORT, ())))
    assert who(client, router) == {*OWN, "127.0.0.1", "::1"}
    router.call(netfilter.remove)
    assert who(client, router) == everybody


def test_what_another_firewall_accepts_is_stopped_and_what_it_drops_stays_out(
    client: Namespace, router: Namespace
) -> None:
    router.call(netfilter.replace, Netfilter(guard=Guard(PORT, FRIENDLY)))
    hook = "type filter hook input priority filter; policy drop;"
    rules = f"tcp dport {PORT} ip saddr 192.0.2.0/24 accept"
    router.run("nft", f"table inet other {{ chain input {{ {hook} {rules}; }}; }}")
    assert who(client, router) == {FRIENDS[0]}


def test_a_connection_of_a_network_that_is_no_longer_allowed_hears_nothing_more(
    client: Namespace, router: Namespace
) -> None:
    with closing(router.call(listening, PORT)) as server:
        server.settimeout(1)
        one = client.call(socket.create_connection, (OWN[0], PORT), 1, (OTHERS[0], 0))
        with closing(one), closing(server.accept()[0]) as taken:
            taken.settimeout(0.3)
            one.send(b"a")
            assert taken.recv(1) == b"a"
            router.call(netfilter.replace, Netfilter(guard=Guard(PORT, FRIENDLY)))
            one.send(b"b")
            with pytest.raises(TimeoutError):
                taken.recv(1)


GUARDED = Netfilter(SHOP.marks, SHOP.masquerade, guard=Guard(PORT, FRIENDLY))


@pytest.mark.parametrize(
    ("command", "drift"),
    [
        ("flush chain inet piranha guard", "was changed by hand"),
        ("insert rule inet piranha guard accept", "a rule in chain guard is not pulse's"),
        (
            'add element inet piranha guard4 { 10.9.0.0/16 comment "mine" }',
            "an element of guard4 is not pulse's",
        ),
        ("add chain inet piranha guard { policy drop; }", "was changed by hand"),
    ],
)
def test_a_guard_changed_by_hand_shows_as_drift_and_is_put_right(
    router: Namespace, command: str, drift: str
) -> None:
    router.call(netfilter.replace, GUARDED)
    router.run("nft", command)
    found = router.call(netfilter.read)
    assert found is not None
    assert any(drift in sentence for sentence in found.drift)
    router.call(netfilter.replace, GUARDED)
    assert router.call(netfilter.read) == GUARDED


def test_a_network_added_by_hand_is_read_as_it_is(router: Namespace) -> None:
    router.call(netfilter.replace, GUARDED)
    router.run("nft", "add element inet piranha guard4 { 10.9.0.1-10.9.0.2 }")
    found = router.call(netfilter.read)
    more = (*FRIENDLY, ip_network("10.9.0.1/32"), ip_network("10.9.0.2/32"))
    assert found == Netfilter(SHOP.marks, SHOP.masquerade, guard=Guard(PORT, more))


NUMBERS = st.integers(0, 255)
NETWORKS: st.SearchStrategy[Network] = st.one_of(
    st.builds(lambda n, bits: ip_network(f"10.0.{n}.{n}/{bits}", strict=False), NUMBERS, st.integers(0, 32)),
    st.builds(lambda n, bits: ip_network(f"fd00::{n:x}/{bits}", strict=False), NUMBERS, st.integers(0, 128)),
    NUMBERS.map(lambda n: ip_network(f"10.1.1.{n}/32")),  # many neighbours
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(port=st.integers(1, 65535), networks=st.lists(NETWORKS, max_size=8))
def test_any_guard_is_read_back_exactly(router: Namespace, port: int, networks: list[Network]) -> None:
    value = Netfilter(guard=Guard(port, tuple(networks)))
    router.call(netfilter.replace, value)
    assert router.call(netfilter.read) == value


def test_a_thousand_networks_are_read_back(router: Namespace) -> None:
    networks = tuple(ip_network(f"{ip_address(0x0A000000 + 2 * n)}/32") for n in range(1000))
    value = Netfilter(guard=Guard(PORT, networks))
    router.call(netfilter.replace, value)
    assert router.call(netfilter.read) == value
