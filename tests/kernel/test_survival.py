"""What lasts: the table when nothing changes, connections over the end of pulse, what is not pulse's, and
service while real servers die and return."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import inside
from lvs.config.model import Scheduler
from lvs.errors import PulseUnreachable
from tests.kernel import traffic
from tests.kernel.conftest import has_nftables
from tests.kernel.traffic import Router, lvs_cf, planned, routed, saved, until, virtual
from tests.kernel.traffic_clients import knocking
from tests.kernel.traffic_clients import traffic as clients_at_work

pytestmark = pytest.mark.kernel

NAT_PLACE, DIRECT_PLACE = (network.NAT_VIP, 80), (network.DIRECT_VIP, 80)
WEB = (
    virtual("nat", traffic.NAT, scheduler=Scheduler.RR),
    virtual("direct", traffic.DIRECT, scheduler=Scheduler.RR),
)
MORE = virtual("more", traffic.TUNNEL, scheduler=Scheduler.RR)
EACH_TWICE = Counter(s1=2, s2=2, s3=2)
LONGEST_GAP = (
    5.0  # seconds without a line of a stream, which is sent twenty times a second: the machine is busy
)
FORGETTING = 180.0  # seconds; the kernel keeps a closed connection for two minutes
BOUND = 15.0  # seconds, beyond its timeout, for a verdict to reach the table of a busy machine
FOREIGN_SERVICE = ["-A -t 198.18.0.1:99 -s wlc", "-a -t 198.18.0.1:99 -r 198.18.0.9:99 -g -w 7"]
FOREIGN_ADDRESS = "198.18.0.1/32"
FOREIGN_TABLE = "table inet somebody { chain here { type filter hook input priority 0; accept; }; }"


@pytest.fixture
def router(_lab: Lab, tmp_path: Path) -> Iterator[Router]:
    with routed(_lab, tmp_path) as made:
        yield made


class Foreigners:
    """What somebody else has put on the router."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.nftables = ""

    def settle(self) -> None:
        self.router.lab.run("r1", ["ipvsadm", "--restore"], text="\n".join(FOREIGN_SERVICE) + "\n")
        self.router.lab.run("r1", ["ip", "address", "add", FOREIGN_ADDRESS, "dev", "eth0"])
        if has_nftables():
            self.router.lab.run("r1", ["nft", FOREIGN_TABLE])
        self.nftables = self.ruleset()

    def ruleset(self) -> str:
        if not has_nftables():
            return ""
        return self.router.lab.run("r1", ["nft", "--handle", "list", "table", "inet", "somebody"])

    def are_untouched(self) -> bool:
        addresses = self.router.lab.run("r1", ["ip", "address", "show", "dev", "eth0"])
        table = self.router.table()
        return (
            FOREIGN_ADDRESS in addresses
            and [line for line in table if "198.18.0.1" in line] == FOREIGN_SERVICE
            and self.ruleset() == self.nftables
        )


class Announcements:
    """What the kernel of r1 announces of links, addresses, routes, rules, forwarding and nftables.

    The kernel puts an announcement into the socket before it answers who made the change, so that what is
    not there when an install has returned never comes (rtnetlink(7), include/uapi/linux/rtnetlink.h).
    """

    LINK, ADDRESS4, ROUTE4, RULE4, ADDRESS6, ROUTE6, RULE6, NETCONF4, NETCONF6 = 1, 5, 7, 8, 9, 11, 19, 24, 25
    NFTABLES = 7
    NETFILTER = 12

    def __init__(self) -> None:
        routes = (self.LINK, self.ADDRESS4, self.ROUTE4, self.RULE4, self.ADDRESS6, self.ROUTE6, self.RULE6)
        self.sockets = [self._open(socket.NETLINK_ROUTE, *routes, self.NETCONF4, self.NETCONF6)]
        if has_nftables():
            self.sockets.append(self._open(self.NETFILTER, self.NFTABLES))

    def _open(self, protocol: int, *groups: int) -> socket.socket:
        with inside("r1"):
            opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        opened.bind((0, sum(1 << (group - 1) for group in groups)))
        opened.setblocking(False)
        return opened

    def heard(self) -> bool:
        """Whether there was one since the last time."""
        found = False
        for opened in self.sockets:
            with suppress(BlockingIOError):
                while opened.recv(65536):
                    found = True
        return found

    def close(self) -> None:
        for opened in self.sockets:
            opened.close()


