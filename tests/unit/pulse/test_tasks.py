"""Tasks that go on after a fault of ours."""

from __future__ import annotations

import asyncio

import pytest

from lvs.pulse.events import Events
from lvs.pulse.tasks import DEATHS, WITHIN, Tasks
from tests.unit.pulse.world import until


def test_what_dies_is_started_again_and_what_dies_again_and_again_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun <= DEATHS:
            raise KeyError("oops")
        await asyncio.Event().wait()

    async def story() -> None:
        nonlocal now
        events = Events()
        tasks = Tasks(events, lambda: now)
        running = asyncio.create_task(tasks.kept("the checks", work))
        await until(lambda: begun > DEATHS)
        assert tasks.dying() == (
            f"the checks ended unexpectedly {DEATHS} times within {WITHIN:g} s; see pulse's log",
        )
        assert [event.text for event in events] == [
            "the checks ended unexpectedly and will be started again: KeyError: 'oops'"
        ] * DEATHS
        now += WITHIN
        assert tasks.dying() == ()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()

    monkeypatch.setattr("lvs.pulse.tasks.AGAIN_SECONDS", 0)
    asyncio.run(story())


def test_one_death_makes_no_router_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        tasks = Tasks(Events())
        died = asyncio.Event()

        async def work() -> None:
            if died.is_set():
                await asyncio.Event().wait()
            died.set()
            raise RuntimeError("once")

        running = asyncio.create_task(tasks.kept("announcing", work))
        await died.wait()
        assert tasks.dying() == ()
        running.cancel()
        await asyncio.wait([running])

    monkeypatch.setattr("lvs.pulse.tasks.AGAIN_SECONDS", 0)
    asyncio.run(story())
