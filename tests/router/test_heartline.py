"""pulse's line to a real heart: started, taken up, ended; both routers' addresses are on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from lvs.errors import RouterError
from lvs.pulse import heartline
from lvs.pulse.election.failover import Order
from lvs.pulse.heart.messages import Message
from lvs.pulse.heartline import HeartLine
from lvs.router.state import Role
from tests.unit.pulse.world import KEY

PORT = 20539


class Pulse:
    """Takes up every role at once."""

    def __init__(self) -> None:
        self.roles: list[Role] = []
        self.held = False
        self.events: list[str] = []

    async def take_role(self, role: Role, reason: str, soft: bool) -> tuple[str, ...]:
        self.roles.append(role)
        self.held = role is Role.ACTIVE
        return ()

    async def settings(self) -> Message | None:
        return {
            "say": "settings",
            "node": "primary",
            "name": "r1",
            "links": {"public": {"own": "127.0.0.1", "peer": "127.0.0.2"}},
            "port": PORT,
            "keepalive": 0.05,
            "deadtime": 0.2,
            "keys": [KEY.hex()],
            "watched": [],
            "monitor_links": False,
            "addresses": [],
            "held": self.held,
            "forced": False,
        }

    def condition(self) -> Message:
        return {"say": "condition", "unfit": [], "serial": 1, "sha256": None, "healthy": 0, "total": 0}

    def gossip(self) -> tuple[int, Message]:
        return 0, {"say": "gossip", "entries": []}

    def heard_gossip(self, entries: Collection[object]) -> None:
        self.events.append(f"heard of {len(entries)}")

    def announce(self, reason: str) -> None:
        self.events.append(reason)

    def event(self, level: str, text: str) -> None:
        self.events.append(text)


@asynccontextmanager
async def line(
    folder: Path, pulse: Pulse, start: Callable[[Path], int] | None = None
) -> AsyncIterator[HeartLine]:
    made = HeartLine(folder, pulse, start)
    tasks = [asyncio.create_task(made.run()), asyncio.create_task(made.follow())]
    made.settle()
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


def test_a_heart_is_started_serves_and_leaves(tmp_path: Path) -> None:
    async def story() -> None:
        pulse = Pulse()
        async with line(tmp_path, pulse) as heart:
            await until(lambda: pulse.roles[-1:] == [Role.ACTIVE])
            pid = heart.pid
            assert pid is not None
            assert os.getsid(pid) == pid
            await until(lambda: heart.status is not None)
            assert heart.status is not None
            assert heart.status["role"] == "active"
            await heart.leave()
            await until(lambda: not lives(pid))

    asyncio.run(story())


def test_a_heart_that_never_listens_is_ended_before_another_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartline, "STARTING", 0.1)
    started: list[int] = []

    def start(_folder: Path) -> int:
        assert not any(lives(pid) for pid in started)
        sleeper = ["sleep", "60"]
        started.append(os.posix_spawnp(sleeper[0], sleeper, os.environ))
        return started[-1]

    async def story() -> None:
        async with line(tmp_path, Pulse(), start):
            await until(lambda: len(started) > 2)

    asyncio.run(story())
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_heart_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async def story() -> None:
        pulse = Pulse()
        async with line(tmp_path, pulse) as heart:
            await until(lambda: pulse.roles[-1:] == [Role.ACTIVE])
            first = heart.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda: heart.pid not in (None, first) and heart.is_open)
            await until(lambda: pulse.roles[-2:] == [Role.ACTIVE, Role.ACTIVE])
            await heart.leave()

    asyncio.run(story())


def test_a_heart_outlives_pulse_and_is_taken_up_by_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        pulse = Pulse()
        async with line(tmp_path, pulse) as heart:
            await until(lambda: pulse.roles[-1:] == [Role.ACTIVE])
            pid = heart.pid
        async with line(tmp_path, pulse) as heart:
            await until(lambda: heart.is_open)
            assert heart.pid == pid
            with pytest.raises(RouterError):  # there is nobody
                await heart.order(Order.HAND_OVER, 5)
            await heart.leave()

    asyncio.run(story())