@contextmanager
def listening() -> Iterator[Announcements]:
    announcements = Announcements()
    try:
        yield announcements
    finally:
        announcements.close()


# The second in the virtual machine; User-Mode Linux has a stand-in for the table `inet piranha`.
ON_BOTH_KERNELS = pytest.mark.parametrize(
    "netfilter", ["as a stand-in", pytest.param("nftables", marks=pytest.mark.nft)]
)


@ON_BOTH_KERNELS
def test_the_same_lvs_cf_once_more_makes_no_netlink_change(router: Router, netfilter: str) -> None:
    router.start()
    with listening() as announcements:
        assert router.install(*WEB) != []
        assert announcements.heard()
        until(
            lambda: not has_connections(router), "what other tests connected is forgotten", limit=FORGETTING
        )
        for place in (traffic.NAT, traffic.DIRECT):
            assert router.lab.client_get(f"http://{place[0]}/", 6).total() == 6
        before = router.status()
        served = [router.connections(one.name, "inactive") for one in WEB]
        assert served == [EACH_TWICE, EACH_TWICE]
        announcements.heard()
        assert router.install(*WEB) == []
        assert not announcements.heard()
    assert router.status()["last_change"] == before["last_change"]
    assert [router.connections(one.name, "inactive") for one in WEB] == served


@ON_BOTH_KERNELS
def test_kill_9_and_a_restart_cost_no_connection_and_change_nothing(router: Router, netfilter: str) -> None:
    foreigners = Foreigners(router)
    router.start()
    router.install(*WEB)
    foreigners.settle()
    table = router.table()
    with clients_at_work([NAT_PLACE, DIRECT_PLACE]) as clients, listening() as announcements:
        clients.open_streams(3)
        clients.forget()
        router.end(signal.SIGKILL)
        clients.go_on()
        router.start()
        clients.go_on()
        assert router.table() == table
        assert not announcements.heard()
        assert max(stream.longest_gap for stream in clients.streams) < LONGEST_GAP
        status = router.status()
        assert (status["last_change"], status["problems"]) == (None, [])
        assert router.client.install(lvs_cf(*WEB))["changes"] == []
        assert [one["key"] for one in status["foreign"]] == ["tcp 198.18.0.1:99"]
        router.client.install(lvs_cf(replace(WEB[0], scheduler=Scheduler.WLC), replace(WEB[1], active=False)))
        assert foreigners.are_untouched()
        assert clients.streams[0].end is None


def test_a_pulse_that_is_killed_amid_an_install_finishes_it_when_it_returns(router: Router) -> None:
    router.start()
    before, after = lvs_cf(*WEB), lvs_cf(*(replace(one, scheduler=Scheduler.WLC) for one in WEB), MORE)
    router.client.install(before)
    table = router.table()
    with clients_at_work([NAT_PLACE, DIRECT_PLACE]) as clients, ThreadPoolExecutor(1) as pool:
        clients.open_streams(2)
        asked = pool.submit(router.client.install, after)
        until(lambda: (router.folder / "lvs.cf").read_text() == after, "the new file is in place")
        router.end(signal.SIGKILL)
        with suppress(PulseUnreachable):
            asked.result()
        assert saved(planned(before)) == table
        router.start()
        until(lambda: router.table() == saved(planned(after)), "the table is as the new file says")
        clients.go_on()


