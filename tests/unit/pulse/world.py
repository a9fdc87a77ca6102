"""A pulse without a process: its parts over a kernel in memory, its probes told what to find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from lvs.config.model import Address
from lvs.nanny.checks import Check
from lvs.nanny.probes.finding import Finding, Record
from lvs.pulse.confirmation import Confirmation
from lvs.pulse.installing import Installer
from lvs.pulse.keeping import Keeper
from lvs.pulse.kernel_work import KernelWork
from lvs.pulse.lvsd import Lvsd
from lvs.pulse.node import Locator
from lvs.pulse.pair import Pair
from lvs.router.apply import Ledger
from lvs.router.files import Installation
from lvs.router.memory import MemoryKernel, MemoryLedger
from lvs.router.state import InterfaceAddress, Part, Role, Verb

PRIMARY = ip_address("192.0.2.1")
BACKUP = ip_address("192.0.2.2")
NOBODY = 2**22 + 1  # above the highest process number there can be (proc(5), pid_max)


class Network:
    """The probe of a world: every real server answers, but those that are down."""

    def __init__(self) -> None:
        self.down: set[Address] = set()
        self.hanging: set[Address] = set()
        self.asked: list[Address] = []

    async def __call__(self, check: Check, record: Record) -> Finding:
        self.asked.append(check.address)
        if check.address in self.hanging:
            await asyncio.sleep(check.timeout)
            return Finding(False, f"connect: no answer within {check.timeout:g} s")
        if check.address in self.down:
            return Finding(False, "connect: refused")
        return Finding(True, "connected")


class World:
    """What outlives a pulse: kernel, ledger, disk, network."""

    def __init__(self, folder: Path, kernel: MemoryKernel | None = None) -> None:
        self.kernel = kernel or MemoryKernel()
        self.ledger: Ledger = MemoryLedger()
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.installation = Installation(folder)
        self.network = Network()
        self.local = {PRIMARY}
        self.wall = 1_000_000.0  # seconds since the epoch, by a clock that only a test turns
        self.missing_interfaces: list[str] = []
        self.entered: list[Role] = []
        self.hearts_started = 0

    def start_heart(self, folder: Path) -> int:
        """In place of a process: a number that is none; a `ScriptedHeart` listens, or nobody does."""
        self.hearts_started += 1
        return NOBODY

    @asynccontextmanager
    async def pulse(self, *, forced: bool = False) -> AsyncIterator[Lvsd]:
        """A started pulse with its tasks; leaving it is as sudden as kill -9, since nothing is cleaned up."""
        work = KernelWork(self.kernel, self.ledger)
        keeper = Keeper(
            work=work,
            locator=Locator("auto", lambda address: address in self.local, planning=False),
            state=self.state,
            clock=lambda: self.wall,
            probe=self.network,
        )
        keeper.entered = lambda role, config: self.entered.append(role)
        installer = Installer(
            keeper=keeper,
            pair=Pair(
                keeper,
                config_folder=self.folder,
                state=self.state,
                name="r1",
                start=self.start_heart,
                missing_interfaces=lambda floating: self.missing_interfaces,
                interface_of=lambda address: "eth0",
                forced=forced,
            ),
            installation=self.installation,
            confirmation=Confirmation(self.folder, self.state, wall=lambda: self.wall),
        )
        lvsd = Lvsd(installer)
        line = lvsd.pair.line
        runs = (
            keeper.keep(),
            keeper.checker.run(),
            keeper.weighing.run(),
            keeper.weighing.loads.run(),
            keeper.weighing.hands.run(),
            lvsd.pair.aside.run(),
            keeper.announcer.run(),
            line.run(),
            line.follow(),
            lvsd.keep_confirmed(),
        )
        tasks = [asyncio.create_task(one) for one in runs]
        await lvsd.start()
        try:
            yield lvsd
        finally:
            ended = [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            work.close()
            assert not ended, [task.exception() for task in ended]


ALONE = "backup_active = 0\n"
TWO = (
    f"backup_active = 1\nbackup = {BACKUP}\nprimary_private = 10.0.0.101\nbackup_private = 10.0.0.102\n"
    "keepalive = 0.1\ndeadtime = 0.3\n"
)
KEY = bytes(range(32))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def lvs_cf(
    serial: int = 1,
    *,
    reals: tuple[str, ...] = ("10.0.0.1", "10.0.0.2"),
    scheduler: str = "wlc",
    port: int = 443,
    timeout: int = 1,
    reentry: int = 1,
    more: str = "",
    pair: str = "",
) -> str:
    """One virtual server, web, with real servers named by their addresses; pair: ALONE or TWO."""
    servers = "".join(
        f"  server s{real.rpartition('.')[2]} {{\n"
        f"    address = {real}\n    active = 1\n    weight = 1\n  }}\n"
        for real in reals
    )
    return (
        f"serial_no = {serial}\nprimary = {PRIMARY}\nservice = lvs\n"
        f"network = direct\n{pair or ALONE}"
        "virtual web {\n  active = 1\n  address = 192.0.2.80 eth0:1\n  vip_nmask = 255.255.255.255\n"
        f"  port = {port}\n  protocol = tcp\n  scheduler = {scheduler}\n  timeout = {timeout}\n"
        f"  reentry = {reentry}\n{more}{servers}}}\n"
    )


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def installed(world: World, text: str) -> None:
    world.installation.install(text)


def changes(world: World, part: Part) -> list[tuple[Verb, InterfaceAddress | None]]:
    return [(change.verb, change.address) for change in world.kernel.written if change.part is part]


def texts(lvsd: Lvsd) -> list[str]:
    return [event.text for event in lvsd.keeper.events]
