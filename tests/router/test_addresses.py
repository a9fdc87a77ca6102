from __future__ import annotations

import asyncio
import json
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.errors import KernelError
from lvs.router import addresses, sysctl
from lvs.router.state import InterfaceAddress
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root


def on(interface: str, cidr: str, label: str = "") -> InterfaceAddress:
    address, _, prefix = cidr.partition("/")
    return InterfaceAddress(ip_address(address), int(prefix), interface, label)


def floating(router: Namespace, interface: str = "eth0") -> set[InterfaceAddress]:
    """What is on an interface, without the link-local address that every interface has."""
    there = router.call(addresses.read, [interface])
    return {address for address in there if not address.address.is_link_local}


def as_ip_shows(router: Namespace, address: str, interface: str = "eth0") -> dict[str, Any]:
    (link,) = json.loads(router.run("ip", "-json", "address", "show", "dev", interface))
    return next(info for info in link["addr_info"] if info["local"] == address)


def test_an_address_that_was_added_is_read_back_as_it_was_given(router: Namespace) -> None:
    wanted = {
        on("eth0", "10.0.0.100/24", "eth0:1"),
        on("eth0", "10.0.0.101/32"),
        on("eth0", "fd00::100/64"),
        on("eth0", "fd00::101/128"),
    }
    for address in sorted(wanted, key=str):
        router.call(addresses.add, address)
    assert floating(router) == wanted


def test_reading_all_interfaces_finds_every_address_and_reading_some_finds_theirs(router: Namespace) -> None:
    router.call(addresses.add, on("eth0", "10.0.0.100/24"))
    router.call(addresses.add, on("eth1", "10.1.0.100/24"))
    everywhere = router.call(addresses.read, None)
    assert {on("lo", "127.0.0.1/8"), on("lo", "::1/128"), on("eth1", "10.1.0.100/24")} <= everywhere
    assert floating(router, "eth1") == {on("eth1", "10.1.0.100/24")}
    assert router.call(addresses.read, ["eth9"]) == frozenset()


def test_an_ipv4_address_gets_its_label_and_the_broadcast_address_of_its_net(router: Namespace) -> None:
    router.call(addresses.add, on("eth0", "10.0.0.100/24", "eth0:1"))
    router.call(addresses.add, on("eth0", "10.0.9.1/31"))
    shown = as_ip_shows(router, "10.0.0.100")
    assert (shown["label"], shown["broadcast"]) == ("eth0:1", "10.0.0.255")
    assert "broadcast" not in as_ip_shows(router, "10.0.9.1")


def test_an_ipv6_address_is_usable_at_once_and_never_the_source_of_the_routers_own(router: Namespace) -> None:
    router.call(addresses.add, on("eth0", "fd00::100/64"))
    shown = as_ip_shows(router, "fd00::100")
    assert shown["nodad"] is True
    assert "tentative" not in shown
    assert shown["deprecated"] is True
    router.run("ip", "address", "add", "fd00::1/64", "dev", "eth0", "nodad")
    assert " src fd00::1 " in router.run("ip", "-6", "route", "get", "fd00::77")


@pytest.mark.parametrize("cidr", ["10.0.0.100/32", "fd00::100/128"])
def test_a_host_address_brings_no_route_into_the_main_table(router: Namespace, cidr: str) -> None:
    router.call(addresses.add, on("eth0", cidr))
    family = "-6" if ":" in cidr else "-4"
    assert cidr.partition("/")[0] not in router.run("ip", family, "route", "show", "table", "main")


@pytest.mark.parametrize("cidr", ["10.0.0.100/24", "10.0.0.100/32", "fd00::100/64", "fd00::100/128"])
def test_adding_twice_and_removing_twice_is_fine(router: Namespace, cidr: str) -> None:
    router.call(addresses.add, on("eth0", cidr))
    router.call(addresses.add, on("eth0", cidr))
    assert floating(router) == {on("eth0", cidr)}
    router.call(addresses.remove, on("eth0", cidr))
    router.call(addresses.remove, on("eth0", cidr))
    assert floating(router) == set()


