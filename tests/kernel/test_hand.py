"""Taking real servers out while clients are at work: drained by hand, and deleted. No connection is lost.

A service by NAT and one by direct routing have clients that never rest, and streams that stay open.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import inside
from lvs.config.model import CheckKind, HealthCheck, Protocol, Scheduler, VirtualServer
from tests.kernel import traffic
from tests.kernel.traffic import Router, lvs_cf, routed, until, virtual, without
from tests.kernel.traffic_clients import Clients
from tests.kernel.traffic_clients import traffic as clients_at_work

pytestmark = pytest.mark.kernel

PLACES = [(network.NAT_VIP, 80), (network.DIRECT_VIP, 80)]
BOTH = ("nat", "direct")
BASE = (
    virtual("nat", traffic.NAT, scheduler=Scheduler.RR),
    virtual("direct", traffic.DIRECT, scheduler=Scheduler.RR),
    virtual("idle", traffic.TUNNEL, port=443),
)
UDP = (network.DIRECT_VIP, 53)


@pytest.fixture
def router(_lab: Lab, tmp_path: Path) -> Iterator[Router]:
    with routed(_lab, tmp_path) as made:
        made.start()
        yield made


@pytest.fixture
def clients(router: Router) -> Iterator[Clients]:
    router.install(*BASE)
    with clients_at_work(PLACES) as working:
        working.open_streams(6)
        assert {stream.server for stream in working.streams} == {"s1", "s2", "s3"}
        yield working


def install(router: Router, *services: VirtualServer) -> list[str]:
    """The changes; what departs makes the table differ from lvs.cf."""
    report = router.client.install(lvs_cf(*services))
    assert not report["refused"], report["refused"]
    return list(report["changes"])


def lines(router: Router, name: str, service: str) -> list[str]:
    """What ipvsadm sees of a real server: s3 by its last number."""
    address = {"nat": network.NAT_VIP, "direct": network.DIRECT_VIP, "idle": network.TUNNEL_VIP}[service]
    last = {"nat": name[1:], "direct": f"1{name[1:]}", "idle": f"1{name[1:]}"}[service]
    return [
        line
        for line in router.table()
        if line.startswith(f"-a -t {address}:") and f".{last}:" in line.partition(" -r ")[2]
    ]


def served(clients: Clients) -> set[str]:
    """Who answers what is asked from now on."""
    clients.forget()
    clients.go_on()
    return {name for answered in clients.answered.values() for name in answered}


def test_a_deleted_real_server_keeps_its_streams_until_drain_time_is_over(
    router: Router, clients: Clients
) -> None:
    planned = router.client.plan(lvs_cf(*(without(one, "s3") for one in BASE)))["changes"]
    gone = [text for text in planned if text.startswith("remove real server s3")]
    assert [text for text in gone if "drains first" not in text and " from idle (no conn" not in text] == []
    changes = install(router, *(without(one, "s3") for one in BASE))
    assert sum("weight 1 → 0: deleted, it drains first" in text for text in changes) == 2
    assert not lines(router, "s3", "idle"), "nobody was there, so it went at once"
    assert all(" -w 0" in line for service in BOTH for line in lines(router, "s3", service))
    assert served(clients) == {"s1", "s2"}
    clients.check()
    router.end(signal.SIGKILL)
    router.start()
    assert served(clients) == {"s1", "s2"}
    clients.check()  # a restart goes on with it
    shown = {one["name"]: one["departing"] for one in router.status()["virtual_servers"]}
    assert [leaver["name"] for service in BOTH for leaver in shown[service]] == ["s3", "s3"]
    install(router, *BASE)
    assert served(clients) == {"s1", "s2", "s3"}
    clients.check()
    install(router, *(replace(without(one, "s3"), drain_time=3) for one in BASE))
    assert served(clients) == {"s1", "s2"}
    until(lambda: not any(lines(router, "s3", service) for service in BOTH), "drain_time is over", router.log)
    # When the cut clients learn of it is the kernel's: by what they send next; one that only listens, late.
    assert not [one.end for one in clients.streams if one.server != "s3" and one.end]


def test_draining_by_hand_loses_no_connection_over_a_restart_too(router: Router, clients: Clients) -> None:
    targets = [(service, "s3") for service in (*BOTH, "idle")]
    changed = router.client.server(targets, "drain", by="the test", reason="a new disk")["changed"]
    assert changed[0] == "nat/s3: draining by the test: a new disk"
    assert all(" -w 0" in line for service in BOTH for line in lines(router, "s3", service))
    assert served(clients) == {"s1", "s2"}
    until(lambda: not lines(router, "s3", "idle"), "nobody is there", router.log)
    clients.check()
    router.end(signal.SIGKILL)
    router.start()
    assert served(clients) == {"s1", "s2"}
    clients.check()
    assert not lines(router, "s3", "idle"), "the restart left it out"
    router.client.server(targets, "auto", by="the test")
    until(lambda: bool(lines(router, "s3", "idle")), "it is back", router.log)
    assert served(clients) == {"s1", "s2", "s3"}
    clients.check()


def test_a_datagram_counts_until_the_kernel_forgets_it(router: Router) -> None:
    """UDP has inactive connections only; an exchange lasts `udp_timeout` seconds."""
    service = virtual(
        "udp",
        traffic.DIRECT,
        (1, 0, 0),
        port=UDP[1],
        protocol=Protocol.UDP,
        check=HealthCheck(kind=CheckKind.NONE),
    )
    text = lvs_cf(service).replace("serial_no = 1", "serial_no = 1\nudp_timeout = 4", 1)
    router.client.install(text)
    with inside("client"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.sendto(b"who\n", UDP)
    until(lambda: router.connections("udp", "inactive")["s1"] == 1, "it is counted", router.log)
    router.client.server([("udp", "s1")], "drain", by="the test")
    (shown, *_) = router.status()["virtual_servers"][0]["real_servers"]
    assert (shown["weight"], shown["why"]) == (0, "draining")
    until(
        lambda: router.status()["virtual_servers"][0]["real_servers"][0]["why"] == "drained",
        "the kernel has forgotten it",
        router.log,
    )
    assert router.status()["virtual_servers"][0]["real_servers"][0]["weight"] is None
