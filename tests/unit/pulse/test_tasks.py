"""Tasks that go on after a fault of ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lvs.pulse.condition import condition
from lvs.pulse.events import Events
from lvs.pulse.heart.messages import Message
from lvs.pulse.keeping import Keeper
from lvs.pulse.kernel_work import KernelWork
from lvs.pulse.node import Locator
from lvs.pulse.running import understood
from lvs.pulse.tasks import CHECKS, DEATHS, WITHIN, Tasks, is_fatal
from lvs.router.state import Health
from tests.unit.pulse.world import World, lvs_cf, until


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


def test_checks_go_on_after_a_fault_that_ended_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = World(tmp_path)
        keeper = Keeper(
            work=KernelWork(world.kernel, world.ledger),
            locator=Locator("primary", lambda address: True, planning=False),
            state=tmp_path,
            probe=world.network,
            limit=1,
        )
        new = understood(lvs_cf(reals=("10.0.0.1", "10.0.0.2", "10.0.0.3")))
        broken = True

        def told(*_: object) -> None:
            nonlocal broken
            if broken:
                broken = False
                raise KeyError("oops")

        monkeypatch.setattr(keeper.checker, "_told", told)
        running = asyncio.create_task(Tasks(keeper.events).kept("the checks", keeper.checker.run))
        keeper.checker.watch(new.watched)
        await until(lambda: set(keeper.checker.health.values()) == {Health.HEALTHY})
        assert not broken
        asked = world.network.asked
        await until(lambda: all(asked.count(check.check.address) > 1 for check in new.watched.values()))
        running.cancel()
        await asyncio.wait([running])
        keeper.work.close()

    monkeypatch.setattr("lvs.pulse.tasks.AGAIN_SECONDS", 0)
    asyncio.run(story())


@pytest.mark.parametrize("hard_shutdown", [True, False])
def test_checks_that_die_again_and_again_make_a_router_unfit_unless_hard_shutdown_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_shutdown: bool
) -> None:
    running = understood(f"hard_shutdown = {int(hard_shutdown)}\n{lvs_cf()}")

    async def story() -> None:
        world = World(tmp_path)
        tasks = Tasks(Events(), is_fatal=lambda name: is_fatal(name, running.config))
        async with world.pulse() as pulse:

            def told() -> Message:
                return condition(
                    pulse.keeper,
                    running,
                    dying=tasks.unfit(),
                    file_problem=None,
                    missing_interfaces=lambda floating: (),
                )

            deaths = 0

            async def work() -> None:
                nonlocal deaths
                deaths += 1
                if deaths <= DEATHS:
                    raise KeyError("oops")
                await asyncio.Event().wait()

            assert told()["unfit"] == []
            dying = asyncio.create_task(tasks.kept(CHECKS, work))
            await until(lambda: deaths > DEATHS)
            (sentence,) = tasks.dying()
            assert told()["unfit"] == ([sentence] if hard_shutdown else [])
            assert ("manual action needed" in sentence) is not hard_shutdown
            dying.cancel()
            await asyncio.wait([dying])

    monkeypatch.setattr("lvs.pulse.tasks.AGAIN_SECONDS", 0)
    asyncio.run(story())


def test_what_else_dies_again_and_again_makes_a_router_unfit_whatever_hard_shutdown_says() -> None:
    off = understood("hard_shutdown = 0\n" + lvs_cf()).config
    assert is_fatal("keeping the kernel", off)
    assert is_fatal(CHECKS, None)
    assert not is_fatal(CHECKS, off)


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