def test_removing_from_an_interface_that_is_gone_is_fine(router: Namespace) -> None:
    router.call(addresses.remove, on("eth9", "10.0.0.100/24"))


@pytest.mark.parametrize("promote", ["0", "1"])
def test_removing_the_first_address_of_a_net_keeps_the_others(router: Namespace, promote: str) -> None:
    parameter = "net/ipv4/conf/eth0/promote_secondaries"
    router.call(sysctl.write, parameter, promote)
    first, second, third = (on("eth0", f"10.0.0.{host}/24", f"eth0:{host}") for host in (1, 2, 3))
    for address in (first, second, third):
        router.call(addresses.add, address)
    router.call(addresses.remove, first)
    assert floating(router) == {second, third}
    assert router.call(sysctl.read, [parameter]) == {parameter: promote}


def test_only_the_address_with_that_label_is_removed(router: Namespace) -> None:
    router.call(addresses.add, on("eth0", "10.0.0.100/24"))
    router.call(addresses.remove, on("eth0", "10.0.0.100/24", "eth0:1"))
    router.call(addresses.remove, on("eth0", "10.0.0.100/32"))
    assert floating(router) == {on("eth0", "10.0.0.100/24")}


@pytest.mark.parametrize("prefix", [24, 32])
def test_a_new_label_leaves_routes_and_neighbouring_addresses_alone(router: Namespace, prefix: int) -> None:
    router.run("ip", "address", "add", f"10.0.0.100/{prefix}", "dev", "eth0")
    router.run("ip", "address", "add", "10.0.0.101/24", "dev", "eth0")
    router.run("ip", "route", "add", "default", "via", "10.0.0.254", "src", "10.0.0.100")
    router.call(addresses.add, on("eth0", f"10.0.0.100/{prefix}", "eth0:1"))
    assert floating(router) == {on("eth0", f"10.0.0.100/{prefix}", "eth0:1"), on("eth0", "10.0.0.101/24")}
    routes = router.run("ip", "route")
    assert "default via 10.0.0.254 dev eth0 src 10.0.0.100" in routes
    assert "10.0.0.0/24 dev eth0" in routes


def test_a_new_label_for_the_only_address_keeps_the_interfaces_routes(router: Namespace) -> None:
    router.run("ip", "address", "add", "10.0.0.100/24", "dev", "eth0")
    router.run("ip", "route", "add", "default", "via", "10.0.0.254")
    router.call(addresses.add, on("eth0", "10.0.0.100/24", "eth0:1"))
    assert floating(router) == {on("eth0", "10.0.0.100/24", "eth0:1")}
    assert "default via 10.0.0.254" in router.run("ip", "route")


def test_another_mask_replaces_that_of_an_ipv6_address(router: Namespace) -> None:
    router.call(addresses.add, on("eth0", "fd00::100/64"))
    router.call(addresses.add, on("eth0", "fd00::100/128"))
    assert floating(router) == {on("eth0", "fd00::100/128")}


def test_a_missing_interface_is_refused_with_the_names_of_those_that_exist(router: Namespace) -> None:
    with pytest.raises(KernelError, match=r"no interface eth9: use one of eth0, eth1, lo") as refused:
        router.call(addresses.add, on("eth9", "10.0.0.100/24"))
    assert refused.value.change == "add 10.0.0.100/24 on eth9"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (on("eth0", "10.0.0.100/24", "eth1:1"), "use eth0:1"),
        (on("eth0", "10.0.0.100/24", "eth0:a-long-label"), "at most 15 characters"),
        (on("eth0", "10.0.0.100/0"), "1 to 32 bits"),
        (on("eth0", "10.0.0.100/33"), "1 to 32 bits"),
        (on("eth0", "224.0.0.1/24"), "no machine can own"),
    ],
)
def test_what_the_kernel_would_not_take_is_refused_with_a_remedy(
    router: Namespace, address: InterfaceAddress, reason: str
) -> None:
    with pytest.raises(KernelError, match=reason):
        router.call(addresses.add, address)
    assert floating(router) == set()


