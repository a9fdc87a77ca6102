"""pulse, the daemon: puts its parts together, runs them, ends them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvs.errors import RouterError
from lvs.nanny.programs import FOLDER
from lvs.nanny.rounds import LIMIT, unchecked
from lvs.pulse.calls import calls, names_in
from lvs.pulse.commands import Commands
from lvs.pulse.confirmation import Confirmation
from lvs.pulse.control import ControlServer
from lvs.pulse.installing import Installer
from lvs.pulse.keeping import Keeper
from lvs.pulse.kernel_work import KernelWork
from lvs.pulse.living import Life
from lvs.pulse.lvsd import Lvsd
from lvs.pulse.node import Locator, is_local
from lvs.pulse.pair import Pair
from lvs.pulse.tasks import CHECKS, Tasks, is_fatal
from lvs.pulse.version import version
from lvs.router import saved_rules
from lvs.router.apply import LinuxKernel
from lvs.router.files import Installation, Ledger, locked
from lvs.router.memory import MemoryKernel, MemoryLedger
from lvs.router.saved_rules import SavedRules
from lvs.router.state import Health

log = logging.getLogger("pulse")

DESCRIPTORS_KEPT = 300 + LIMIT  # for everything but checks; so many may be asked for their load at once
MOST_CHECKS = 4096  # under way at once
COMMAND_SECONDS = 5.0  # that the end waits for active_cmd or inactive_cmd


NO_CHECKS = "pulse makes no checks (--no-checks): every real server is taken as healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How pulse was started.

    config: the folder of lvs.cf; state: that of the ledger; node: or "auto". force_active: become active at
    the start, whatever the other router says.
    """

    config: Path
    state: Path
    socket: Path
    node: str
    name: str
    planning: bool
    checks: bool = True
    force_active: bool = False
    allowed: frozenset[int]


def run(options: Options, environment: Mapping[str, str]) -> int:
    """Run until told to stop, and give the exit code; raises RouterError when pulse cannot start."""
    for folder in (options.config, options.state, options.socket.parent):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RouterError(
                f"cannot create {folder}: {error.strerror}. Create it for pulse's user."
            ) from error
    with locked(options.state):
        return asyncio.run(Daemon(options, environment).serve())


