"""Our table and our connections against ipvsadm's and the kernel's own, with real clients."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from deploy.lab.namespaces import batch
from lvs.config.model import LvsConfig
from lvs.pulse import status as documents
from lvs.pulse.kernel_work import Seen
from lvs.pulse.status import Held
from lvs.reported import ipvsadm
from lvs.reported.ipvsadm import Show
from lvs.router.connections import Place, Wanted, read
from lvs.router.ipvs import Ipvs
from tests.kernel.namespace import fresh_network

pytestmark = pytest.mark.kernel

VIRTUAL, PORT = "192.0.2.10", 8080
SIX = "2001:db8::10"
CLIENTS = 7
TABLE = f"""\
-A -t {VIRTUAL}:{PORT} -s rr
-a -t {VIRTUAL}:{PORT} -r 192.0.2.21:{PORT} -g -w 1
-a -t {VIRTUAL}:{PORT} -r 192.0.2.22:{PORT} -g -w 3
-A -u {VIRTUAL}:53 -s wlc -p 300
-a -u {VIRTUAL}:53 -r 10.255.255.254:65535 -m -w 0
-A -f 80 -s wrr
-a -f 80 -r 192.0.2.21:0 -i -w 100
-A -f 81 -6 -s rr
-A -t [{SIX}]:{PORT} -s rr
-a -t [{SIX}]:{PORT} -r [2001:db8::21]:{PORT} -g -w 1
"""


@pytest.fixture
def network() -> Iterator[None]:
    """A namespace with the virtual addresses, and real servers that answer on this very machine."""
    for module in ("ip_vs", "ipv6"):
        subprocess.run(["modprobe", module], check=True)
    with fresh_network("eth0"), ExitStack() as opened:
        Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("0")
        lines = [f"addr add {one} dev eth0" for one in (f"{VIRTUAL}/24", "192.0.2.21/24", "192.0.2.22/24")]
        lines += [f"addr add {one}/64 dev eth0 nodad" for one in (SIX, "2001:db8::21")]
        batch(lines)
        subprocess.run(["ipvsadm", "-R"], input=TABLE, check=True, text=True)
        for family in (socket.AF_INET, socket.AF_INET6):
            # A real server by direct routing answers at the virtual address.
            server = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            server.bind((VIRTUAL if family is socket.AF_INET else SIX, PORT))
            server.listen()
        yield


def printed(*options: str) -> list[str]:
    """The table as ipvsadm prints it, without its version; in no order of services."""
    done = subprocess.run(["ipvsadm", "-Ln", *options], check=True, capture_output=True, text=True)
    return [line.rstrip() for line in done.stdout.splitlines()[1:]]


def ours(show: Show) -> list[str]:
    """The same of the kernel's table as pulse reads and tells it."""
    with Ipvs() as ipvs:
        table = ipvs.table(counters=True)
    config, nothing = LvsConfig(), frozenset[object]()
    _, foreign = documents.table_documents(config, Seen(table), Held(), nothing)  # type: ignore[arg-type]
    methods = {"192.0.2.21:0": "tunnel", "10.255.255.254:65535": "nat"}
    for service in foreign:
        first = service["real_servers"][0] if service["real_servers"] else {}
        place = f"{first.get('address')}:{first.get('port')}"
        service["forwarding"] = methods.get(place, "direct")  # of what is not ours, pulse does not say it
    return ipvsadm.table({"virtual_servers": [], "foreign": foreign}, show).splitlines()


@pytest.mark.parametrize(("show", "options"), [(Show.LIST, ()), (Show.STATS, ("--stats",))])
def test_the_table_is_printed_as_ipvsadm_prints_it(network, show, options):
    assert sorted(ours(show)) == sorted(printed(*options))


def test_the_head_of_the_rates_is_ipvsadms(network):
    assert list(ipvsadm.HEADS[Show.RATE]) == printed("--rate")[:2]


def place(network: str, *ports: int) -> tuple[Place, ...]:
    return (Place.of(ip_network(network), *ports),)


def test_the_connections_of_real_clients_are_told_and_counted_by_real_server(network):
    with ExitStack() as opened:
        for _ in range(CLIENTS):
            opened.enter_context(socket.create_connection((VIRTUAL, PORT), timeout=10))
        six = opened.enter_context(socket.create_connection((SIX, PORT), timeout=10))
        found = read(Wanted(virtual=place(f"{VIRTUAL}/32", PORT, PORT)), 100, 30)
        assert (found["matched"], found["cut"]) == (CLIENTS, False)
        assert found["states"] == {"ESTABLISHED": CLIENTS}
        assert sorted(count for _, _, count in found["real_servers"]) == [3, 4]
        assert {one[0] for one in found["real_servers"]} == {"192.0.2.21", "192.0.2.22"}
        (row,) = read(Wanted(client=place(f"{ip_address(six.getsockname()[0])}/128")), 100, 30)["connections"]
        assert row[:8] == [
            "TCP",
            six.getsockname()[0],
            six.getsockname()[1],
            SIX,
            PORT,
            "2001:db8::21",
            PORT,
            "ESTABLISHED",
        ]
        listed = subprocess.run(["ipvsadm", "-Lnc"], check=True, capture_output=True, text=True).stdout
        assert read(Wanted(), 100, 30)["looked_at"] == len(listed.splitlines()) - 2
