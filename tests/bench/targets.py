"""Real servers for the bench of checks: all of 127.0.0.0/8, in one process that notes when it is asked.

It accepts each connection and closes it when the other side does. A tenth of the addresses is sampled: when
each of their connections came tells how well whoever checks keeps its rhythm, without asking it.
"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from select import EPOLLIN, epoll

FIRST = int(IPv4Address("127.1.0.0"))
PORT = 8080
SAMPLED = 10  # one in so many
_BACKLOG = 4096
_AT_ONCE = 100  # taken before those are closed whose other side did


def address(number: int) -> IPv4Address:
    """The address of the real server with this number."""
    return IPv4Address(FIRST + number)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came since the last question: connections, and for each sampled address when, in seconds."""

    connections: int
    times: tuple[tuple[float, ...], ...]


class Targets:
    """The process that answers."""

    def __init__(self, pipe: Connection, pid: int) -> None:
        self._pipe = pipe
        self.pid = pid

    def seen(self) -> Seen:
        """What came since this was asked last."""
        self._pipe.send(None)
        found: Seen = self._pipe.recv()
        return found


@contextmanager
def answering_targets() -> Iterator[Targets]:
    """Real servers at every address of loopback in this network namespace."""
    ours, theirs = Pipe()
    process = Process(target=_answer, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    targets = Targets(ours, process.pid or 0)
    try:
        targets.seen()  # it listens
        yield targets
    finally:
        process.kill()
        process.join()
        ours.close()


def _answer(pipe: Connection) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.create_server(("", PORT), backlog=_BACKLOG) as listener, epoll() as ready:
        listener.setblocking(False)
        ready.register(listener, EPOLLIN)
        ready.register(pipe, EPOLLIN)
        opened: dict[int, socket.socket] = {}
        times: dict[str, list[float]] = {}
        count = 0
        while True:
            for descriptor, _ in ready.poll():
                if descriptor == listener.fileno():
                    count += _accept(listener, ready, opened, times)
                elif descriptor == pipe.fileno():
                    pipe.recv()
                    pipe.send(Seen(count, tuple(map(tuple, times.values()))))
                    count = 0
                    times.clear()
                else:
                    opened.pop(descriptor).close()


def _accept(
    listener: socket.socket, ready: epoll, opened: dict[int, socket.socket], times: dict[str, list[float]]
) -> int:
    """Take what has come; how many."""
    for number in range(_AT_ONCE):
        try:
            taken, _ = listener.accept()
        except BlockingIOError:
            return number
        opened[taken.fileno()] = taken
        ready.register(taken, EPOLLIN)
        own = taken.getsockname()[0]
        if int(own.rpartition(".")[2]) % SAMPLED == 0:
            times.setdefault(own, []).append(time.monotonic())
    return _AT_ONCE
