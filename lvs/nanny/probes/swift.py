"""Talks by the thousand, without a coroutine each.

The theory. A task, a timeout and a future for each check cost several times what the kernel needs for the
connection. Here a check under way is one small object (`Talk`), and what is done for it is done in one
callback of the event loop, however many are ready: one epoll descriptor watches all sockets, and is itself
watched by the event loop.

A socket is watched for one event at a time (EPOLLONESHOT), and taken out before it is closed if that event
never came: so no event of an old socket is taken for one of a new socket with the same number, not even while
a process that is being started still shares it. Talks with the same limit end it in the order in which they
began; so a queue for each limit, and one timer, are enough.

Time in which this process was held up is not held against the real servers: before a limit ends anything, all
that is ready is seen to, and where that happens late, what was begun gets as much time again, once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from select import EPOLLONESHOT, epoll
from types import TracebackType
from typing import Self

from lvs.nanny.checks import Check, Kind
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding, Record, explain
from lvs.nanny.probes.talk import Talk

log = logging.getLogger(__name__)

_AT_ONCE = 100  # ready sockets that are seen to before the event loop gets its turn
_HELD_UP = 0.1  # seconds after its time that a timer comes, where this process was held up
_MOST_GRACE = 1.0  # seconds
_KINDS = (Kind.CONNECT, Kind.EXCHANGE)


def talk_of(check: Check, record: Record = NOTHING_KEPT) -> Talk | None:
    """What carries check out; None for kinds that need more than connecting, sending and reading."""
    return Talk(check, record) if check.kind in _KINDS else None


async def once(check: Check, record: Record) -> Finding:
    """Carry a check of these kinds out, by itself."""
    found: asyncio.Future[Finding] = asyncio.get_running_loop().create_future()
    with Swift() as swift:
        swift.begin(Talk(check, record), found.set_result)
        return await found


def fault(error: Exception) -> Finding:
    """What a fault of ours is for the check that it is in; the others go on."""
    return Finding(False, f"check failed unexpectedly: {type(error).__name__}: {error}")


class Swift:
    """Carries talks out, in the running event loop. Use as a context; leaving it drops what has not ended."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = epoll()
        self._talks: dict[int, Talk] = {}  # by descriptor
        self._limits: dict[float, deque[tuple[float, int, Talk]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when that was to come
        self._gave_grace = False

    def __enter__(self) -> Self:
        self._loop.add_reader(self._epoll.fileno(), self._ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        if self._timer is not None:
            self._timer.cancel()
        for talk in self._talks.values():
            talk.close()
        self._talks.clear()
        self._epoll.close()

    def begin(self, talk: Talk, ended: Callable[[Finding], None]) -> None:
        """Begin talk; ended(finding) is called at its end, within its limit, and after this has returned."""
        try:
            descriptor = talk.begin()
        except OSError as error:
            self._loop.call_soon(self._tell, ended, explain("connect", error))
            return
        limit = talk.check.timeout
        talk.ended = ended
        talk.deadline = deadline = time.monotonic() + limit
        self._talks[descriptor] = talk
        self._epoll.register(descriptor, talk.awaits | EPOLLONESHOT)
        queue = self._limits.get(limit)
        if queue is None:
            queue = self._limits[limit] = deque()
        queue.append((deadline, descriptor, talk))
        if self._timer is None or deadline < self._due:
            self._set_timer(deadline)

    def _ready(self) -> bool:
        """See to some of what is ready; whether there was any."""
        found = self._epoll.poll(0, _AT_ONCE)
        for descriptor, events in found:
            talk = self._talks.get(descriptor)
            if talk is None:  # dropped by what was called for one before it
                continue
            try:
                finding = talk.advance(events)
            except Exception as error:
                log.exception("the check of %s ended in an unexpected error", talk.check)
                finding = fault(error)
            if finding is None:
                self._epoll.modify(descriptor, talk.awaits | EPOLLONESHOT)
            else:
                self._end(descriptor, talk, finding)
        return bool(found)

    def _end(self, descriptor: int, talk: Talk, finding: Finding) -> None:
        ended = talk.ended
        del self._talks[descriptor]
        talk.close()
        if ended is not None:
            ended(finding)

    def _tell(self, ended: Callable[[Finding], None], finding: Finding) -> None:
        if not self._epoll.closed:
            ended(finding)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = when
        self._timer = self._loop.call_at(when, self._look_at_limits)

    def _look_at_limits(self) -> None:
        """End what had its time, and forget what ended before."""
        self._timer = None
        late = time.monotonic() - self._due
        if late > _HELD_UP and not self._gave_grace:
            while self._ready():
                pass
            self._gave_grace = True
            self._set_timer(time.monotonic() + min(late, _MOST_GRACE))
            return
        self._gave_grace = False
        now = time.monotonic()
        for queue in tuple(self._limits.values()):
            while queue:
                deadline, descriptor, talk = queue[0]
                is_past = talk.ended is None or talk.deadline != deadline
                if not is_past and deadline > now:
                    break
                queue.popleft()
                if not is_past:
                    self._epoll.unregister(descriptor)
                    self._end(descriptor, talk, talk.too_late())
        self._limits = {limit: queue for limit, queue in self._limits.items() if queue}
        if self._limits:
            self._set_timer(min(queue[0][0] for queue in self._limits.values()))
