"""An examination on this kernel: a router and a real server on one cable."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvs.config.model import Forwarding, Protocol
from lvs.router import sysctl
from lvs.router.examination.course import examine
from lvs.router.examination.subject import Examination, Port, Subject
from lvs.router.seen import Level
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root

OWN, VIP, ROUTER = "192.168.26.11", "192.168.26.20", "192.168.26.9"
OWN6, VIP6, ROUTER6 = "fd00:26::11", "fd00:26::20", "fd00:26::9"
TCP, UDP = Protocol.TCP, Protocol.UDP
SUBJECT = Subject(
    virtual_server="shop",
    real_server="web1",
    forwarding=Forwarding.DIRECT,
    virtual=ip_address(VIP),
    address=ip_address(OWN),
    ports=(Port(TCP, 80),),
    interface="eth0",
    active=True,
)
SUBJECT6 = replace(SUBJECT, virtual=ip_address(VIP6), address=ip_address(OWN6))


class Pair:
    """A router and a real server for direct routing, set up right, on one cable."""

    def __init__(self, router: Namespace, server: Namespace) -> None:
        self.router, self.server = router, server
        for each in (router, server):
            each.call(sysctl.write, "net/ipv6/conf/default/accept_dad", "0")
        router.join(server, "eth0", "eth0")
        router.run("ip", "address", "add", f"{ROUTER}/24", "dev", "eth0")
        router.run("ip", "address", "add", f"{ROUTER6}/64", "dev", "eth0", "nodad")
        server.run("ip", "address", "add", f"{OWN}/24", "dev", "eth0")
        server.run("ip", "address", "add", f"{OWN6}/64", "dev", "eth0", "nodad")
        server.run("ip", "address", "add", f"{VIP}/32", "dev", "lo")
        server.run("ip", "address", "add", f"{VIP6}/128", "dev", "lo", "nodad")
        server.call(sysctl.write, "net/ipv4/conf/all/arp_ignore", "1")
        server.call(sysctl.write, "net/ipv4/conf/all/arp_announce", "2")

    def check(self, subject: Subject = SUBJECT) -> Examination:
        found = self.router.call(examine, subject)
        for tried in found.tried:
            print(tried)
        return found

    def errors(self, subject: Subject = SUBJECT) -> list[str]:
        return [one.what for one in self.check(subject).remarks if one.level is Level.ERROR]

    def open(self, kind: socket.SocketKind, port: int, family: int = socket.AF_INET) -> socket.socket:
        opened = self.server.call(socket.socket, family, kind)
        opened.bind(("", port))
        if kind is socket.SOCK_STREAM:
            opened.listen()
        return opened


@pytest.fixture
def pair(namespaces: Callable[[], Namespace]) -> Pair:
    return Pair(namespaces(), namespaces())


@contextmanager
def echoing(opened: socket.socket) -> Iterator[None]:
    """Sends each datagram back."""
    opened.settimeout(10)

    def serve() -> None:
        while (said := opened.recvfrom(2048))[0] != b"end":
            with suppress(OSError):  # to a client elsewhere there is no way here
                opened.sendto(*said)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    opened.sendto(b"end", opened.getsockname())
    thread.join()


@pytest.mark.parametrize("subject", [SUBJECT, SUBJECT6], ids=["IPv4", "IPv6"])
def test_a_good_real_server_is_left_as_it_was(pair: Pair, subject: Subject) -> None:
    with pair.open(socket.SOCK_STREAM, 80, socket.AF_INET6 if subject is SUBJECT6 else socket.AF_INET):
        assert pair.check(subject).remarks == ()
        assert pair.server.run("ss", "-Htan", "state", "syn-recv") == ""
        assert pair.router.run("ss", "-Htuan") == ""
        assert OWN not in pair.router.run("ip", "neighbour", "show", "nud", "permanent")


@pytest.mark.parametrize("subject", [SUBJECT, SUBJECT6], ids=["IPv4", "IPv6"])
def test_a_port_where_nobody_listens_refuses(pair: Pair, subject: Subject) -> None:
    assert pair.errors(subject) == [f"Nothing listens on tcp 80 at {subject.virtual} of web1."]


def test_it_works_the_same_where_the_router_has_the_virtual_address(pair: Pair) -> None:
    pair.router.run("ip", "address", "add", f"{VIP}/24", "dev", "eth0")
    active = replace(SUBJECT, floating=frozenset({ip_address(VIP)}))
    with pair.open(socket.SOCK_STREAM, 80):
        assert pair.check(active).remarks == ()


@pytest.mark.parametrize("verdict", ["drop", "reject"])
def test_a_firewall_is_told_from_a_closed_port(pair: Pair, verdict: str) -> None:
    rule = f"add rule ip f in tcp dport 80 {verdict}"
    pair.server.run(
        "nft", f"add table ip f; add chain ip f in {{ type filter hook input priority 0; }}; {rule}"
    )
    (said,) = pair.errors()
    assert ("something drops" if verdict == "drop" else "A firewall refuses") in said


def test_a_real_server_that_names_the_virtual_address_in_its_own_questions_is_told(pair: Pair) -> None:
    pair.server.call(sysctl.write, "net/ipv4/conf/all/arp_announce", "0")
    with pair.open(socket.SOCK_STREAM, 80):
        (said,) = pair.check().remarks
    assert "says in ARP" in said.what
    assert "arp_announce" in said.remedy


def test_an_address_that_nobody_has_is_all_that_is_said(pair: Pair) -> None:
    away = replace(SUBJECT, address=ip_address("192.168.26.77"))
    (said,) = pair.errors(away)
    assert "does not answer at all" in said
    assert "has no route" in pair.errors(replace(SUBJECT, address=ip_address("10.99.0.1")))[0]


def test_the_router_itself_is_not_examined(pair: Pair) -> None:
    (said,) = pair.check(replace(SUBJECT, address=ip_address(ROUTER))).remarks
    assert (said.level, said.what) == (Level.NOTE, f"{ROUTER} is this router itself.")


def test_a_datagram_service_is_good_when_it_answers_and_bad_when_its_port_is_closed(pair: Pair) -> None:
    dns = replace(SUBJECT, ports=(Port(UDP, 53),), payload=b"who?")
    assert pair.errors(dns) == [f"Nothing listens on udp 53 at {VIP} of web1."]
    with pair.open(socket.SOCK_DGRAM, 53) as opened:
        silent = pair.check(dns)
        assert [(one.level, "cannot be told" in one.what) for one in silent.remarks] == [(Level.NOTE, True)]
        with echoing(opened):
            assert pair.errors(dns) == [f"web1 answers udp 53 from {OWN} instead of {VIP}."]
    with pair.server.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as opened:
        pair.server.call(opened.bind, (VIP, 53))
        with echoing(opened):
            assert pair.check(dns).remarks == ()


def test_a_listener_that_hears_nothing_else_is_not_disturbed_by_other_traffic(pair: Pair) -> None:
    flood = pair.server.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    with flood, pair.open(socket.SOCK_STREAM, 80):
        ended = threading.Event()

        def send() -> None:
            while not ended.is_set():
                flood.sendto(b"x" * 100, (ROUTER, 9))

        thread = threading.Thread(target=send)
        thread.start()
        try:
            assert pair.check().remarks == ()
        finally:
            ended.set()
            thread.join()
