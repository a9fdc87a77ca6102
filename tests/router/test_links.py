from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest

from lvs.config.model import Address
from lvs.router import addresses, links, sysctl
from lvs.router.links import LinkChange, Watcher
from lvs.router.state import InterfaceAddress
from tests.conftest import eventually
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root

UP, DOWN = LinkChange("eth0", True), LinkChange("eth0", False)


def shown(namespace: Namespace, *command: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(namespace.run("ip", "-json", *command) or "[]")
    return found


def become(namespace: Namespace, **wanted: bool) -> None:
    """Waits until these interfaces can, or cannot, carry; all the others are as `ip` shows them."""

    def are() -> bool:
        found = namespace.call(links.states)
        return all(found[name] == up for name, up in wanted.items())

    eventually(are, f"the interfaces become {wanted}", limit=10)
    by_ip = {
        str(link["ifname"]): {"UP", "LOWER_UP"} <= set(link["flags"])
        and link["operstate"] in ("UP", "UNKNOWN")  # type: ignore[call-overload]
        for link in shown(namespace, "link", "show")
    }
    assert namespace.call(links.states) == by_ip


class Pair:
    """A router whose eth0 and eth1 are cabled to far0 and far1 of another machine."""

    def __init__(self, router: Namespace, far: Namespace) -> None:
        self.router, self.far = router, far
        router.join(far, "eth0", "far0")
        router.join(far, "eth1", "far1")
        become(router, eth0=True, eth1=True)

    def cable(self, interface: str, to: str) -> None:
        """Pulls or puts back what leads to far0 or far1."""
        self.far.run("ip", "link", "set", interface, to)


@pytest.fixture
def pair(namespaces: Callable[[], Namespace]) -> Pair:
    return Pair(namespaces(), namespaces())


class Watched:
    """A watcher of the router's interfaces, and what it has told."""

    def __init__(self, pair: Pair) -> None:
        self.watcher = pair.router.call(Watcher)
        self.told: list[LinkChange] = []

    def tells(self, *changes: LinkChange) -> None:
        """Waits until the last of these was told, and sees that they were all that was told."""

        def told() -> bool:
            self.told += self.watcher.read()
            return changes[-1] in self.told

        eventually(told, f"the watcher tells {changes}", limit=10)
        assert self.told == list(changes)
        self.told = []


@pytest.fixture
def watched(pair: Pair) -> Iterator[Watched]:
    watched = Watched(pair)
    yield watched
    watched.watcher.close()


def test_an_interface_can_carry_while_its_cable_is_whole_and_it_is_switched_on(pair: Pair) -> None:
    pair.cable("far0", "down")
    become(pair.router, eth0=False, eth1=True, lo=True)
    pair.cable("far0", "up")
    become(pair.router, eth0=True)
    pair.router.run("ip", "link", "set", "eth0", "down")
    become(pair.router, eth0=False)


def test_a_bridge_can_carry_while_one_of_its_ports_can(pair: Pair) -> None:
    pair.router.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
    pair.router.run("ip", "link", "set", "br0", "up")
    for port in ("eth0", "eth1"):
        pair.router.run("ip", "link", "set", port, "master", "br0")
    become(pair.router, br0=True)
    pair.cable("far0", "down")
    become(pair.router, br0=True, eth0=False)
    pair.cable("far1", "down")
    become(pair.router, br0=False)


def test_an_interface_above_another_can_carry_while_that_can(pair: Pair) -> None:
    pair.router.run("ip", "link", "add", "link", "eth0", "name", "above0", "type", "macvlan")
    pair.router.run("ip", "link", "set", "above0", "up")
    become(pair.router, above0=True)
    pair.cable("far0", "down")
    become(pair.router, above0=False, eth0=False)


def test_the_watcher_tells_of_a_cable_that_is_pulled_and_put_back(pair: Pair, watched: Watched) -> None:
    pair.cable("far0", "down")
    watched.tells(DOWN)
    pair.cable("far0", "up")
    watched.tells(UP)


def test_the_watcher_tells_of_an_interface_that_is_switched_off_and_on(pair: Pair, watched: Watched) -> None:
    pair.router.run("ip", "link", "set", "eth0", "down")
    watched.tells(DOWN)
    pair.router.run("ip", "link", "set", "eth0", "up")
    watched.tells(UP)


def test_without_news_there_is_nothing_to_read_and_no_wait(watched: Watched) -> None:
    watched.watcher.read()
    assert watched.watcher.read() == ()


def test_the_watcher_says_nothing_of_changes_that_leave_the_carrier_alone(
    pair: Pair, watched: Watched
) -> None:
    pair.router.run("ip", "link", "set", "eth1", "mtu", "1400")
    pair.router.run("ip", "link", "set", "eth1", "address", "02:00:00:00:00:07")
    pair.cable("far0", "down")
    watched.tells(DOWN)


def test_a_removed_interface_is_down(pair: Pair, watched: Watched) -> None:
    pair.router.run("ip", "link", "del", "eth0")
    watched.tells(DOWN)
    assert "eth0" not in pair.router.call(links.states)


def test_an_interface_that_is_moved_elsewhere_is_down(pair: Pair, watched: Watched) -> None:
    pair.router.run("ip", "link", "set", "eth0", "netns", pair.far.name)
    watched.tells(DOWN)


def test_a_new_interface_is_told_when_it_can_carry(pair: Pair, watched: Watched) -> None:
    pair.router.join(pair.far, "eth2", "far2")
    watched.tells(LinkChange("eth2", True))


def test_a_renamed_interface_is_down_under_its_old_name_and_up_under_its_new(
    pair: Pair, watched: Watched
) -> None:
    pair.router.run("ip", "link", "set", "eth0", "down")
    pair.router.run("ip", "link", "set", "eth0", "name", "wan")
    pair.router.run("ip", "link", "set", "wan", "up")
    watched.tells(DOWN, LinkChange("wan", True))


def test_an_interface_that_joins_and_leaves_a_bridge_is_as_it_was(pair: Pair, watched: Watched) -> None:
    pair.router.run("ip", "link", "add", "br0", "type", "bridge")
    pair.router.run("ip", "link", "set", "eth0", "master", "br0")
    pair.router.run("ip", "link", "set", "eth0", "nomaster")
    pair.cable("far1", "down")
    watched.tells(LinkChange("eth1", False))


def test_a_watcher_that_was_told_too_much_reads_everything_anew(pair: Pair, watched: Watched) -> None:
    with socket.socket(fileno=os.dup(watched.watcher.fileno())) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel makes that its least
        for mtu in range(1300, 1340):
            pair.router.run("ip", "link", "set", "eth1", "mtu", str(mtu))
        pair.cable("far0", "down")
        become(pair.router, eth0=False)
        overflowed = pair.router.call(watched.watcher.read)
        assert overflowed == (DOWN,)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
    pair.cable("far1", "down")
    watched.tells(LinkChange("eth1", False))


FLOATING = InterfaceAddress(ip_address("10.0.0.100"), 24, "eth0", "eth0:1")
PLAIN = InterfaceAddress(ip_address("10.0.0.101"), 24, "eth0")
FLOATING_V6 = InterfaceAddress(ip_address("fd00::100"), 64, "eth0")
ON_ANOTHER = InterfaceAddress(ip_address("10.0.1.100"), 24, "eth1", "eth1:7")


def held(namespace: Namespace) -> set[str]:
    """Every address that is not link-local, as `ip` shows it."""
    return {
        f"{one['local']}/{one['prefixlen']} {one.get('label', link['ifname'])}"
        for link in shown(namespace, "address", "show")
        for one in link["addr_info"]  # type: ignore[attr-defined]
        if one["scope"] == "global"
    }


@pytest.fixture
def raised(pair: Pair) -> Namespace:
    """A router that has its own address and all the floating ones."""
    pair.router.run("ip", "address", "add", "10.0.0.2/24", "dev", "eth0")
    for address in (FLOATING, PLAIN, FLOATING_V6, ON_ANOTHER):
        pair.router.call(addresses.add, address)
    return pair.router


def test_lowered_addresses_are_gone_and_all_others_stay(raised: Namespace) -> None:
    assert raised.call(links.lower, [FLOATING, FLOATING_V6, ON_ANOTHER]) == ()
    assert held(raised) == {"10.0.0.2/24 eth0", "10.0.0.101/24 eth0"}


def test_addresses_that_are_not_there_need_no_lowering(raised: Namespace) -> None:
    gone = InterfaceAddress(ip_address("10.0.0.200"), 24, "eth0")
    nowhere = InterfaceAddress(FLOATING.address, 24, "eth9")
    before = held(raised)
    assert raised.call(links.lower, [gone, nowhere]) == raised.call(links.lower, []) == ()
    assert held(raised) == before


@pytest.mark.parametrize(
    "other",
    [
        InterfaceAddress(FLOATING.address, 25, "eth0", "eth0:1"),
        InterfaceAddress(FLOATING.address, 24, "eth0", "eth0:2"),
        InterfaceAddress(FLOATING.address, 24, "eth0"),
        InterfaceAddress(FLOATING.address, 24, "eth1", "eth0:1"),
        InterfaceAddress(FLOATING_V6.address, 128, "eth0"),
    ],
    ids=["prefix", "label", "no label", "interface", "IPv6 prefix"],
)
def test_an_address_with_another_prefix_label_or_interface_is_not_touched(
    raised: Namespace, other: InterfaceAddress
) -> None:
    before = held(raised)
    assert raised.call(links.lower, [other]) == ()
    assert held(raised) == before


@pytest.mark.parametrize("promote", ["0", "1"])
def test_the_other_addresses_of_a_net_stay_when_its_first_goes(pair: Pair, promote: str) -> None:
    router = pair.router
    path = "net/ipv4/conf/eth0/promote_secondaries"
    router.call(sysctl.write, path, promote)
    for address in (FLOATING, PLAIN):
        router.call(addresses.add, address)
    router.run("ip", "address", "add", "10.0.0.2/24", "dev", "eth0")
    assert router.call(links.lower, [FLOATING, PLAIN]) == ()
    assert held(router) == {"10.0.0.2/24 eth0"}
    assert router.call(sysctl.read, [path]) == {path: promote}


def test_the_address_behind_a_point_to_point_link_is_lowered(pair: Pair) -> None:
    pair.router.run("ip", "address", "add", "10.0.0.100", "peer", "10.0.9.9/32", "dev", "eth0")
    there = InterfaceAddress(ip_address("10.0.0.100"), 32, "eth0")
    assert pair.router.call(links.lower, [there]) == ()
    assert held(pair.router) == set()


def test_many_addresses_are_lowered_in_one_go(pair: Pair) -> None:
    many = [f"10.{third}.{last}.1" for third in range(1, 6) for last in range(100)]
    batch = "".join(f"address add {one}/16 dev eth0\n" for one in many)
    subprocess.run(
        ["ip", "netns", "exec", pair.router.name, "ip", "-batch", "-"], input=batch, text=True, check=True
    )
    floating = [InterfaceAddress(ip_address(one), 16, "eth0") for one in many]
    assert len(held(pair.router)) == 500
    assert pair.router.call(links.lower, floating[:-1]) == ()
    assert held(pair.router) == {f"{many[-1]}/16 eth0"}


def test_a_refusal_is_said_with_what_to_do(raised: Namespace) -> None:
    program = (
        "import os\nfrom ipaddress import ip_address\nfrom lvs.router import links\n"
        "from lvs.router.state import InterfaceAddress\nos.setuid(65534)\n"
        "print(*links.lower([InterfaceAddress(ip_address('fd00::100'), 64, 'eth0')]))"
    )
    said = raised.run(sys.executable, "-c", program)
    assert said.startswith(
        "fd00::100/64 on eth0 is still there (permission denied: pulse needs to run as root"
    )
    assert "ip address del fd00::100/64 dev eth0" in said


@pytest.mark.parametrize("address", [FLOATING, FLOATING_V6, ON_ANOTHER], ids=str)
def test_an_address_of_this_machine_is_on_its_interface(raised: Namespace, address: InterfaceAddress) -> None:
    assert raised.call(links.interface_of, address.address) == address.interface


@pytest.mark.parametrize("address", ["10.0.0.3", "fd00::3"])
def test_an_address_of_another_machine_is_on_none(raised: Namespace, address: str) -> None:
    assert raised.call(links.interface_of, ip_address(address)) is None


def test_own_macs_are_those_of_every_ethernet_interface(pair: Pair) -> None:
    pair.router.run("ip", "link", "set", "eth1", "down")
    pair.router.run("ip", "link", "add", "br0", "address", "02:00:00:00:00:05", "type", "bridge")
    by_ip = {
        bytes.fromhex(str(link["address"]).replace(":", ""))
        for link in shown(pair.router, "link", "show")
        if link["link_type"] == "ether"
    }
    assert pair.router.call(links.own_macs) == by_ip
    assert len(by_ip) == 3


def learn(namespace: Namespace, address: str, mac: int, interface: str, state: str) -> None:
    entry = (address, "lladdr", f"02:00:00:00:00:{mac:02x}", "dev", interface, "nud", state)
    namespace.run("ip", "neighbour", "replace", *entry)


@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("state", ["reachable", "stale", "delay", "probe", "permanent"])
def test_a_known_neighbour_has_its_mac(pair: Pair, address: str, state: str) -> None:
    learn(pair.router, address, 9, "eth0", state)
    assert pair.router.call(links.neighbour_mac, ip_address(address)) == b"\x02\0\0\0\0\x09"


@pytest.mark.parametrize("state", ["failed", "incomplete", "noarp", "none"])
def test_a_neighbour_that_was_given_up_has_none(pair: Pair, state: str) -> None:
    learn(pair.router, "10.0.0.1", 9, "eth0", state)
    assert pair.router.call(links.neighbour_mac, ip_address("10.0.0.1")) is None


def test_a_neighbour_that_nobody_spoke_to_has_none(pair: Pair) -> None:
    learn(pair.router, "10.0.0.1", 9, "eth0", "stale")
    others: tuple[Address, ...] = (ip_address("10.0.0.2"), ip_address("fd00::1"))
    assert [pair.router.call(links.neighbour_mac, other) for other in others] == [None, None]


def test_of_two_entries_the_surer_one_counts_unless_the_interface_is_given(pair: Pair) -> None:
    learn(pair.router, "10.0.0.1", 1, "eth0", "stale")
    learn(pair.router, "10.0.0.1", 2, "eth1", "permanent")
    neighbour = ip_address("10.0.0.1")
    assert pair.router.call(links.neighbour_mac, neighbour) == b"\x02\0\0\0\0\x02"
    assert pair.router.call(links.neighbour_mac, neighbour, "eth0") == b"\x02\0\0\0\0\x01"
    assert pair.router.call(links.neighbour_mac, neighbour, "eth9") is None
