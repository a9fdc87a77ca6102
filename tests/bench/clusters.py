"""The cluster that everything is measured with, as a configuration, a document and a keepalived.conf."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from multiprocessing import Process
from pathlib import Path
from socket import create_server

from lvs.config.model import FloatingAddress, Forwarding, LvsConfig, RealServer, VirtualServer

SERVICES, REALS = 1000, 10
FIRST_REAL = IPv4Address("10.128.0.1")
REAL_NET = "10.128.0.0/14"
PORT = 8080
SELDOM = 3600  # seconds between two checks of a real server: they are not what is measured


def cluster(services: int = SERVICES, reals: int = REALS, name: str = "virtual") -> LvsConfig:
    """services virtual servers by direct routing, reals real servers each, all addresses different."""
    return LvsConfig(
        virtual_servers=tuple(_virtual_server(name, number, reals) for number in range(services))
    )


def _virtual_server(name: str, number: int, reals: int) -> VirtualServer:
    first = int(FIRST_REAL) + number * reals
    return VirtualServer(
        name=f"{name}{number}",
        active=True,
        address=FloatingAddress(address=IPv4Address(int(IPv4Address("10.0.0.1")) + number), device="eth0"),
        port=PORT,
        forwarding=Forwarding.DIRECT,
        timeout=SELDOM,
        real_servers=tuple(
            RealServer(name=f"real{each}", address=IPv4Address(first + each), active=True, weight=each + 1)
            for each in range(reals)
        ),
    )


def with_weight(config: LvsConfig, weight: int) -> LvsConfig:
    """config with another weight of one real server in its middle, and the next serial number."""
    middle = len(config.virtual_servers) // 2
    virtual_server = config.virtual_servers[middle]
    real_server, *others = virtual_server.real_servers
    changed = replace(virtual_server, real_servers=(replace(real_server, weight=weight), *others))
    settings = config.global_settings
    return replace(
        config,
        global_settings=replace(settings, serial_no=settings.serial_no + 1),
        virtual_servers=(
            *config.virtual_servers[:middle],
            changed,
            *config.virtual_servers[middle + 1 :],
        ),
    )


def keepalived_conf(config: LvsConfig) -> str:
    """The same table for keepalived, without any check, which is the least work for it."""
    return "".join(_keepalived_virtual_server(each) for each in config.virtual_servers)


def _keepalived_virtual_server(virtual_server: VirtualServer) -> str:
    address = virtual_server.address.address if virtual_server.address else None
    real_servers = "".join(
        f"    real_server {each.address} {virtual_server.port} {{\n        weight {each.weight}\n    }}\n"
        for each in virtual_server.real_servers
    )
    return (
        f"virtual_server {address} {virtual_server.port} {{\n    delay_loop {SELDOM}\n"
        f"    lvs_sched {virtual_server.scheduler}\n    lvs_method DR\n    protocol TCP\n{real_servers}}}\n"
    )


@contextmanager
def answering_real_servers() -> Iterator[None]:
    """All addresses of REAL_NET are this machine's, and something accepts connections to PORT there."""
    subprocess.run(["ip", "route", "add", "local", REAL_NET, "dev", "lo"], check=True)
    listener = Process(target=_accept_for_ever, daemon=True)
    listener.start()
    try:
        yield
    finally:
        listener.kill()
        listener.join()


def _accept_for_ever() -> None:
    with create_server(("", PORT), backlog=4096) as server:
        while True:
            server.accept()[0].close()


def in_kernel() -> int:
    """How many real servers the kernel's table has."""
    table = Path("/proc/net/ip_vs").read_text()
    return table.count("\n  -> ") - 1  # a heading looks the same
