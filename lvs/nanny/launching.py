"""pulse's end of the line to the process that starts programs (`lvs.nanny.launcher`), one for an event loop.

It is started with the first program, again should it have died, and ended with the event loop. Nothing here
waits but in the loop: a program's output is read as it comes, and its end is told.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from weakref import WeakKeyDictionary

from lvs.errors import RouterError

BOUND = 64 * 1024  # bytes of output, of both streams together
MOST_ARGUMENTS = 8 * 1024  # bytes of a program's words
END_SECONDS = 5.0  # that the launcher gets to end

_LAUNCHER = Path(__file__).with_name("launcher.py")
_READ = 16 * 1024


class Lost(RouterError):
    """The launcher died, and with it all programs under way."""


class Job:
    """One program under way. ended: when nothing is left of it.

    status: as wait(2) gives it; None: it was killed, or never began. error: the errno with which it did not
    begin. overflowed: it printed more than BOUND.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, kill: Callable[[], None]) -> None:
        self.name = name
        self.ended: asyncio.Future[None] = loop.create_future()
        self.status: int | None = None
        self.error: int | None = None
        self.overflowed = False
        self.output, self.errors = bytearray(), bytearray()
        self.kill = kill
        self._loop = loop
        self._pipes: dict[int, bytearray] = {}

    def pipes(self) -> tuple[int, int]:
        """The ends that the program writes to, of its stdout and its stderr; raises OSError."""
        ends = []
        try:
            for into in (self.output, self.errors):
                reading, writing = os.pipe2(os.O_CLOEXEC)
                ends.append(writing)
                os.set_blocking(reading, False)
                self._pipes[reading] = into
                self._loop.add_reader(reading, self._read, reading)
        except OSError:
            for end in ends:
                os.close(end)
            raise
        return ends[0], ends[1]

    def drain(self) -> None:
        """Take what the program has printed and was not read yet."""
        for pipe in tuple(self._pipes):
            while pipe in self._pipes and self._read(pipe):
                pass

    def close(self) -> None:
        """Read no more."""
        for pipe in tuple(self._pipes):
            self._close(pipe)

    def _read(self, pipe: int) -> bool:
        """Whether there was something."""
        try:
            data = os.read(pipe, _READ)
        except BlockingIOError:
            return False
        if not data:
            self._close(pipe)
            return False
        room = BOUND - len(self.output) - len(self.errors)
        self._pipes[pipe].extend(data[:room])
        if len(data) > room:
            self.overflowed = True
            self.close()
            self.kill()
            return False
        return True

    def _close(self, pipe: int) -> None:
        self._loop.remove_reader(pipe)
        del self._pipes[pipe]
        os.close(pipe)


class Line:
    """The line to a launcher, which starts programs as user where this process is root's."""

    def __init__(self, user: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._jobs: dict[str, Job] = {}
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(theirs.fileno()), user],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,  # a terminal's ^C is for pulse
            )
        self._loop.add_reader(self._socket, self._hear)
        self._task = self._loop.create_task(self._hold())  # lives as long as the launcher is to

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    def begin(self, words: Sequence[str], environment: Mapping[str, str]) -> Job:
        """Start the program of the path words[0]; raises Lost, OSError."""
        name = str(next(self._numbers))
        job = Job(self._loop, name, lambda: self._kill(name))
        message = json.dumps({"run": name, "words": list(words), "environment": dict(environment)})
        ends: tuple[int, ...] = ()
        try:
            ends = job.pipes()
            socket.send_fds(self._socket, [message.encode()], ends)
        except (BrokenPipeError, ConnectionResetError) as error:
            job.close()
            raise Lost("the process that starts programs ended unexpectedly") from error
        except OSError:
            job.close()
            raise
        finally:
            for end in ends:
                os.close(end)
        self._jobs[name] = job
        return job

    def _kill(self, name: str) -> None:
        if name in self._jobs:
            # It dies with the launcher; one that takes in nothing more is stuck.
            with suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
                self._socket.send(json.dumps({"kill": name}).encode())

    def _hear(self) -> None:
        while not self.is_lost:
            try:
                message = self._socket.recv(_READ)
            except BlockingIOError:
                return
            except ConnectionResetError:
                message = b""
            if not message:
                self._loop.remove_reader(self._socket)
                self._lost.set_result(None)
                return
            self._take(json.loads(message))

    def _take(self, said: Mapping[str, int | str]) -> None:
        job = self._jobs.get(str(said["id"]))
        if job is None:
            return
        if "status" in said:
            job.status = int(said["status"])
        elif "error" in said:
            job.error = int(said["error"]) or errno.EIO
        else:
            del self._jobs[job.name]
            job.ended.set_result(None)

    async def _hold(self) -> None:
        """Until the launcher dies or the event loop ends."""
        try:
            await self._lost
        finally:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            if not self.is_lost:
                self._lost.set_result(None)
            for job in self._jobs.values():
                job.ended.set_exception(Lost("the process that starts programs ended unexpectedly"))
                job.ended.exception()  # nobody may be waiting any more
            await asyncio.to_thread(self._end)

    def _end(self) -> None:
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, Line] = WeakKeyDictionary()


def line(user: str) -> Line:
    """That of the running event loop; raises OSError."""
    loop = asyncio.get_running_loop()
    found = _lines.get(loop)
    if found is None or found.is_lost:
        found = _lines[loop] = Line(user)
    return found