def test_a_real_server_that_dies_goes_out_and_returns_after_its_reentry_time(router: Router) -> None:
    services = [replace(one, timeout=2, reentry=6) for one in WEB]
    router.start()
    router.install(*services)
    with clients_at_work([NAT_PLACE, DIRECT_PLACE]) as clients:
        clients.open_streams(3)
        clients.close_streams("s2")
        begun = time.monotonic()
        router.lab.stop_server("s2")
        until(lambda: s2_in(router) == [], "s2 is out of the table")
        assert time.monotonic() - begun < services[0].timeout + BOUND
        clients.forget()
        clients.go_on()
        assert {name for answered in clients.answered.values() for name in answered} == {"s1", "s3"}

        router.lab.start_servers("s2")
        begun = time.monotonic()
        until(lambda: s2_in(router) == [1, 1], "s2 is back")
        assert time.monotonic() - begun > services[0].reentry - services[0].timeout
        until(lambda: all(answered["s2"] for answered in clients.answered.values()), "s2 answers again")
        clients.check()


def test_a_quiesced_real_server_keeps_its_connections_and_gets_no_new_ones(router: Router) -> None:
    """Its way back to the router is cut, so that its checks fail while its clients are served."""
    services = [replace(one, timeout=2, reentry=2, quiesce=True) for one in WEB]
    router.start()
    router.install(*services)
    with clients_at_work([NAT_PLACE, DIRECT_PLACE]) as clients, ExitStack() as stack:
        clients.open_streams(3)
        assert {stream.server for stream in clients.streams} == {"s1", "s2", "s3"}
        for address, table in (("10.11.12.9", "100"), ("192.168.26.9", "200")):
            route = [f"{address}/32", "table", table]
            router.lab.run("s2", ["ip", "route", "add", "unreachable", *route])
            stack.callback(router.lab.run, "s2", ["ip", "route", "delete", *route], check=False)
        until(lambda: s2_in(router) == [0, 0], "s2 has weight 0")
        clients.forget()
        clients.go_on()
        assert {name for answered in clients.answered.values() for name in answered} == {"s1", "s3"}
        stack.close()
        until(lambda: s2_in(router) == [1, 1], "s2 has its weight again")
        until(lambda: all(answered["s2"] for answered in clients.answered.values()), "s2 answers again")
        clients.check()


def test_a_virtual_address_never_refuses_anybody_while_it_is_set_up(router: Router) -> None:
    """The clients know where the address will be, and do not wait for it: the table is there before it."""
    (link,) = json.loads(router.lab.run("r1", ["ip", "-json", "link", "show", "dev", "eth0"]))
    with ExitStack() as stack:
        for address in (network.NAT_VIP, network.DIRECT_VIP):
            neighbour = [address, "dev", "eth0"]
            words = ["ip", "neighbour", "replace", *neighbour, "lladdr", link["address"], "nud", "permanent"]
            router.lab.run("client", words)
            stack.callback(router.lab.run, "client", ["ip", "neighbour", "delete", *neighbour])
        (router.folder / "lvs.cf").write_text(lvs_cf(WEB[0]))
        with knocking(NAT_PLACE) as knocks:
            until(lambda: knocks.seen["TimeoutError"] > 2, "nobody is there yet")
            router.start()
            until(lambda: knocks.seen["open"] > 2, "the address answers")
        assert knocks.seen.keys() <= {"TimeoutError", "open"}
        with knocking(DIRECT_PLACE) as knocks:
            until(lambda: knocks.seen.total() > 2, "nobody is there yet")
            assert not knocks.seen["open"]
            router.install(*WEB)
            until(lambda: knocks.seen["open"] > 2, "the address answers")
        assert "ConnectionRefusedError" not in knocks.seen


def has_connections(router: Router) -> bool:
    """Whether a real server has connections; those of an earlier test come back with its address and port."""
    return any(router.connections(one.name, "inactive").total() for one in WEB)


def s2_in(router: Router) -> list[int]:
    """s2's weights in the services that have it, NAT first."""
    lines = [line.split() for line in router.table()]
    places = [f"{address}:80" for address in (traffic.PRIVATE[1], traffic.PUBLIC[1])]
    return [int(line[line.index("-w") + 1]) for place in places for line in lines if place in line]
