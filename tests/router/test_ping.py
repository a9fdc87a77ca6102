"""The ping check between two machines, over real raw sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from lvs.config.model import Address, Protocol
from lvs.nanny.checks import Check, Kind
from lvs.nanny.probes import ping
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding, Record, What
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root

V4, V6 = ip_address("10.0.0.1"), ip_address("fd00::1")
OWN4, OWN6 = "10.0.0.2/24", "fd00::2/64"
NOBODYS = ip_address("10.0.0.77")
REPLIED = Finding(True, "replied")


@pytest.fixture
def router(namespaces: Callable[[], Namespace]) -> Namespace:
    """A router whose eth0 is cabled to a real server that has V4 and V6."""
    router, real_server = namespaces(), namespaces()
    router.join(real_server, "eth0", "eth0")
    for machine, addresses in ((router, (OWN4, OWN6)), (real_server, (f"{V4}/24", f"{V6}/64"))):
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            machine.run("ip", "address", "add", address, "dev", "eth0", *nodad)
    real_server.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    return router


def of(address: Address, timeout: float = 5.0) -> Check:
    return Check(address, 0, Protocol.TCP, timeout, kind=Kind.PING)


def found(router: Namespace, *checks: Check, record: Record = NOTHING_KEPT) -> list[Finding]:
    """What the checks find, carried out all at once on the router."""

    async def all_of_them() -> list[Finding]:
        before = set(os.listdir("/proc/self/fd"))
        findings = await asyncio.gather(*(ping.probe(check, record) for check in checks))
        assert set(os.listdir("/proc/self/fd")) == before  # the shared sockets are closed again
        return findings

    return router.call(lambda: asyncio.run(all_of_them()))


def test_a_machine_that_replies_is_good(router: Namespace) -> None:
    assert found(router, of(V4), of(V6)) == [REPLIED, REPLIED]


def test_a_machine_that_is_not_there_is_bad_after_the_limit_and_delays_no_other(router: Namespace) -> None:
    silent = Finding(False, "ping: no reply within 0.1 s")
    assert found(router, of(NOBODYS, 0.1), of(V4), of(V6)) == [silent, REPLIED, REPLIED]


def test_an_address_without_a_route_is_bad_at_once(router: Namespace) -> None:
    assert found(router, of(ip_address("192.0.2.1"))) == [Finding(False, "ping: network is unreachable")]


def test_hundreds_at_once_share_one_socket_and_each_gets_its_own_reply(router: Namespace) -> None:
    many = [of(V4 if number % 2 else V6, 5 + number / 1000) for number in range(300)]
    assert found(router, *many) == [REPLIED] * 300


def test_what_was_sent_and_received_is_recorded(router: Namespace) -> None:
    record = Record()
    assert found(router, of(V4), record=record) == [REPLIED]
    (sent,) = (entry.data for entry in record.entries if entry.what is What.SENT)
    (received,) = (entry.data for entry in record.entries if entry.what is What.RECEIVED)
    assert (sent[0], received[0]) == (8, 0)
    assert sent[4:] == received[4:]


def test_a_reply_without_the_bytes_that_were_sent_is_not_taken_for_ours(router: Namespace) -> None:
    """Somebody who sees identifier and number, and guesses the rest, replies from the right address."""
    asked = "127.0.0.5"

    async def with_a_forger() -> tuple[Finding, int]:
        loop, forged = asyncio.get_running_loop(), 0
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as forger:
            forger.bind((asked, 0))
            asking = asyncio.create_task(ping.probe(of(ip_address(asked), 0.2), NOTHING_KEPT))
            request = (await loop.sock_recv(forger, 2048))[20:]
            forged = forger.sendto(b"\0\0\0\0" + request[4:8] + bytes(len(request) - 8), ("127.0.0.1", 0))
            return await asking, forged

    router.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    finding, forged = router.call(lambda: asyncio.run(with_a_forger()))
    assert (finding, forged) == (Finding(False, "ping: no reply within 0.2 s"), 24)


def test_without_the_right_to_it_the_capability_is_named(router: Namespace) -> None:
    def unprivileged() -> Finding:
        with as_nobody():
            return asyncio.run(ping.probe(of(V4), NOTHING_KEPT))

    assert router.call(unprivileged) == Finding(
        False, "ping: this router may not; pulse needs the capability CAP_NET_RAW"
    )


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without any capability in force (capabilities(7): an effective user other than root has none)."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
