"""What this machine says of its networks, and from where its console is used."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address
from pathlib import Path

from piranha_web.setup import machine

# As a little-endian machine shows 0.0.0.0 by 192.168.7.1, 192.168.7.0/24, 10.1.0.0/16, and an own address.
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0107A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0007A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth1\t0000010A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t0000020A\t0107A8C0\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
"""
ADDRESSES = """00000000000000000000000000000001 01 80 10 80       lo
20010db8000000070000000000000009 02 40 00 80     eth0
fd000000000000010000000000000009 02 40 00 00     eth0
fe800000000000000000000000000009 02 40 20 80     eth0
20010db8000000080000000000000009 03 40 00 40     eth1
"""


def test_a_network_without_a_gateway_is_this_machines_own() -> None:
    found = [(name, str(network)) for name, network in machine.ipv4_networks(ROUTES)]

    assert found == [("eth0", "192.168.7.0/24"), ("eth1", "10.1.0.0/16")]


def test_lasting_global_addresses_of_ipv6_name_their_networks() -> None:
    found = [(name, str(network)) for name, network in machine.ipv6_networks(ADDRESSES)]

    assert found == [("eth0", "2001:db8:0:7::/64"), ("eth0", "fd00:0:0:1::/64")]


def test_a_kernel_without_those_files_has_no_networks() -> None:
    assert machine.ipv4_networks("") == []
    assert machine.ipv6_networks(machine.text_of(Path("/proc/no/such"))) == []


def test_this_machine_is_read_without_an_error() -> None:
    assert all(not network.is_loopback for _interface, network in machine.own_networks())


def test_ssh_says_from_where_the_console_is_used() -> None:
    environment = {"SSH_CONNECTION": "fe80::9%eth0 50000 fe80::1%eth0 22"}

    assert machine.console_address(environment) == ip_address("fe80::9")


def process(proc: Path, number: int, parent: int, environment: bytes) -> None:
    (proc / str(number)).mkdir(parents=True)
    (proc / str(number) / "environ").write_bytes(environment)
    (proc / str(number) / "stat").write_text(f"{number} (a ) b) S {parent} 1 1 0")


def test_what_sudo_takes_from_the_environment_is_found_at_a_parent(tmp_path: Path) -> None:
    process(tmp_path, 30, 20, b"PATH=/bin\0")
    process(tmp_path, 20, 10, b"TERM=x\0SSH_CONNECTION=198.51.100.9 50000 192.0.2.1 22\0")

    assert machine.connection_of_parents(30, tmp_path) == "198.51.100.9 50000 192.0.2.1 22"


def test_a_console_of_nobody_elses_has_no_address(tmp_path: Path) -> None:
    process(tmp_path, 30, 1, b"PATH=/bin\0")

    assert machine.connection_of_parents(30, tmp_path) == ""
    assert machine.connection_of_parents(99, tmp_path) == ""


def test_pages_for_every_address_are_served_by_ipv6_where_there_is_nothing_else() -> None:
    assert machine.everywhere(["127.0.0.1", "::1", "fd00:1::9", "2001:db8:7::9"]) == "::"
    assert machine.everywhere(["192.0.2.1", "fd00:1::9"]) == "0.0.0.0"
    assert machine.everywhere(["127.0.0.1", "::1"]) == "0.0.0.0"
    assert machine.everywhere() in ("0.0.0.0", "::")


def test_a_clock_from_before_the_version_was_made_is_wrong() -> None:
    assert machine.clock_trouble(1_700_000_000, 1_700_000_000 + 86_000) == ""
    said = machine.clock_trouble(60, 1_700_000_000)
    assert "1970-01-01 00:01 UTC" in said
    assert "2023-11-14 22:13 UTC" in said
    assert machine.clock_trouble(time.time(), machine.MADE_AT) == ""


def test_a_port_at_which_somebody_listens_is_said_to_be_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]

        assert "Something listens at port" in machine.trouble_at(["unix:/x", "127.0.0.1"], port)
    assert machine.trouble_at(["127.0.0.1"], port) == ""
    assert machine.trouble_at(["203.0.113.9"], port) == "203.0.113.9 is no address of this machine now."
