"""Clients that notice every interruption: a request each 10 ms, and connections that must outlast a failover.

All of them run in one thread in the lab's namespace `client`. Times are seconds of the monotonic clock.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.kernel.traffic import until
from tests.kernel.traffic_clients import Place, at_work, request

EVERY = 0.01  # seconds from one request to the next
# Seconds for the answer: time to begin anew, or to send again, twice (Linux: after 1 and 3 s, 0.2 and 0.6 s).
LIMIT = 3.0
TALK_EVERY = 0.05
PATTERN = bytes(range(256)) * 512  # what /download sends, over and over
CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that ended. outcome: "answered", or the name of the error."""

    begun: float
    ended: float
    outcome: str


class Probe:
    """One request after the other to a place, each over a connection of its own, many under way at once."""

    def __init__(self, place: Place, every: float, limit: float) -> None:
        self.place = place
        self.every = every
        self.limit = limit
        self.asked: list[Asked] = []  # by the time of their end
        self.under_way: dict[int, float] = {}  # by their beginning
        self._count = 0

    async def ask(self) -> None:
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._one())
                due = max(due + self.every, time.monotonic())  # what a busy machine missed is not made up for
                await asyncio.sleep(due - time.monotonic())

    async def _one(self) -> None:
        begun = time.monotonic()
        self._count += 1
        number = self._count
        self.under_way[number] = begun
        try:
            async with asyncio.timeout(self.limit):
                await request(self.place)
            outcome = "answered"
        except (OSError, TimeoutError) as error:
            outcome = type(error).__name__
        self.asked.append(Asked(begun, time.monotonic(), outcome))
        del self.under_way[number]

    def is_done_with(self, end: float) -> bool:
        """Whether every request that began before this has ended."""
        return min(list(self.under_way.values()), default=end) >= end

    def answered_since(self, begin: float) -> int:
        """How many requests that began after this were answered."""
        return sum(1 for one in self._latest(begin) if one.begun >= begin and one.outcome == "answered")

    def gap(self, begin: float, end: float) -> float:
        """The longest time without an answer, in this time."""
        times = [one.ended for one in self._latest(begin) if one.outcome == "answered" and one.ended <= end]
        times = [begin, *times, end]
        return max(after - before for before, after in itertools.pairwise(times))

    def slowest(self, begin: float, end: float) -> float:
        """The longest time until an answer, of the requests that began in this time."""
        found = self._latest(begin)
        return max((one.ended - one.begun for one in found if begin <= one.begun <= end), default=0.0)

    def failures(self, begin: float, end: float) -> Counter[str]:
        """How often which error befell the requests that began in this time."""
        found = self._latest(begin)
        return Counter(
            one.outcome for one in found if begin <= one.begun <= end and one.outcome != "answered"
        )

    def _latest(self, begin: float) -> Sequence[Asked]:
        """Those that ended after this."""
        found = []
        for one in reversed(self.asked):
            if one.ended < begin:
                break
            found.append(one)
        return found[::-1]


@dataclass
class Lasting:
    """A connection that is to outlast everything. count: lines or bytes; end: why it ended, or None."""

    kind: str
    place: Place
    server: str = ""
    port: int = 0  # the client's
    count: int = 0
    last: float = 0.0
    longest_gap: float = 0.0
    end: str | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.place)
        self.port = writer.get_extra_info("sockname")[1]
        return reader, writer

    def came(self, count: int) -> None:
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - (self.last or now))
        self.count, self.last = self.count + count, now


async def talk(lasting: Lasting) -> None:
    """Asks a line and waits for it, twenty times a second, over one connection."""
    reader, writer = await lasting.open()
    try:
        while True:
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            name = (await reader.readuntil(b"\n")).split()[0].decode()
            if lasting.server not in ("", name):
                raise ConnectionError(f"{name} answered what {lasting.server} was asked")
            lasting.server = name
            lasting.came(1)
            await asyncio.sleep(TALK_EVERY)
    finally:
        writer.close()


async def download(lasting: Lasting) -> None:
    """Takes what comes without end, and looks at every byte."""
    reader, writer = await lasting.open()
    try:
        writer.write(b"GET /download HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        while part := await reader.read(CHUNK):
            start = lasting.count % 256
            if part != PATTERN[start : start + len(part)]:
                raise ConnectionError(f"a byte is missing after {lasting.count}")
            lasting.came(len(part))
        raise ConnectionError("closed by the other end")
    finally:
        writer.close()


class Clients:
    """The probe, and the connections that are open."""

    def __init__(self, place: Place, every: float, limit: float) -> None:
        self.probe = Probe(place, every, limit)
        self.lasting: list[Lasting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    def hold(self, *places: Place) -> None:
        """Opens a conversation and a download to each of these places."""
        assert self.loop is not None
        opened = [Lasting(kind, place) for place in places for kind in ("conversation", "download")]
        self.lasting += opened
        for one in opened:
            self.loop.call_soon_threadsafe(self._begin, one)
        until(lambda: all(one.count for one in opened), "the connections are open")

    def _begin(self, lasting: Lasting) -> None:
        task = asyncio.ensure_future(self._follow(lasting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, lasting: Lasting) -> None:
        work: Callable[[Lasting], Awaitable[None]] = talk if lasting.kind == "conversation" else download
        try:
            await work(lasting)
        except (OSError, EOFError) as error:
            lasting.end = repr(error)

    def go_on(self, count: int = 5) -> None:
        """Returns when every lasting connection has had more, and so many new requests were answered."""
        begin, before = time.monotonic(), [(one, one.count) for one in self.lasting]

        def done() -> bool:
            self.check()
            more = all(one.count > had for one, had in before)
            return more and self.probe.answered_since(begin) >= count

        until(done, "the traffic goes on")

    def check(self) -> None:
        """Every lasting connection is open."""
        lost = [(one.kind, one.place, one.server, one.end) for one in self.lasting if one.end]
        assert not lost, f"{len(lost)} connections ended: {lost}"


@contextmanager
def clients_at(place: Place, every: float = EVERY, limit: float = LIMIT) -> Iterator[Clients]:
    """A probe of this place, for the time of a with. limit: seconds after which a request has failed."""
    clients = Clients(place, every, limit)
    with at_work(clients.probe.ask) as clients.loop:
        yield clients