class Daemon:
    """One pulse."""

    def __init__(self, options: Options, environment: Mapping[str, str]) -> None:
        self._options = options
        self._started_at = time.time()
        FOLDER.set((options.config / "checks").absolute())
        ledger = MemoryLedger() if options.planning else Ledger(options.state / "ledger.json")
        kernel: MemoryKernel | LinuxKernel = MemoryKernel()
        if not options.planning:
            kernel = LinuxKernel()
            kernel.recover()
        saved = None if options.planning else SavedRules(options.state / saved_rules.NAME)
        self._work = KernelWork(kernel, ledger, saved)
        self._keeper = Keeper(
            work=self._work,
            locator=Locator(options.node, is_local, planning=options.planning),
            state=options.state,
            probe=None if options.checks else unchecked,
            limit=checks_at_once(),
        )
        self._tasks = Tasks(self._keeper.events, is_fatal=self._is_fatal)
        self._commands = Commands(self._keeper.events, (options.config / "commands").absolute())
        if not options.planning:
            self._keeper.entered = self._commands.entered
        self._lvsd = Lvsd(
            Installer(
                keeper=self._keeper,
                pair=self._pair(),
                installation=Installation(options.config),
                confirmation=Confirmation(options.config, options.state),
            )
        )
        if isinstance(ledger, Ledger):
            ledger.load()
            if ledger.problem:
                self._keeper.events.error(ledger.problem)
        self._life = Life(environment, self._in_a_line, lambda: self._work.busy)
        self._stopped_by: int | None = None
        self._stop = asyncio.Event()
        self._reread = asyncio.Event()

    def _pair(self) -> Pair:
        options = self._options
        return Pair(
            self._keeper,
            config_folder=options.config,
            state=options.state,
            name=options.name,
            planning=options.planning,
            forced=options.force_active,
            dying=self._tasks.unfit,
        )

    def _is_fatal(self, name: str) -> bool:
        running = self._keeper.running
        return is_fatal(name, running.config if running else None)

    async def serve(self) -> int:
        """Listen, work, and at SIGTERM or SIGINT hand over, or leave the kernel balancing as it is."""
        server = ControlServer(
            self._options.socket, calls(self._lvsd, self._status, self._options.name), self._options.allowed
        )
        try:
            await server.start()
        except OSError as error:
            path = self._options.socket
            raise RouterError(
                f"cannot listen on {path}: {error.strerror}. Choose another --socket."
            ) from error
        self._listen_to_signals()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one) for one in self._work_to_do()]
                await self._stop.wait()
                log.info("Terminating due to signal %s", self._stopped_by)
                self._life.stopping()
                await self._end()
                for task in tasks:
                    task.cancel()
        finally:
            await server.close()
            self._work.close()
        return 0

    async def _end(self) -> None:
        await self._lvsd.pair.stop()
        await self._lvsd.rest()
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await self._commands.finish()
        except TimeoutError:
            log.warning("a command of lvs.cf had not ended when pulse did, and was killed")

    def _work_to_do(self) -> list[Coroutine[Any, Any, None]]:
        kept, keeper, line = self._tasks.kept, self._keeper, self._lvsd.pair.line
        tasks = [
            self._start_and_keep(),
            self._reread_at_signal(),
            kept(CHECKS, keeper.checker.run),
            kept("following what drains", keeper.weighing.run),
            kept("keeping the orders by hand", keeper.weighing.hands.run),
            kept("keeping whether this router is set aside", self._lvsd.pair.aside.run),
            kept("announcing", keeper.announcer.run),
            kept("the wait for confirmations", self._lvsd.keep_confirmed),
            kept("the line to the heart", line.run),
            kept("following the heart", line.follow),
            kept("the commands of lvs.cf", self._commands.run),
            self._life.run(),
        ]
        if self._options.checks:
            tasks.append(kept("the load monitors", keeper.weighing.loads.run))
        return tasks

    async def _start_and_keep(self) -> None:
        await self._lvsd.start()
        self._life.ready()
        await self._tasks.kept("keeping the kernel", self._keeper.keep)

    async def _reread_at_signal(self) -> None:
        while True:
            await self._reread.wait()
            self._reread.clear()
            self._life.reloading()
            await self._lvsd.reread()
            self._life.ready()

    def _in_a_line(self) -> str:
        """What this router is and runs, for `systemctl status`."""
        keeper = self._keeper
        if keeper.running is None:
            return f"{keeper.role.value}, no lvs.cf is in force"
        healths = list(keeper.checker.health.values())
        good = sum(health is Health.HEALTHY for health in healths)
        serial = keeper.running.serial
        return f"{keeper.role.value}, serial_no {serial}, {good} of {len(healths)} real servers healthy"

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_at, number)
        loop.add_signal_handler(signal.SIGHUP, self._reread.set)

    def _stop_at(self, number: int) -> None:
        self._stopped_by = int(number)
        self._stop.set()

    async def _status(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        said = await self._lvsd.status(names_in(request))
        problems = [*said["problems"], *self._commands.problems, *self._tasks.dying()]
        if not self._options.checks:
            problems.append(NO_CHECKS)
        return {
            "name": self._options.name,
            "mode": "planning" if self._options.planning else "kernel",
            "version": version(),
            "pid": os.getpid(),
            "started_at": self._started_at,
            "now": time.time(),
            **said,
            "problems": problems,
        }


def checks_at_once() -> int:
    """How many checks may be under way: as there are file descriptors, their limit raised if need be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = MOST_CHECKS + DESCRIPTORS_KEPT
    if soft != resource.RLIM_INFINITY and soft < wished:
        soft = wished if hard == resource.RLIM_INFINITY else min(hard, wished)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = MOST_CHECKS if soft == resource.RLIM_INFINITY else soft - DESCRIPTORS_KEPT
    return max(16, min(MOST_CHECKS, room))