def test_ipv6_switched_off_is_said_with_the_parameter_that_switches_it_on(router: Namespace) -> None:
    router.call(sysctl.write, "net/ipv6/conf/eth0/disable_ipv6", "1")
    with pytest.raises(KernelError, match="set net/ipv6/conf/eth0/disable_ipv6 to 0"):
        router.call(addresses.add, on("eth0", "fd00::100/64"))


MANY = [
    *(on("eth0", f"10.0.{number // 250}.{number % 250 + 1}/16", "eth0:1") for number in range(300)),
    *(on("eth1", f"10.1.0.{number}/32") for number in range(1, 40)),
    *(on("eth1", f"fd00::{number:x}/{64 + 64 * (number % 2)}") for number in range(1, 40)),
]


def test_many_addresses_are_added_and_removed_at_once(router: Namespace) -> None:
    mine = on("eth0", "10.0.9.9/16")
    router.call(addresses.add, mine)
    for _ in range(2):
        assert router.call(addresses.add_all, MANY) == {}
        assert floating(router) | floating(router, "eth1") == {*MANY, mine}
    for _ in range(2):
        assert router.call(addresses.remove_all, MANY) == {}
        assert floating(router) | floating(router, "eth1") == {mine}


@pytest.mark.parametrize("one", [MANY[0], MANY[300], MANY[339], MANY[340]])
def test_an_address_is_the_same_added_alone_or_with_others(router: Namespace, one: InterfaceAddress) -> None:
    router.call(addresses.add, one)
    alone = as_ip_shows(router, str(one.address), one.interface)
    router.call(addresses.remove, one)
    router.call(addresses.add_all, [one])
    assert as_ip_shows(router, str(one.address), one.interface) == alone


def test_the_refused_among_many_are_told_and_the_others_are_there(router: Namespace) -> None:
    wanted = [
        on("eth0", "10.0.0.1/24"),
        on("eth7", "10.0.0.2/24"),
        on("eth0", "224.0.0.1/24"),
        on("eth0", "10.0.0.3/24", "eth0:3"),
        on("eth0", "fd00::1/128"),
    ]
    router.call(addresses.add, on("eth0", "10.0.0.3/24", "eth0:9"))
    router.call(addresses.add, on("eth0", "fd00::1/64"))
    refused = router.call(addresses.add_all, wanted)
    assert set(refused) == {wanted[1], wanted[2]}
    assert "no interface eth7" in refused[wanted[1]]
    assert floating(router) == {wanted[0], wanted[3], wanted[4]}
    assert router.call(addresses.remove_all, wanted) == {}
    assert floating(router) == set()


@pytest.mark.parametrize("promote", ["0", "1"])
def test_removing_the_first_addresses_of_a_net_at_once_keeps_the_others(
    router: Namespace, promote: str
) -> None:
    path = "net/ipv4/conf/eth0/promote_secondaries"
    router.call(sysctl.write, path, promote)
    all_of_them = [on("eth0", f"10.0.0.{number}/24") for number in range(1, 9)]
    router.call(addresses.add_all, all_of_them)
    assert router.call(addresses.remove_all, all_of_them[:4]) == {}
    assert floating(router) == set(all_of_them[4:])
    assert router.call(sysctl.read, [path]) == {path: promote}


def test_addresses_can_be_changed_from_a_worker_thread_of_a_running_event_loop(router: Namespace) -> None:
    async def main() -> None:
        # A thread starts in the namespace of the one that makes it: router.call's.
        await asyncio.to_thread(addresses.add, on("eth0", "10.0.0.100/24"))

    router.call(asyncio.run, main())
    assert floating(router) == {on("eth0", "10.0.0.100/24")}
