"""active_cmd and inactive_cmd of lvs.cf: what an administrator wants run when this router changes its role.

Without a shell, one after the other, each in a process group of its own that is killed after a while. Nobody
waits for them: a takeover is not to depend on a script. Since pulse runs as root and lvs.cf comes from the
web, only programs of one folder are run, which the router's own administrator fills (`commands` beside
lvs.cf), and of those only what nobody but root can have changed.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from lvs.config.model import LvsConfig
from lvs.pulse.events import Events
from lvs.router.state import Role

LONGEST = 30.0  # seconds a command may take
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class Commands:
    """Runs in its task `run` what `entered` asks for, as far as it lies in folder."""

    def __init__(self, events: Events, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._events = events
        self._folder = folder
        self._environment = ENVIRONMENT if environment is None else environment
        self._asked: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._problems: dict[str, str] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps a command from being run, in sentences."""
        return tuple(self._problems.values())

    def entered(self, role: Role, config: LvsConfig) -> None:
        """This router has taken up role just now."""
        settings = config.global_settings
        name, command = "inactive_cmd", settings.inactive_cmd
        if role is Role.ACTIVE:
            name, command = "active_cmd", settings.active_cmd
        self._problems.pop(name, None)
        if command:
            self._asked.put_nowait((name, command))

    async def run(self) -> None:
        """Run the commands in the order in which they were asked for, until cancelled."""
        while True:
            name, command = await self._asked.get()
            try:
                problem = await self._run(name, command)
            finally:
                self._asked.task_done()
            if problem is not None:
                self._problems[name] = f"{name} = {command}: {problem}"
                self._events.error(self._problems[name])

    async def finish(self) -> None:
        """Return when everything that was asked for is done."""
        await self._asked.join()

    async def _run(self, name: str, command: str) -> str | None:
        """Run it; a sentence if it cannot be run or did not end well."""
        try:
            words = shlex.split(command)
        except ValueError as error:
            return f"it cannot be split into words ({error}): close the quotation."
        reason = (
            refusal(Path(words[0]), self._folder)
            if words
            else "it is empty: name a program, or leave it out."
        )
        if reason is not None:
            return reason
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=self._environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return f"it cannot be started: {error.strerror}."
        try:
            async with asyncio.timeout(LONGEST):
                status = await process.wait()
        except TimeoutError:
            return f"it was killed, since it had not ended after {LONGEST:g} s. Let it end sooner."
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if status:
            return f"it ended with status {status}. Run it by hand to see why."
        self._events.info(f"{name} ended with status 0: {command}")
        return None


def refusal(program: Path, folder: Path) -> str | None:
    """Why pulse does not run this program, in a sentence; None: it does. It may be in folder only."""
    if not program.is_absolute():
        return f"its program needs an absolute path, such as {folder}/active."
    if program.parent != folder or program.name == "..":
        return (
            f"only programs in {folder} are run, so that who may change lvs.cf cannot run others as root. "
            f"Put it there as root, and name it {folder}/NAME."
        )
    try:
        found = program.stat()
    except OSError as error:
        return f"{program} cannot be run: {error.strerror}. Create it, or correct the path."
    if not stat.S_ISREG(found.st_mode):
        return f"{program} is not a file that can be run."
    if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return (
            f"{program} could be changed by others than root, so it is not run: "
            f"chown root:root {program}; chmod go-w {program}"
        )
    for place in _way_to(program):
        if _is_open(place):
            return (
                f"{program} could be replaced by others than root, who may change {place}, so it is not run: "
                "let only root change it."
            )
    return None


def _way_to(program: Path) -> Iterator[Path]:
    """What decides which program a path is: the folders and links on its way, as written and in the end."""
    yield program
    yield from program.parents
    yield from program.resolve().parents


def _is_open(place: Path) -> bool:
    """Whether others than root can put something else there; in a sticky folder they cannot (inode(7))."""
    found = place.lstat()
    if found.st_uid != 0:
        return True
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    return bool(shared) and not stat.S_ISLNK(found.st_mode)
