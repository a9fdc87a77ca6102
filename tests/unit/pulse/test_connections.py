"""The call `connections`: what its filters mean by the configuration in force, and what it refuses."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest

from lvs.config.model import FloatingAddress, LvsConfig, PortRange, RealServer, VirtualServer
from lvs.errors import RouterError
from lvs.pulse.connections import limit_of, wanted_of
from lvs.pulse.terminal_connections import described
from lvs.router.connections import Place

SHOP = VirtualServer(
    name="shop",
    active=True,
    address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"),
    port=80,
    ports=(PortRange(443, 443), PortRange(8000, 8010)),
    fwmark=80,
    real_servers=(
        RealServer(name="web1", address=IPv4Address("10.11.12.1"), active=True),
        RealServer(name="web2", address=IPv4Address("10.11.12.2"), port=8080, active=True),
    ),
)
CONFIG = LvsConfig(virtual_servers=(SHOP,))
FOUND: dict[str, Any] = {
    "connections": [["TCP", "2001:db8::1", 50000, "2001:db8::a", 443, "10.11.12.1", 443, "ESTABLISHED", 899]],
    "looked_at": 7,
    "matched": 3,
    "persistence": 1,
    "cut": True,
    "seconds": 2.51,
    "states": {"ESTABLISHED": 2},
    "real_servers": [["10.11.12.1", 443, 2]],
    "clients": [["2001:db8::1", 2]],
}


def place(network: str, *ports: int, protocol: str = "") -> Place:
    return Place.of(ip_network(network), *ports, protocol=protocol)


def test_a_virtual_servers_name_means_all_its_ports_with_their_protocol() -> None:
    wanted = wanted_of(CONFIG, {"virtual_server": "shop"})
    assert wanted.virtual == tuple(
        place("192.168.26.10/32", *ports, protocol="TCP") for ports in ((80, 80), (443, 443), (8000, 8010))
    )


def test_a_real_servers_name_means_its_address_and_its_port_if_it_has_its_own() -> None:
    assert wanted_of(CONFIG, {"real_server": "web1"}).real == (place("10.11.12.1/32"),)
    assert wanted_of(CONFIG, {"real_server": "web2"}).real == (place("10.11.12.2/32", 8080, 8080),)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("192.0.2.1", place("192.0.2.1/32")),
        (" 192.0.2.0/24 ", place("192.0.2.0/24")),
        ("192.0.2.1:80", place("192.0.2.1/32", 80, 80)),
        ("[2001:db8::1]:443", place("2001:db8::1/128", 443, 443)),
        ("2001:db8::/32", place("2001:db8::/32")),
    ],
)
def test_addresses_networks_and_places_are_understood(text: str, meant: Place) -> None:
    assert wanted_of(CONFIG, {"client": text}).client == (meant,)
    assert wanted_of(CONFIG, {"virtual_server": text}).virtual == (meant,)


@pytest.mark.parametrize("name", ["client", "virtual_server", "real_server"])
@pytest.mark.parametrize("text", ["nobody", "1.2.3", "192.0.2.1:port", "10.0.0.0/99"])
def test_what_means_nothing_is_refused_with_what_to_write(name: str, text: str) -> None:
    with pytest.raises(RouterError, match="is nothing that this router knows: write"):
        wanted_of(CONFIG, {name: text})


def test_other_values_are_refused_in_words() -> None:
    with pytest.raises(RouterError, match="client must be a text"):
        wanted_of(CONFIG, {"client": 7})
    with pytest.raises(RouterError, match="There is no protocol 'GRE' here"):
        wanted_of(CONFIG, {"protocol": "gre"})
    for limit in (-1, 1001, True, "7", 1.5):
        with pytest.raises(RouterError, match="limit must be a number from 0 to 1000"):
            limit_of(limit)
    assert (limit_of(None), limit_of(0)) == (1000, 0)


def test_the_console_prints_rows_counts_and_how_far_reading_came() -> None:
    lines = list(described(FOUND))
    assert lines[1].split() == [
        "TCP",
        "14:59",
        "ESTABLISHED",
        "[2001:db8::1]:50000",
        "[2001:db8::a]:443",
        "10.11.12.1:443",
    ]
    assert lines[2:6] == ["and 2 more", "ESTABLISHED: 2", "10.11.12.1:443: 2", "entries of persistence: 1"]
    assert lines[6].startswith("3 of 7 in 2.5 s; the table is longer")
