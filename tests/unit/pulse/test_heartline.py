"""pulse's line to its heart, where the heart is one that a test plays (a real one: tests/router)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from lvs.pulse.heart.messages import Message
from lvs.pulse.heartline import HeartLine
from lvs.router.state import Role
from tests.unit.pulse.scripted_heart import heart
from tests.unit.pulse.world import NOBODY, play

TURNS = 12  # of the event loop, in which the line finds out that its heart has gone


class Pulse:
    """Has nothing to say but its settings."""

    async def take_role(self, role: Role, reason: str, soft: bool) -> tuple[str, ...]:
        return ()

    async def settings(self) -> Message:
        return {"say": "settings"}

    def condition(self) -> Message:
        return {"say": "condition"}

    def gossip(self) -> tuple[int, Message]:
        return 0, {"say": "gossip", "entries": []}

    def heard_gossip(self, entries: Collection[object]) -> None: ...

    def announce(self, reason: str) -> None: ...

    def event(self, level: str, text: str) -> None: ...


@pytest.mark.parametrize("turns", range(TURNS))
def test_a_line_that_is_to_end_does_so_even_while_its_heart_goes(tmp_path: Path, turns: int) -> None:
    async def story() -> None:
        line = HeartLine(tmp_path, Pulse(), lambda folder: NOBODY)
        async with heart(tmp_path) as scripted:
            task = asyncio.create_task(line.run())
            line.settle()
            await scripted.told("settings")
            scripted.close()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            ended, _ = await asyncio.wait([task], timeout=5)
            assert ended
            assert task.cancelled()

    play(story())
