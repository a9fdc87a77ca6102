"""Two real routers that balance by NAT and by direct routing, and what can befall them."""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

from deploy.lab import network
from deploy.lab.machines import Lab
from lvs.config.model import FloatingAddress, GlobalSettings, LvsConfig, Redundancy, Scheduler, VirtualServer
from lvs.config.writer import write
from lvs.errors import LvsError
from lvs.pulse.client import PulseClient
from lvs.pulse.heart.messages import SOCKET, decode
from tests.kernel import traffic
from tests.kernel.conftest import has_nftables
from tests.kernel.failover_nursery import Nursery
from tests.kernel.failover_owners import Owners
from tests.kernel.failover_switch import Switch, cables
from tests.kernel.leftovers import clear_kernel
from tests.kernel.traffic import LIMIT, until, virtual

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = {"r1": "192.168.26.9", "r2": "192.168.26.8"}
PRIVATE = {"r1": "10.11.12.9", "r2": "10.11.12.8"}
OTHER = {"r1": "r2", "r2": "r1"}
NODES = {"r1": "primary", "r2": "backup"}
FLOATING = (network.NAT_VIP, network.NAT_GATEWAY, network.DIRECT_VIP)
NAT_PLACE, DIRECT_PLACE = (network.NAT_VIP, 80), (network.DIRECT_VIP, 80)
WEB = (  # checked often enough that a real server which a fault made unreachable is soon back
    virtual("nat", traffic.NAT, scheduler=Scheduler.RR, timeout=5),
    virtual("direct", traffic.DIRECT, scheduler=Scheduler.RR, timeout=5),
)
REDUNDANT = Redundancy(
    backup_active=True,
    backup=ip_address(PUBLIC["r2"]),
    backup_private=ip_address(PRIVATE["r2"]),
    keepalive=0.1,
    deadtime=0.3,
    monitor_links=True,
    syncdaemon=True,
    syncd_iface="eth1",
)


def lvs_cf(serial: int, redundancy: Redundancy = REDUNDANT, services: Iterable[VirtualServer] = WEB) -> str:
    """The text of the pair."""
    settings = GlobalSettings(
        serial_no=serial,
        primary=ip_address(PUBLIC["r1"]),
        primary_private=ip_address(PRIVATE["r1"]),
        nat_router=FloatingAddress(address=ip_address(network.NAT_GATEWAY), device="eth1:1"),
        nat_mask=24,
    )
    config = LvsConfig(global_settings=settings, redundancy=redundancy, virtual_servers=tuple(services))
    return write(config)


class Routers(Protocol):
    """What the common faults need of a pair, whichever program runs it."""

    lab: Lab
    switch: Switch
    owners: Owners

    def start(self, router: str) -> None:
        """Starts its program."""

    def stop(self, router: str) -> None:
        """Has its program end in order; returns when it has."""

    def kill(self, router: str) -> None:
        """kill -9 of all of its program's processes; does not wait."""

    def forget(self, router: str) -> None:
        """What a boot clears: whatever the program left in the kernel."""

    def well(self) -> bool:
        """Whether one router serves, the other stands by, and both know it."""

    def told(self) -> str:
        """What they said and say, for somebody who asks why they are not well."""


def crash(pair: Routers, router: str) -> None:
    """The machine is gone, in an instant."""
    pair.kill(router)
    pair.switch.pull_both(router)
    pair.owners.died(router)


def boot(pair: Routers, *routers: str) -> None:
    """Machines that had crashed begin from nothing."""
    for router in routers:
        pair.forget(router)
    start_machines(pair, *routers)


def start_machines(pair: Routers, *routers: str) -> None:
    """Machines with nothing in their kernels come up, at once."""
    for router in routers:
        pair.switch.plug(*cables(router))
        pair.owners.revived(router)
        pair.start(router)


def clear(lab: Lab, router: str) -> None:
    """Takes away the IPVS table, the sync daemon and the floating addresses of a router."""
    clear_kernel(lab, router, nftables=has_nftables())
    for state in ("master", "backup"):
        lab.run(router, ["ipvsadm", "--stop-daemon", state], check=False)


@dataclass
class Machine:
    """A router with its pulse."""

    name: str
    folder: Path
    client: PulseClient
    pulse: int | None = None  # a descriptor of the process (pidfd_open(2))

    def runs(self) -> bool:
        return self.pulse is not None and not select.select([self.pulse], [], [], 0)[0]

    def signal(self, number: int) -> None:
        assert self.pulse is not None
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            signal.pidfd_send_signal(self.pulse, number)

    def wait(self) -> None:
        """Returns when pulse has ended."""
        assert self.pulse is not None
        assert select.select([self.pulse], [], [], LIMIT)[0], f"pulse of {self.name} does not end"

    def hearts(self) -> list[int]:
        """The process ids of its heart; one, if all is well."""
        found = []
        for entry in Path("/proc").iterdir():
            command = _command(entry) if entry.name.isdigit() else b""
            if b"lvs.pulse.heart" in command and str(self.folder).encode() in command:
                found.append(int(entry.name))
        return found

    def heart_decides(self) -> bool:
        """Whether its heart runs and knows what it is to decide: it says so to everybody who connects."""
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(LIMIT)
            try:
                opened.connect(str(self.folder / SOCKET))
                hello = decode(opened.makefile("rb").readline())
            except (OSError, ValueError):
                return False
        return hello.get("role") is not None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(pid, signal.SIGKILL)


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended


