"""How fast a large table is planned, built, read and changed, as ratios to ipvsadm on the same kernel.

Run inside a guest: deploy/lab/guest uml -- .venv/bin/python -m tests.bench.bench_ipvs [SERVICES REALS]
Aims (issue "The main job, end to end"): build ≤ 0.25 (ours reads back what it wrote, ipvsadm does not), dump
and diff ≤ 1. Each time is the best of three runs, since the machine is shared.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TypeVar

from lvs.config.model import FloatingAddress, Forwarding, LvsConfig, RealServer, VirtualServer
from lvs.router import plan
from lvs.router.apply import LinuxKernel, Report, reconcile
from lvs.router.diff import differences
from lvs.router.memory import MemoryLedger
from lvs.router.sentences import Names
from lvs.router.state import Change, Health, KernelState, Owned, Role
from tests.kernel.namespace import fresh_network

Result = TypeVar("Result")
RUNS = 3


def cluster(services: int, reals: int) -> LvsConfig:
    """services virtual servers by direct routing, reals real servers each, all addresses different."""
    return LvsConfig(virtual_servers=tuple(_virtual_server(number, reals) for number in range(services)))


def _virtual_server(number: int, reals: int) -> VirtualServer:
    first = int(IPv4Address("10.128.0.1")) + number * reals
    return VirtualServer(
        name=f"virtual{number}",
        active=True,
        address=FloatingAddress(address=IPv4Address(int(IPv4Address("10.0.0.1")) + number), device="eth0"),
        forwarding=Forwarding.DIRECT,
        real_servers=tuple(
            RealServer(name=f"real{each}", address=IPv4Address(first + each), active=True, weight=each + 1)
            for each in range(reals)
        ),
    )


class Bench:
    """One configuration, the kernel under us, and ipvsadm."""

    def __init__(self, services: int, reals: int) -> None:
        self.config = cluster(services, reals)
        self.health = dict.fromkeys(plan.keys(self.config).values(), Health.HEALTHY)
        self.names = Names.of(self.config)
        self.kernel = LinuxKernel()
        self.ledger = MemoryLedger()
        self.saved = ""

    def wanted(self) -> KernelState:
        return plan.wanted(self.config, Role.STANDBY, self.health)

    def apply(self) -> Report:
        return reconcile(self.kernel, self.wanted(), self.ledger, self.names)

    def compare(self) -> tuple[Change, ...]:
        wanted = self.wanted()
        return differences(self.kernel.read(wanted), wanted, Owned(), self.names)

    def clear(self) -> None:
        subprocess.run(["ipvsadm", "-C"], check=True)

    def restore(self) -> None:
        subprocess.run(["ipvsadm", "-R"], check=True, input=self.saved, text=True)

    def list(self) -> None:
        subprocess.run(["ipvsadm", "-Ln"], check=True, capture_output=True)

    def change_one_weight(self) -> Report:
        first = self.config.virtual_servers[0]
        real, *others = first.real_servers
        changed = replace(first, real_servers=(replace(real, weight=real.weight + 1), *others))
        self.config = replace(self.config, virtual_servers=(changed, *self.config.virtual_servers[1:]))
        return self.apply()

    def run(self) -> None:
        self.apply()
        self.saved = _output("ipvsadm", "-Sn")
        build = best(self.apply, before=self.clear)
        restore = best(self.restore, before=self.clear)
        show("build: plan, diff, write, read back", build, restore, "ipvsadm -R", 0.25)
        if sorted(_output("ipvsadm", "-Sn").splitlines()) != sorted(self.saved.splitlines()):
            sys.exit("the two tables differ")
        show("dump and diff", best(self.compare), best(self.list), "ipvsadm -Ln", 1)
        show("dump with all counters", best(self.kernel.table), best(self.list), "ipvsadm -Ln", 1)
        print(f"nothing to change: {best(self.apply):.3f} s (plan, read, diff)")
        print(
            f"one weight changed: {best(self.change_one_weight):.3f} s (plan, read, diff, write, read back)"
        )
        started = time.process_time()
        self.change_one_weight()
        print(f"  of that, processor time: {time.process_time() - started:.3f} s")


def best(action: Callable[[], Result], before: Callable[[], None] | None = None) -> float:
    """The shortest of RUNS runs, in seconds."""
    times = []
    for _ in range(RUNS):
        if before:
            before()
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def show(what: str, ours: float, theirs: float, name: str, aim: float) -> None:
    ratio = ours / theirs
    verdict = "within" if ratio <= aim else "MISSES"
    print(f"{what}: {ours:.3f} s; {name}: {theirs:.3f} s; ratio {ratio:.2f} ({verdict} the aim of {aim})")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    size = [int(word) for word in sys.argv[1:3]] or [1000, 10]
    print(f"{size[0]} virtual servers with {size[1]} real servers each")
    with fresh_network():
        Bench(*size).run()
