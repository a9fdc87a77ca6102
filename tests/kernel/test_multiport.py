"""Several ports as one virtual server, by a firewall mark that pulse sets: who answers, and for how long.

And nobody notices when the rules are replaced, or comes too early when the router boots.
"""

from __future__ import annotations

import http.client
import signal
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from deploy.lab import network, webserver
from deploy.lab.machines import Lab
from deploy.lab.namespaces import inside
from deploy.lab.webserver import WebServer
from lvs.config.check import load
from lvs.config.model import HealthCheck, PortRange, Protocol, RealServer, Scheduler, VirtualServer
from lvs.config.writer import write
from tests.kernel import traffic
from tests.kernel.check_services import services
from tests.kernel.leftovers import clear_kernel
from tests.kernel.traffic import Router, lvs_cf, real, routed, until, virtual
from tests.kernel.traffic_clients import knocking
from tests.kernel.traffic_clients import traffic as clients_at_work
from tests.unit.nanny.authority import Authority

pytestmark = [pytest.mark.kernel, pytest.mark.nft]

RR = Scheduler.RR
ALL = set(network.REAL_SERVERS)
CLIENTS = ("203.0.113.1", "203.0.113.2", "198.51.100.1")  # the first two are of one /24
WEB, SECURE = PortRange(80, 80), PortRange(443, 443)
DATAGRAMS = PortRange(webserver.UDP_PORT, webserver.UDP_PORT, Protocol.UDP)
METHODS = [pytest.param(traffic.NAT, id="NAT"), pytest.param(traffic.DIRECT, id="direct")]


@pytest.fixture
def router(_lab: Lab, tmp_path: Path) -> Iterator[Router]:
    with routed(_lab, tmp_path) as made:
        made.start()
        yield made


def shop(way: traffic.Way, **more: Any) -> VirtualServer:
    """HTTP and HTTPS as one."""
    settings = {"scheduler": RR, "fwmark": 7, "port": 80, "ports": (SECURE,), "drain_time": 0}
    return virtual("shop", way, **(settings | more))


@contextmanager
def encrypted(router: Router, folder: Path) -> Iterator[ssl.SSLContext]:
    """Real servers whose port 443 speaks TLS, in the place of the lab's; how a client speaks to them."""
    authority = Authority(folder)
    context = authority.server(f"IP:{network.NAT_VIP}, IP:{network.DIRECT_VIP}")
    for name in network.REAL_SERVERS:
        router.lab.stop_server(name)
    for ended in {router.lab.servers.pop(name) for name in network.REAL_SERVERS}:
        ended.wait(traffic.LIMIT)
    with services() as made:
        for name in network.REAL_SERVERS:
            made.web((name, 80))
            made.open((name, 443), WebServer(name).talk, context)
        yield ssl.create_default_context(cafile=authority.root)
    router.lab.start_servers(*network.REAL_SERVERS)


def who(router: Router, address: str, port: int, source: str, tls: ssl.SSLContext | None = None) -> str:
    """The real server that answers one request at a port, by TLS where that is 443 and tls is given."""
    if tls and port == 443:
        with inside(network.CLIENT):
            connection = http.client.HTTPSConnection(
                address, port, timeout=traffic.LIMIT, source_address=(source, 0), context=tls
            )
            connection.request("GET", "/", headers={"Connection": "close"})
            line = connection.getresponse().read().decode()
            connection.close()
    else:
        line = router.lab.client_line(f"http://{address}:{port}/", source=source, seconds=traffic.LIMIT)
    name, _, asked = line.split()
    assert int(asked) == port
    return name


@pytest.mark.parametrize("way", METHODS)
def test_a_clients_http_and_https_reach_one_real_server_with_persistence_and_all_without(
    router: Router, tmp_path: Path, way: traffic.Way
) -> None:
    with encrypted(router, tmp_path) as tls:
        router.install(shop(way, persistence=60))
        chosen = {}
        for source in CLIENTS:
            found = Counter(who(router, way[0], port, source, tls) for port in (80, 443, 443, 80) * 3)
            assert list(found.values()) == [12], found
            (chosen[source],) = found
        assert set(chosen.values()) == ALL, "each client was given the next in turn"
        print(f"with persistence: {chosen}, 12 requests each")

        router.install(shop(way))
        spread = {
            port: Counter(who(router, way[0], port, CLIENTS[0], tls) for _ in range(6)) for port in (80, 443)
        }
        assert spread == {80: Counter(s1=2, s2=2, s3=2), 443: Counter(s1=2, s2=2, s3=2)}


@pytest.mark.parametrize("way", METHODS)
def test_ports_of_several_protocols_are_one_service_whose_clients_stay_together_by_their_mask(
    router: Router, way: traffic.Way
) -> None:
    both = {"ports": (SECURE, DATAGRAMS)}
    router.install(shop(way, **both))
    url = "http://{}:{}/"
    assert router.lab.client_get(url.format(way[0], 80), 3).keys() == ALL
    assert router.lab.client_get(url.format(way[0], 443), 3).keys() == ALL
    assert router.lab.client_echo(way[0], 3).keys() == ALL

    router.install(shop(way, persistence=60, persistence_mask=24, **both))
    near = {who(router, way[0], port, source) for source in CLIENTS[:2] for port in (80, 443)}
    assert len(near) == 1, "two clients of one network"
    assert who(router, way[0], 443, CLIENTS[2]) not in near, "one of another network"
    own = set(router.lab.client_get(url.format(way[0], 80), 2)) | set(router.lab.client_echo(way[0], 4))
    assert len(own) == 1, "HTTP and datagrams of one client"


