"""Clients that never rest: new connections every few milliseconds, and streams that stay open.

They live in a thread of their own that is in the lab's namespace `client`. Every failure is kept with what it
was, so that a test can say: nothing was lost.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from deploy.lab import network
from deploy.lab.namespaces import move_into
from tests.kernel.traffic import until

ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 0.005
MOST_UNDER_WAY = 20
KNOCK_SECONDS = 0.2
START_SECONDS = 30.0

Place = tuple[str, int]


@dataclass
class Stream:
    """One connection that stays open. lines: how many arrived; longest_gap: seconds between two of them."""

    place: Place
    server: str = ""
    lines: int = 0
    longest_gap: float = 0.0
    end: str | None = None  # why it ended; None: it is open
    task: asyncio.Task[None] | None = None


@dataclass
class Clients:
    """answered: per place, which server how often. slowest: seconds that a request took.

    pause: seconds from one request to the next.
    """

    places: tuple[Place, ...]
    pause: float = PAUSE_SECONDS
    answered: dict[Place, Counter[str]] = field(default_factory=dict)
    failed: list[tuple[Place, str]] = field(default_factory=list)
    slowest: float = 0.0
    streams: list[Stream] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop | None = None

    def forget(self) -> None:
        """Begins to count anew; requests under way are counted by their beginning, so not at all."""
        self.failed, self.slowest = [], 0.0
        self.answered = {place: Counter() for place in self.places}
        for stream in self.streams:
            stream.longest_gap = 0.0

    def go_on(self, count: int = 20) -> None:
        """Returns when every place has answered so many more requests and every stream has had more lines."""
        before = {place: self.answered[place].total() for place in self.places}
        lines = [(stream, stream.lines) for stream in self.streams]

        def done() -> bool:
            self.check()
            new = all(self.answered[place].total() >= before[place] + count for place in self.places)
            return new and all(stream.lines > had + 2 for stream, had in lines)

        until(done, "the traffic goes on")

    def check(self) -> None:
        """Nothing has failed, and every stream is open."""
        assert not self.failed, f"{len(self.failed)} requests failed: {self.failed[:5]}"
        lost = [(stream.place, stream.server, stream.end) for stream in self.streams if stream.end]
        assert not lost, f"{len(lost)} streams ended: {lost[:5]}"

    def open_streams(self, count: int) -> None:
        """So many more streams to each place, all of them sending."""
        opened = [Stream(place) for place in self.places for _ in range(count)]
        self.streams += opened
        for stream in opened:
            self._start(self._follow(stream), stream)
        until(lambda: all(stream.lines > 1 for stream in opened), "the streams are open")

    def close_streams(self, server: str) -> None:
        """Ends the streams that a real server serves."""
        assert self.loop is not None
        leaving = [stream for stream in self.streams if stream.server == server]
        for stream in leaving:
            assert stream.task is not None
            self.loop.call_soon_threadsafe(stream.task.cancel)
        until(lambda: all(stream.end for stream in leaving), "the streams are closed")
        self.streams = [stream for stream in self.streams if stream not in leaving]

    def _start(self, work: Coroutine[Any, Any, None], stream: Stream) -> None:
        async def begin() -> None:
            stream.task = asyncio.current_task()
            await work

        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(begin(), self.loop)

    async def ask(self) -> None:
        """Asks each place in turn, a new connection each time, until cancelled."""
        slots = asyncio.Semaphore(MOST_UNDER_WAY)
        async with asyncio.TaskGroup() as group:
            for place in itertools.cycle(self.places):
                await slots.acquire()
                group.create_task(self._one(place)).add_done_callback(lambda _: slots.release())
                await asyncio.sleep(self.pause)

    async def _one(self, place: Place) -> None:
        counted, failed, begun = self.answered, self.failed, time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                name = await request(place)
        except (OSError, TimeoutError) as error:
            failed.append((place, repr(error)))
        else:
            counted[place][name] += 1
            if counted is self.answered:
                self.slowest = max(self.slowest, time.monotonic() - begun)

    async def _follow(self, stream: Stream) -> None:
        try:
            reader, writer = await asyncio.open_connection(*stream.place)
            try:
                writer.write(b"GET /stream HTTP/1.0\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                last = time.monotonic()
                while line := await reader.readline():
                    now = time.monotonic()
                    stream.longest_gap, last = max(stream.longest_gap, now - last), now
                    stream.server, stream.lines = line.split()[0].decode(), stream.lines + 1
                stream.end = "closed by the other end"
            finally:
                writer.close()
        except OSError as error:
            stream.end = repr(error)
        except asyncio.CancelledError:
            stream.end = "closed by the test"
            raise


async def request(place: Place) -> str:
    """One request over a connection of its own; the name of the real server. Raises OSError."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET) as opened:
        opened.setblocking(False)
        await loop.sock_connect(opened, place)
        await loop.sock_sendall(opened, b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := await loop.sock_recv(opened, 4096):
            answer += part
    if not answer.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"the answer is {answer!r}")
    return answer.rpartition(b"\r\n\r\n")[2].split()[0].decode()


class Knocks:
    """What came of knocking at a place: errors by name, and "open"."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.seen: Counter[str] = Counter()

    async def ask(self) -> None:
        """Tries to connect again and again, never waiting long, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as opened:
                opened.setblocking(False)
                try:
                    async with asyncio.timeout(KNOCK_SECONDS):
                        await loop.sock_connect(opened, self.place)
                    self.seen["open"] += 1
                except (OSError, TimeoutError) as error:
                    self.seen[type(error).__name__] += 1
            await asyncio.sleep(0.001)


@contextmanager
def at_work(ask: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[asyncio.AbstractEventLoop]:
    """For the time of a with, ask() runs in the namespace `client`, in a thread of its own."""
    started: Future[asyncio.AbstractEventLoop] = Future()

    async def main() -> None:
        started.set_result(asyncio.get_running_loop())
        await ask()

    def run() -> None:
        move_into(network.CLIENT)
        with suppress(asyncio.CancelledError):
            asyncio.run(main())

    with ThreadPoolExecutor(1, "clients") as pool:
        end = pool.submit(run)
        loop = started.result(START_SECONDS)
        try:
            yield loop
        finally:
            loop.call_soon_threadsafe(_cancel_all, loop)
            end.result()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


@contextmanager
def traffic(places: Sequence[Place], pause: float = PAUSE_SECONDS) -> Iterator[Clients]:
    """New connections to all of these places, for the time of a with."""
    clients = Clients(tuple(places), pause)
    clients.forget()
    with at_work(clients.ask) as clients.loop:
        yield clients


@contextmanager
def knocking(place: Place) -> Iterator[Knocks]:
    """Somebody who cannot wait for a place to open, for the time of a with."""
    knocks = Knocks(place)
    with at_work(knocks.ask):
        yield knocks
