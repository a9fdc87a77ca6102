"""A real pulse on the lab's router r1, configurations for it, and what ipvsadm must then say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from deploy.lab import network
from deploy.lab.machines import Lab, answers
from deploy.lab.namespaces import in_namespace
from lvs.config.check import load
from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    Protocol,
    RealServer,
    VirtualServer,
)
from lvs.config.writer import write
from lvs.errors import PulseUnreachable
from lvs.pulse.client import PulseClient
from lvs.router import plan
from lvs.router.state import Destination, Health, KernelState, Role, Service, ServiceKey
from tests.kernel.conftest import has_nftables
from tests.kernel.leftovers import clear_kernel

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 90.0  # seconds that anything may take; the virtual machine is slow

PRIVATE = tuple(f"10.11.12.{number}" for number in (1, 2, 3))
PRIVATE6 = tuple(f"fd00:11:12::{number}" for number in (1, 2, 3))
PUBLIC = tuple(f"192.168.26.{number}" for number in (11, 12, 13))
PUBLIC6 = tuple(f"fd00:26::{number}" for number in (11, 12, 13))

# A way to the real servers: virtual address, device, forwarding method, the real servers' addresses.
Way = tuple[str, str, Forwarding, tuple[str, ...]]
NAT: Way = (network.NAT_VIP, "eth0:1", Forwarding.NAT, PRIVATE)
DIRECT: Way = (network.DIRECT_VIP, "eth0:2", Forwarding.DIRECT, PUBLIC)
TUNNEL: Way = (network.TUNNEL_VIP, "eth0:3", Forwarding.TUNNEL, PUBLIC)
NAT6: Way = (network.NAT_VIP6, "eth0", Forwarding.NAT, PRIVATE6)
DIRECT6: Way = (network.DIRECT_VIP6, "eth0", Forwarding.DIRECT, PUBLIC6)
TUNNEL6: Way = (network.TUNNEL_VIP6, "eth0", Forwarding.TUNNEL, PUBLIC6)

WHO = HealthCheck(send="who\\n", expect="s")  # the lab's UDP echo begins with its name

_METHODS = {Forwarding.NAT: "-m", Forwarding.DIRECT: "-g", Forwarding.TUNNEL: "-i"}
_PROTOCOLS = {Protocol.TCP: "-t", Protocol.UDP: "-u"}


def virtual(name: str, way: Way, weights: tuple[int, ...] = (1, 1, 1), **more: Any) -> VirtualServer:
    """An active virtual server with the lab's s1, s2, s3, checked seldom: the machine may be busy."""
    address, device, forwarding, reals = way
    members = tuple(
        RealServer(name=f"s{number}", address=ip_address(real), active=True, weight=weight)
        for number, (real, weight) in enumerate(zip(reals, weights, strict=True), 1)
    )
    settings: dict[str, Any] = {
        "address": FloatingAddress(address=ip_address(address), device=device),
        "address_mask": 64 if ":" in address else 24,
        "forwarding": forwarding,
        "active": True,
        "timeout": 20,
        "reentry": 0,
        "real_servers": members,
    }
    return VirtualServer(name=name, **(settings | more))


def real(service: VirtualServer, name: str, **changes: Any) -> VirtualServer:
    """service with another setting of one of its real servers."""
    members = tuple(replace(one, **changes) if one.name == name else one for one in service.real_servers)
    return replace(service, real_servers=members)


def without(service: VirtualServer, name: str) -> VirtualServer:
    return replace(service, real_servers=tuple(one for one in service.real_servers if one.name != name))


def lvs_cf(*services: VirtualServer) -> str:
    """The text of a cluster with r1 as its only router."""
    settings = GlobalSettings(
        serial_no=1,
        primary=ip_address("192.168.26.9"),
        nat_router=FloatingAddress(address=ip_address(network.NAT_GATEWAY), device="eth1:1"),
        nat_mask=24,
        nat_router6=FloatingAddress(address=ip_address(network.NAT_GATEWAY6), device="eth1"),
    )
    return write(LvsConfig(global_settings=settings, virtual_servers=services))


def planned(text: str) -> KernelState:
    """What a router in service holds while every real server is healthy."""
    config = load(text)
    return plan.wanted(config, Role.ACTIVE, dict.fromkeys(plan.keys(config).values(), Health.HEALTHY))


def saved(state: KernelState) -> list[str]:
    """The lines of `ipvsadm -Sn` for this state, sorted; options in the order of ipvsadm 1.31."""
    lines = []
    for key, service in state.services.items():
        lines.append(f"-A {_named(key)} -s {service.scheduler}{_options(key, service)}")
        for place, destination in state.destinations[key].items():
            lines.append(f"-a {_named(key)} -r {place} {_served(destination)}")
    return sorted(lines)