def test_a_client_is_remembered_for_as_long_as_persistence_says(router: Router) -> None:
    service = shop(traffic.NAT, persistence=2, ports=(DATAGRAMS,))
    config = load(lvs_cf(service))
    settings = replace(
        config.global_settings, udp_timeout=1
    )  # the client is kept as long as a connection of it
    assert not router.client.install(write(replace(config, global_settings=settings)))["refused"]
    (first,) = router.lab.client_echo(network.NAT_VIP, 3)
    assert remembered(router) == first
    until(lambda: remembered(router) is None, "the client is forgotten")
    (second,) = router.lab.client_echo(network.NAT_VIP, 3)
    assert second != first, "it was the next one's turn"
    until(lambda: remembered(router) is None, "the client is forgotten again")

    router.install(replace(service, persistence=300))
    (third,) = router.lab.client_echo(network.NAT_VIP, 1)
    until(lambda: remembered(router) == third, "the client is remembered")
    left = [line.split()[1] for line in templates(router)]
    assert left
    assert all("04:" <= each <= "05:00" for each in left), left


def templates(router: Router) -> list[str]:
    """Who is remembered: IP 00:59 NONE CLIENT:0 0.0.0.7:0 REAL SERVER:0."""
    listed = router.lab.run("r1", ["ipvsadm", "--list", "--numeric", "--connection"])
    return [line for line in listed.splitlines() if line.startswith("IP ")]


def remembered(router: Router) -> str | None:
    """The real server that the lab's client is remembered to have."""
    found = {line.split()[5].partition(":")[0] for line in templates(router)}
    names = {address: name for name, address in zip(network.REAL_SERVERS, traffic.PRIVATE, strict=True)}
    return names[found.pop()] if found else None


def test_replacing_the_rules_under_traffic_costs_no_request_and_no_connection(router: Router) -> None:
    place = network.NAT_VIP
    router.install(shop(traffic.NAT))
    with clients_at_work([(place, 80), (place, 443)]) as clients:
        clients.open_streams(3)
        holders = [(stream.place, stream.server) for stream in clients.streams]
        for services_now in rule_sets():
            changes = router.install(*services_now)
            assert any("set netfilter table inet piranha" in change for change in changes), changes
            clients.go_on(10)
        assert [(stream.place, stream.server) for stream in clients.streams] == holders
        asked = sum(each.total() for each in clients.answered.values())
        gap = max(stream.longest_gap for stream in clients.streams)
        print(f"{asked} requests, slowest {clients.slowest:.2f} s; longest gap of a stream {gap:.2f} s")


def rule_sets() -> Iterator[tuple[VirtualServer, ...]]:
    """Ten in a row, each with other rules than the one before: ports come and go, here and elsewhere."""
    elsewhere = virtual("elsewhere", traffic.DIRECT, fwmark=9, port=8080, drain_time=0)
    newcomer = RealServer(name="s9", address=ip_address(traffic.PUBLIC[0]), active=True, weight=0)
    usual, wide = shop(traffic.NAT), shop(traffic.NAT, ports=(SECURE, PortRange(8000, 9000), DATAGRAMS))
    fewer = virtual("fewer", traffic.NAT, port=9443, drain_time=0, check=HealthCheck(check_port=80))
    more = replace(fewer, real_servers=(*fewer.real_servers, newcomer))
    yield usual, elsewhere
    yield usual, replace(elsewhere, ports=(PortRange(10000, 20000),))
    yield wide, elsewhere
    yield wide, more
    yield usual, more, elsewhere
    yield usual, fewer
    yield replace(usual, ports=(SECURE, PortRange(1, 79))), fewer
    yield usual, elsewhere
    yield replace(usual, ports=(PortRange(81, 9000),)), fewer
    yield (real(usual, "s1", weight=2),)


def test_after_a_boot_nobody_is_refused_who_comes_before_the_router_is_ready(router: Router) -> None:
    """A client that finds the address before the rules would be refused: by the router itself, which has no
    such port open. Of lvs.cf and the ledger alone pulse puts everything back.
    """
    places = (network.NAT_VIP, 80), (network.NAT_VIP, 443), (network.DIRECT_VIP, 8080)
    router.install(shop(traffic.NAT, persistence=60), virtual("other", traffic.DIRECT, port=8080, fwmark=8))
    before = router.table(), router.lab.run("r1", ["nft", "list", "table", "inet", "piranha"])
    assert router.popen is not None
    router.end(signal.SIGKILL)
    clear_kernel(router.lab, "r1", nftables=True)
    assert router.table() == []
    with ExitStack() as stack:
        knocks = [stack.enter_context(knocking(place)) for place in places[:2]]
        until(lambda: all(each.seen.total() for each in knocks), "somebody knocks")
        assert not any(each.seen["open"] for each in knocks)
        router.start()
        until(lambda: all(each.seen["open"] > 5 for each in knocks), "both ports are open")
        assert not any(each.seen["ConnectionRefusedError"] for each in knocks), knocks
        print([dict(each.seen) for each in knocks])
    assert len({who(router, *place, CLIENTS[0]) for place in places[:2] * 3}) == 1
    after = router.table(), router.lab.run("r1", ["nft", "list", "table", "inet", "piranha"])
    assert [rules(each) for each in after] == [rules(each) for each in before]


def rules(listing: list[str] | str) -> str:
    """A listing without what was counted."""
    text = "\n".join(listing) if isinstance(listing, list) else listing
    return "\n".join(line for line in text.splitlines() if "counter" not in line)
