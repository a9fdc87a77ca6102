"""FTP, active and passive: a file goes both ways and is whole, through a pulse that was only given an lvs.cf.

vsftpd on the real servers, set up by the script that the product gives for each of them; curl on the client.
With a firewall mark the passive ports are named in lvs.cf, and no helper of the kernel is there; these come
first, since pulse unloads no module.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from lvs.config.check import load
from lvs.config.model import PortRange, Scheduler, VirtualServer
from tests.kernel import traffic
from tests.kernel.ftp_servers import FAMILY6, MODES, FtpServers, Moved, ftp_servers
from tests.kernel.guide_scenes import FTP, LabMachine
from tests.kernel.traffic import Router, lvs_cf, routed, virtual
from tests.packages.follow import Follower

pytestmark = pytest.mark.kernel

HELPER = "ip_vs_ftp"
MARK: dict[str, Any] = {"fwmark": 21, "ports": (PortRange(10000, 10100),), "persistence": 60}
METHODS = [
    pytest.param(traffic.NAT, id="NAT"),
    pytest.param(traffic.DIRECT, id="direct"),
    pytest.param(traffic.NAT6, id="NAT over IPv6"),
    pytest.param(traffic.DIRECT6, id="direct over IPv6"),
]
NAT_METHODS, DIRECT_METHODS = METHODS[::2], METHODS[1::2]
CLIENTS = {4: ("203.0.113.1", "198.51.100.1"), 6: ("fd00:c::1", "fd00:d::1")}


@pytest.fixture(scope="module")
def router(_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    with routed(_lab, tmp_path_factory.mktemp("ftp")) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def servers(_lab: Lab) -> Iterator[FtpServers]:
    with ftp_servers(_lab) as made:
        yield made


def ftp(way: traffic.Way, **more: Any) -> VirtualServer:
    return virtual("ftp", way, scheduler=Scheduler.RR, port=21, drain_time=0, **more)


def move_all(servers: FtpServers, address: str, **more: str) -> dict[str, Moved]:
    """A file both ways in every mode that the family has; prints what each took."""
    found = {}
    for mode in FAMILY6 if ":" in address else MODES:
        for name, move in (("get", servers.get), ("put", servers.put)):
            found[f"{mode} {name}"] = moved = move(address, mode, **more)
            print(f"{address} {mode} {name}: {moved.server}, {moved.seconds:.2f} s {moved.told}")
    return found


def has_helper(router: Router) -> bool:
    """Whether the router's kernel looks into FTP's control connections."""
    return " ftp" in router.lab.run("r1", ["cat", "/proc/net/ip_vs_app"])


@pytest.mark.nft
@pytest.mark.parametrize("way", METHODS)
def test_a_firewall_mark_with_passive_ports_moves_files_in_every_mode(
    router: Router, servers: FtpServers, way: traffic.Way, tmp_path: Path
) -> None:
    service = ftp(way, **MARK)
    servers.start(load(lvs_cf(service)))
    router.install(service)
    assert way in (traffic.DIRECT, traffic.DIRECT6) or not has_helper(router)
    seen = set()
    for source in CLIENTS[6 if ":" in way[0] else 4]:
        moved = move_all(servers, way[0], source=source)
        assert len({one.server for one in moved.values()}) == 1, "a client stays with its real server"
        seen |= {one.server for one in moved.values()}
        if "PASV get" in moved:
            assert moved["PASV get"].told.startswith(way[0].replace(".", ","))
    assert len(seen) > 1, "clients are spread"
    if way == traffic.NAT:
        Follower({network.CLIENT: LabMachine(network.CLIENT, tmp_path)}).follow(FTP)


@pytest.mark.parametrize("way", DIRECT_METHODS)
def test_direct_routing_with_persistence_moves_files_without_a_mark(
    router: Router, servers: FtpServers, way: traffic.Way
) -> None:
    service = ftp(way, persistence=60)
    servers.start(load(lvs_cf(service)))
    router.install(service)
    seen = set()
    for source in CLIENTS[6 if ":" in way[0] else 4]:
        found = {one.server for one in move_all(servers, way[0], source=source).values()}
        assert len(found) == 1
        seen |= found
    assert len(seen) > 1


@pytest.mark.nft
def test_nat_moves_files_by_the_helper_beside_masquerade(router: Router, servers: FtpServers) -> None:
    by_helper(router, servers, traffic.NAT)


@pytest.mark.parametrize("way", NAT_METHODS)
def test_nat_moves_files_in_every_mode_by_the_helper_that_pulse_loads(
    router: Router, servers: FtpServers, way: traffic.Way
) -> None:
    by_helper(router, servers, way)


def by_helper(router: Router, servers: FtpServers, way: traffic.Way) -> None:
    """Every transfer goes to the real server whose turn it is, its data to the same."""
    service = ftp(way)
    servers.start(load(lvs_cf(service)))
    assert not [line for line in servers.lines("s1") if line.startswith("pasv_address")]
    was_there = Path("/sys/module", HELPER).exists()
    changes = router.install(service)
    assert was_there or changes[0].startswith(f"load the kernel module {HELPER}: ")
    assert has_helper(router)
    moved = move_all(servers, way[0])
    assert {one.server for one in moved.values()} == set(network.REAL_SERVERS)
    if "PASV get" in moved:
        assert moved["PASV get"].told.startswith(way[0].replace(".", ","))
