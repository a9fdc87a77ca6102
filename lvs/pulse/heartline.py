"""pulse's line to its heart: starts it, speaks to it, starts it again when it dies.

The heart outlives pulse, so it is no child that would go down with it: a session of its own, and whatever it
is that runs already is taken up. Nothing here works on the kernel; what the heart wants done is handed on.

A pulse that was held up (stopped, swapped out, a machine asleep) may have lost its role meanwhile without
having heard of it. It notices by its own clock, connects anew, and is `in_doubt` until the heart has
repeated the role.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from lvs.clock import boottime
from lvs.errors import RouterError
from lvs.pulse.election.failover import Order
from lvs.pulse.heart.messages import BEAT, MAX_LINE, SOCKET, VERSION, Message, decode, encode
from lvs.pulse.peers import peer
from lvs.router.state import Role

log = logging.getLogger("pulse")

HELD_UP = (
    3.0  # seconds between two beats after which the heart may have taken the role away (it waits longer)
)
GREETING = 3.0  # seconds in which a heart that accepts must say hello
STARTING = 30.0  # seconds in which a new heart must listen; a busy machine may need many to load it
SILENCE = 10  # seconds without a word after which a heart is ended and started anew
ENDING = 2.0  # seconds that a heart has to leave
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0  # seconds before the next attempt
LOOK = 0.02  # seconds between looks at whether a new heart listens


class Listener(Protocol):
    """Who acts on what the heart says."""

    async def take_role(self, role: Role, reason: str, soft: bool) -> tuple[str, ...] | None:
        """Take it up; what did not succeed, in sentences. None: it was not, since it holds no longer."""

    async def settings(self) -> Message | None:
        """The message `settings`; None: there is no second router any more."""

    def condition(self) -> Message:
        """The message `condition`."""

    def gossip(self) -> tuple[int, Message]:
        """The message `gossip` with all that is ordered by hand, and a number that grows when it changes."""

    def heard_gossip(self, entries: Collection[object]) -> None:
        """What the other router says of the same."""

    def announce(self, reason: str) -> None: ...

    def event(self, level: str, text: str) -> None: ...


class HeartLine:
    """The line to the heart whose socket is in folder.

    start: starts a heart and gives its process number. Its tasks are `run` and `follow`. status: what the
    heart said last of the pair; pid: its process number, None while there is none; problem: why there is
    none.
    """

    def __init__(self, folder: Path, listener: Listener, start: Callable[[Path], int] | None = None) -> None:
        self._folder = folder
        self._listener = listener
        self._start = start or start_heart
        self._child: int | None = None
        self._wanted = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._roles: asyncio.Queue[tuple[asyncio.StreamWriter, Message]] = asyncio.Queue()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()
        self._beaten_at = boottime()
        self._unsure = True
        self._said: Role | None = None  # the role that was read last
        self._unsettled = False
        self.status: Message | None = None
        self.pid: int | None = None
        self.problem: str | None = None

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    @property
    def said(self) -> Role | None:
        """The role that the heart gave last, taken up or not yet; None: none so far."""
        return self._said

    @property
    def in_doubt(self) -> bool:
        """Whether this router may not be, or stay, the active one: another role was said, or may have been.

        From the moment on in which `standby` is read, not only when its turn has come.
        """
        return self._unsure or self._said is Role.STANDBY or (self.is_open and self._held_up())

    # ---- what pulse wants of it

    def settle(self) -> None:
        """There is to be a heart, and it is to know the settings as they are now."""
        self._wanted.set()
        self._unsettled = True
        self._changed.set()

    def dismiss(self) -> None:
        """There is to be none: it ends without touching an address."""
        self._wanted.clear()
        self._unsure, self._said = True, None
        self.say({"say": "leave"})
        self.status = None

    def say(self, message: Message) -> None:
        """Send a message, if there is a heart to hear it."""
        if self._writer is not None:
            self._writer.write(encode(message))

    def hurry(self) -> None:
        """The condition may have changed: say it now."""
        self._changed.set()

    async def order(self, order: Order, within: float) -> str:
        """Have an order carried out, and give what came of it; RouterError says why it was not."""
        if not self.is_open:
            raise RouterError(
                "The heart of this router does not run at the moment. Try again in a few seconds."
            )
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self.say({"say": "order", "id": number, "order": order.value})
        try:
            async with asyncio.timeout(within):
                said = await answer
        except TimeoutError as error:
            raise RouterError(
                f"“{order}” was not carried out within {within:g} s. Look at the state of both routers."
            ) from error
        finally:
            self._answers.pop(number, None)
        message = str(said.get("message", ""))
        if not said.get("ok"):
            raise RouterError(message or f"“{order}” was refused.")
        return message

    async def leave(self) -> None:
        """End the heart, and wait for its end for a moment."""
        self.dismiss()
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                while self.is_open:
                    await asyncio.sleep(LOOK)

    # ---- the tasks

    async def run(self) -> None:
        """Keep a heart and a connection to it as long as one is wanted, until cancelled."""
        wait = FIRST_WAIT
        while True:
            await self._wanted.wait()
            begun = time.monotonic()
            try:
                await self._converse()
            except (OSError, ValueError, RouterError) as error:
                self._lost(error)
            finally:
                self._hang_up()
            if is_cancelled():  # a TaskGroup whose body failed just before keeps that to itself
                raise asyncio.CancelledError
            wait = FIRST_WAIT if time.monotonic() - begun > LONGEST_WAIT else min(2 * wait, LONGEST_WAIT)
            await asyncio.sleep(wait)

    async def follow(self) -> None:
        """Take up the roles that the heart gives, of those that wait the newest, until cancelled."""
        while True:
            waiting = [await self._roles.get()]
            while not self._roles.empty():
                waiting.append(self._roles.get_nowait())
            for writer, message in reversed(waiting):
                if Role(message["role"]) is Role.STANDBY or (writer is self._writer and not self._held_up()):
                    await self._take_up(writer, message)
                    break
                # It may be another by now; at the next connection it is said again.

    async def _take_up(self, writer: asyncio.StreamWriter, message: Message) -> None:
        role, reason = Role(message["role"]), str(message.get("reason", ""))
        self._unsure = False
        problems = await self._listener.take_role(role, reason, bool(message.get("soft")))
        if problems is None or writer is not self._writer or not self._roles.empty():
            return  # the heart has gone, and the next one asks anew; or it waits for another answer by now
        if role is Role.ACTIVE:
            self.say({"say": "raised", "problems": list(problems)})
        elif not problems:
            self.say({"say": "lowered"})  # without this word the heart lowers them itself

    # ---- a conversation

    async def _converse(self) -> None:
        reader, writer = await self._connect()
        try:
            self.pid = peer(writer.get_extra_info("socket")).pid
            await self._greeted(reader, writer)
            settings = await self._listener.settings()
            if settings is None:
                writer.write(encode({"say": "leave"}))
                return
            self._writer, self._beaten_at, self.problem = writer, boottime(), None
            self._unsettled = False
            self.say(settings)
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat(writer))
                try:
                    await self._listen(reader, writer)
                finally:
                    beating.cancel()
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path, started = self._folder / SOCKET, None
        while True:
            with suppress(FileNotFoundError, ConnectionRefusedError):
                return await asyncio.open_unix_connection(path, limit=MAX_LINE)
            if started is None:
                self._reap()
                self._child, started = self._start(self._folder), time.monotonic()
                log.info("the heart was started as process %d", self._child)
            elif self._reap() or time.monotonic() - started > STARTING:
                self._end_child()
                raise RouterError(f"a new heart does not listen at {path}; see pulse's log")
            await asyncio.sleep(LOOK)

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take in its hello; a heart that says none, or is of another version, is ended."""
        try:
            async with asyncio.timeout(GREETING):
                hello = decode(await reader.readline())
        except (TimeoutError, ValueError) as error:
            self._kill()
            raise RouterError("a heart that ran did not say hello and was ended") from error
        if hello.get("version") == VERSION:
            return
        writer.write(encode({"say": "leave"}))
        try:
            async with asyncio.timeout(ENDING):
                while await reader.readline():
                    pass
        except TimeoutError:
            self._kill()
        raise RouterError("a heart of another version ran and was ended")

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silence = 0
        while True:
            try:
                # Second by second: a pulse that was stopped for a minute must not take that for silence.
                async with asyncio.timeout(1):
                    line = await reader.readline()
            except TimeoutError as error:
                silence += 1
                if silence >= SILENCE:
                    self._kill()
                    raise RouterError(f"the heart was silent for {SILENCE} s and was ended") from error
                continue
            if not line:
                raise RouterError("it ended")
            silence = 0
            self._hear(decode(line), writer)

    def _hear(self, message: Message, writer: asyncio.StreamWriter) -> None:
        match message["say"]:
            case "role":
                self._said = Role(message["role"])
                self._roles.put_nowait((writer, message))
            case "gossip":
                entries = message.get("entries")
                self._listener.heard_gossip(entries if isinstance(entries, list) else ())
            case "announce":
                self._listener.announce(str(message.get("reason", "")))
            case "event":
                self._listener.event(str(message.get("level", "info")), str(message.get("text", "")))
            case "answer":
                waiting = self._answers.get(message.get("id", 0))
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            case "status":
                self.status = message.get("redundancy", {k: v for k, v in message.items() if k != "say"})
            case other:
                log.debug("the heart said %s, which this pulse does not know", other)

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        """Say how things are whenever that changes, and a sign of life twice a second."""
        said: Message | None = None
        told = 0
        while True:
            if self._held_up():
                raise RouterError("pulse was held up for seconds, and asks what its role is now")
            self._beaten_at = boottime()
            if self._unsettled:
                self._unsettled = False
                self.say(await self._listener.settings() or {"say": "leave"})
            condition = self._listener.condition()
            self.say({"say": "beat"} if condition == said else condition)
            said = condition
            version, gossip = self._listener.gossip()
            if version != told:
                told = version
                self.say(gossip)
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT / 2):
                    await self._changed.wait()
            self._changed.clear()

    def _held_up(self) -> bool:
        return boottime() - self._beaten_at > HELD_UP

    def _hang_up(self) -> None:
        if self._writer is not None and self._held_up():
            self._unsure = True
        self._writer, self.pid = None, None
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_result({"ok": False, "message": "The heart of this router ended meanwhile."})

    def _lost(self, error: Exception) -> None:
        problem = (
            f"The heart of this router does not run ({error}), so nothing fails over; it is started again."
        )
        if self._wanted.is_set() and problem != self.problem:  # else it was said already
            self._listener.event("warning", f"the line to the heart was lost: {error}")
            self.problem = problem

    def _reap(self) -> bool:
        """Whether the heart that was started here has ended."""
        if self._child is None:
            return True
        try:
            ended, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            ended, status = self._child, 0
        if ended:
            log.warning(
                "the heart, process %d, ended with %d", self._child, os.waitstatus_to_exitcode(status)
            )
            self._child = None
        return bool(ended)

    def _end_child(self) -> None:
        """End a heart that does not get so far as to listen: two of them would only hold each other up."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)

    def _kill(self) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def is_cancelled() -> bool:
    """Whether the task that asks was told to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def start_heart(folder: Path) -> int:
    """Start a heart with its state in folder; its process number.

    Without `site`, and without the caller's folder among the places of modules: it needs what is ours and the
    standard library, and is to listen soon.
    """
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
    environment = {name: value for name, value in os.environ.items() if name not in _SYSTEMD}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    words = [sys.executable, "-P", "-s", "-S", "-m", "lvs.pulse.heart", "--state", str(folder)]
    # No subprocess.Popen or asyncio's: both think that they must end what they started.
    return os.posix_spawn(sys.executable, words, environment, file_actions=nothing, setsid=True)


_SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")  # pulse's own