def _named(key: ServiceKey) -> str:
    if key.fwmark:
        return f"-f {key.fwmark}" + (" -6" if key.family == "inet6" else "")
    assert key.protocol is not None
    return f"{_PROTOCOLS[key.protocol]} {str(key).partition(' ')[2]}"


def _options(key: ServiceKey, service: Service) -> str:
    text = f" -p {service.persistence}" if service.persistence else ""
    if service.persistence and service.netmask != (32 if key.family == "inet" else 128):
        width = service.netmask
        text += f" -M {ip_network(f'0.0.0.0/{width}').netmask if key.family == 'inet' else width}"
    text += " -o" if service.flags & plan.ONE_PACKET else ""
    flags = [
        flag.value
        for flag, (scheduler, bit) in plan.SCHEDULER_FLAGS.items()
        if scheduler.value == service.scheduler and service.flags & bit
    ]
    return text + (f" -b {','.join(flags)}" if flags else "")


def _served(destination: Destination) -> str:
    kind = " --tun-type ipip" if destination.forwarding is Forwarding.TUNNEL else ""
    return f"{_METHODS[destination.forwarding]} -w {destination.weight}{kind}"


def until(
    condition: Callable[[], bool], what: str, why: Callable[[], str] = str, limit: float = LIMIT
) -> None:
    """Waits for a condition; fails with what was waited for, and what why() says then."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit:g} s\n{why()}"
        time.sleep(0.02)


class Router:
    """r1 with its pulse."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.client = PulseClient(folder / "pulse.sock", timeout=LIMIT)
        self.popen: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Starts pulse and does not wait for it."""
        module = "lvs.pulse" if has_nftables() else "tests.kernel.traffic_pulse"
        words = ["--config", str(self.folder), "--state", str(self.folder), "--node", "primary"]
        with (self.folder / "log").open("ab") as log:
            self.popen = subprocess.Popen(
                in_namespace("r1", [sys.executable, "-m", module, *words, "--socket", str(self.client.path)]),
                stdin=subprocess.DEVNULL,
                stderr=log,
                cwd=ROOT,
                env=os.environ | {"PIRANHA_NETFILTER_FILE": str(self.folder / "netfilter")},
            )

    def start(self) -> None:
        """Starts pulse; returns once it has taken up lvs.cf, if there is one."""
        self.launch()
        until(self.in_charge, "pulse answers")

    def in_charge(self) -> bool:
        assert self.popen is not None
        assert self.popen.poll() is None, self.log()
        try:
            status = self.status()
        except PulseUnreachable:
            return False
        installed = (self.folder / "lvs.cf").exists()
        return bool(status["pid"] == self.popen.pid and (status["sha256"] or not installed))

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)
        self.popen.wait(timeout=LIMIT)

    def install(self, *services: VirtualServer) -> list[str]:
        """Installs these virtual servers; the changes. ipvsadm must then agree with the plan.

        But for deleted real servers that keep their connections for a while.
        """
        text = lvs_cf(*services)
        report = self.client.install(text)
        assert not report["refused"], report["refused"]
        leaving = self.departing()
        table, wanted = [line for line in self.table() if not leaving(line)], saved(planned(text))
        assert table == wanted, f"ipvsadm sees {table}, the plan is {wanted}"
        return list(report["changes"])

    def departing(self) -> Callable[[str], bool]:
        """Whether a line of `ipvsadm -Sn` is of a deleted real server, which has weight 0."""
        of = [
            (one["key"].partition(" ")[2], f" -r {_host(leaver)}:{leaver['port']} ")
            for one in self.status()["virtual_servers"]
            for leaver in one["departing"]
        ]
        return lambda line: " -w 0" in line and any(key in line and real in line for key, real in of)

    def table(self) -> list[str]:
        return sorted(self.lab.run("r1", ["ipvsadm", "--save", "--numeric"]).splitlines())

    def status(self) -> dict[str, Any]:
        return self.client.status()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def connections(self, service: str, kind: str = "connections") -> Counter[str]:
        """What the kernel counted for each real server of a virtual server."""
        (found,) = [one for one in self.status()["virtual_servers"] if one["name"] == service]
        return Counter(
            {one["name"]: one["counters"][kind] for one in found["real_servers"] if one["counters"]}
        )


def _host(leaver: dict[str, Any]) -> str:
    address: str = leaver["address"]
    return f"[{address}]" if ":" in address else address


@contextmanager
def routed(lab: Lab, folder: Path) -> Iterator[Router]:
    """r1 with nothing installed; afterwards as the lab left it, all web servers answering."""
    router = Router(lab, folder)
    try:
        yield router
    finally:
        if router.popen and router.popen.poll() is None:
            router.end(signal.SIGKILL)
        clear_kernel(lab, "r1", nftables=has_nftables())
        lab.start_servers(*(name for name in network.REAL_SERVERS if not answers(name)))