class Pair:
    """r1 and r2, both with a pulse, one lvs.cf and one key."""

    def __init__(self, lab: Lab, folder: Path, nursery: Nursery) -> None:
        self.lab = lab
        self.nursery = nursery
        self.switch = Switch(lab, hushes=not has_nftables())
        self.owners = Owners(network.ROUTERS, FLOATING)
        self.serial = 0
        self.fresh = False  # a pulse that is started is loaded anew, as after a boot
        self.machines = {name: self._made(name, folder / name) for name in network.ROUTERS}
        key = secrets.token_hex(32)
        for machine in self.machines.values():
            file = machine.folder / "cluster.key"
            file.touch(mode=0o600)
            file.write_text(key + "\n")

    @staticmethod
    def _made(name: str, folder: Path) -> Machine:
        folder.mkdir()
        return Machine(name, folder, PulseClient(folder / "pulse.sock", timeout=LIMIT))

    def up(self, redundancy: Redundancy = REDUNDANT) -> None:
        """Starts both and installs the pair's lvs.cf; returns when they are well, r1 active."""
        for name in self.machines:
            self.start(name)
        self.install(redundancy)
        until(self.well, "the pair is well", self.told)
        until(self._r1_is_active, "r1 is active", self.told)

    def _r1_is_active(self) -> bool:
        if not self.well():
            return False
        if self.owners.owner() == "r2":
            with suppress(LvsError):  # on a busy machine it may be refused for a moment
                self.machines["r2"].client.hand_over()
        return self.owners.owner() == "r1"

    def install(self, redundancy: Redundancy, services: Iterable[VirtualServer] = WEB) -> None:
        """Installs the next revision on both, standby first."""
        self.serial += 1
        owner = self.owners.owner() or "r1"
        for name in (OTHER[owner], owner):
            until(partial(self.answers, name), f"pulse of {name} answers", self.told)
            self.machines[name].client.install(lvs_cf(self.serial, redundancy, services))

    def start(self, router: str) -> None:
        machine = self.machines[router]
        if machine.pulse is not None:
            machine.wait()
            os.close(machine.pulse)
        words = ["--config", str(machine.folder), "--state", str(machine.folder), "--name", router]
        words += ["--node", NODES[router], "--socket", str(machine.client.path)]
        stand_in = {} if has_nftables() else {"PIRANHA_NETFILTER_FILE": str(machine.folder / "netfilter")}
        pid = self.nursery.start(router, words, stand_in, machine.folder / "log", fresh=self.fresh)
        machine.pulse = os.pidfd_open(pid)

    def stop(self, router: str) -> None:
        self.machines[router].signal(signal.SIGTERM)
        self.machines[router].wait()

    def kill(self, router: str) -> None:
        hearts = self.machines[router].hearts()  # looked up before, so that all end at the same time
        if self.machines[router].runs():
            self.machines[router].signal(signal.SIGKILL)
        _kill(hearts)

    def kill_pulse(self, router: str) -> None:
        if self.machines[router].runs():
            self.machines[router].signal(signal.SIGKILL)
            self.machines[router].wait()

    def kill_heart(self, router: str) -> None:
        _kill(self.machines[router].hearts())

    def forget(self, router: str) -> None:
        clear(self.lab, router)
        (self.machines[router].folder / "netfilter").unlink(missing_ok=True)

    def status(self, router: str) -> dict[str, Any] | None:
        """Its status document; None: nobody answers."""
        if not self.machines[router].runs():
            return None
        try:
            return self.machines[router].client.status()
        except LvsError:
            return None

    def answers(self, router: str) -> bool:
        return self.status(router) is not None

    def well(self) -> bool:
        owner = self.owners.owner()
        if owner is None:
            return False
        for router, role in ((owner, "active"), (OTHER[owner], "standby")):
            status = self.status(router)
            said = (status or {}).get("redundancy")
            if not said or said["role"] != role or not said["fit"] or said["stage"] != role:
                return False
            peer = said["peer"]
            if not peer or not peer["alive"] or not peer["hears"] or not peer["fit"] or peer["role"] == role:
                return False
            if not all(link["alive"] for link in said["links"]):
                return False
            if role == "active" and said["hand_over_refused"]:
                return False
        return True

    def told(self) -> str:
        lines = [f"{name} holds {sorted(self.owners._holds[name])}" for name in self.machines]
        for name, machine in self.machines.items():
            status = self.status(name) or {}
            lines += [f"--- {name}: {status.get('role')} {status.get('redundancy')} {status.get('problems')}"]
            lines += machine.log().splitlines()[-40:]
        return "\n".join(lines)

    def close(self) -> None:
        for name, machine in self.machines.items():
            self.kill(name)
            if machine.pulse is not None:
                os.close(machine.pulse)
        self.switch.close()
        self.owners.close()
        for name in self.machines:
            clear(self.lab, name)


@contextmanager
def two_routers(lab: Lab, folder: Path, redundancy: Redundancy = REDUNDANT) -> Iterator[Pair]:
    """A pair that is well, r1 active; afterwards the lab as it was."""
    with ExitStack() as stack:
        nursery = Nursery()
        stack.callback(nursery.close)
        pair = Pair(lab, folder, nursery)
        stack.callback(pair.close)
        pair.up(redundancy)
        yield pair
