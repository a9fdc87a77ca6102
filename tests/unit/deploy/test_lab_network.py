"""The lab's wiring, as values."""

from __future__ import annotations

from ipaddress import ip_interface

from deploy.lab import network


def addresses() -> list[str]:
    return [address for link in network.links() for address in link.addresses]


def test_no_address_is_given_twice():
    assert len(addresses()) == len(set(addresses()))


def test_the_machines_have_the_addresses_of_the_guide():
    for address in ("192.168.26.9/24", "192.168.26.8/24", "10.11.12.9/24", "10.11.12.8/24", "10.11.12.1/24"):
        assert address in addresses()


def test_floating_addresses_are_given_to_nobody_since_pulse_brings_them():
    given = {str(ip_interface(address).ip) for address in addresses()}
    assert not given & {network.NAT_VIP, network.NAT_VIP6, network.NAT_GATEWAY, network.NAT_GATEWAY6}


def test_interfaces_of_both_routers_are_on_the_same_networks():
    plugs = {
        router: [(link.interface, link.bridge) for link in network.links() if link.namespace == router]
        for router in network.ROUTERS
    }
    assert plugs["r1"] == plugs["r2"]


def test_answers_of_a_nat_real_server_go_through_the_router_in_both_families():
    assert "route add default via 10.11.12.10 table 100" in network.machine("s1")
    assert network.rules("s1", 4)[0] == "rule add from 10.11.12.0/24 lookup 100 priority 100"
    assert network.rules("s1", 6)[0] == "rule add from fd00:11:12::/64 lookup 100 priority 100"
    assert network.rules("r1", 4) == []


def test_only_real_servers_keep_quiet_about_virtual_addresses():
    assert network.sysctls_before("s1")["net/ipv4/conf/all/arp_ignore"] == "1"
    assert "net/ipv4/conf/all/arp_ignore" not in network.sysctls_before("r1")


def test_interface_names_of_the_switch_fit_the_kernels_fifteen_letters():
    assert all(len(f"{link.namespace}-{link.interface}") <= 15 for link in network.links())
