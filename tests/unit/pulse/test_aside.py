"""A router that an administrator has set aside: it says that it is not fit, until it is told otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.pulse import keys
from lvs.pulse.aside import LONGEST_WORDS, NAME, entry_of
from lvs.pulse.lvsd import Lvsd
from tests.unit.pulse.scripted_heart import ScriptedHeart, heart
from tests.unit.pulse.world import KEY, TWO, World, installed, lvs_cf, play, texts, until

ASIDE = "it is set aside by anna (new disk); piranha aside --end has it take part again"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    keys.save(tmp_path, [KEY])
    installed(made, lvs_cf(pair=TWO))
    return made


def beside(scripted: ScriptedHeart, role: str = "active", *, alive: bool = True, fit: bool = True) -> None:
    """What the heart says of the other router."""
    scripted.say("status", redundancy={"peer": {"alive": alive, "role": role, "fit": fit}, "alarms": []})


async def heard(lvsd: Lvsd) -> None:
    await until(lambda: lvsd.pair.line.status is not None)


def unfit(scripted: ScriptedHeart) -> list[str]:
    """What the heart was told last of why this router could not serve."""
    said = scripted.said("condition")
    return said[-1]["unfit"] if said else []


async def handing_over(scripted: ScriptedHeart, role: str) -> None:
    """Carries the next order out, after which this router has that role."""
    order = await scripted.told("order")
    scripted.say("role", role=role, reason="handed over", soft=False)
    await scripted.told("lowered" if role == "standby" else "raised", 1 if role == "standby" else 2)
    scripted.say("answer", id=order["id"], ok=True, message="done")


@asynccontextmanager
async def standby(world: World) -> AsyncIterator[tuple[ScriptedHeart, Lvsd]]:
    """A standby that hears the other router to be active, and fit."""
    async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
        await scripted.told("lowered")
        beside(scripted)
        await heard(lvsd)
        yield scripted, lvsd


async def set_aside(lvsd: Lvsd, **more: Any) -> dict[str, Any]:
    return await lvsd.pair.set_aside(**{"by": "anna", "reason": "new disk", "until": None, **more})


def test_a_standby_is_set_aside_at_once_and_takes_part_again_when_it_is_told(world: World) -> None:
    async def story() -> None:
        async with standby(world) as (scripted, lvsd):
            assert (await set_aside(lvsd))["message"] == "takes no part until it is told to"
            await until(lambda: unfit(scripted) == [ASIDE])
            assert scripted.said("order") == []
            found = (await lvsd.status())["aside"]
            assert found == {"by": "anna", "reason": "new disk", "at": world.wall, "until": None}
            assert (await lvsd.pair.take_part())["message"] == "takes part again"
            await until(lambda: unfit(scripted) == [])
            assert (await lvsd.status())["aside"] is None
            assert (await lvsd.pair.take_part())["message"] == "it was not set aside, and takes part"
        assert "set aside by anna: new disk" in texts(lvsd)

    play(story())


def test_the_active_router_hands_over_before_it_is_set_aside(world: World) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.answers = None
            asked = asyncio.create_task(handing_over(scripted, "standby"))
            outcome = await set_aside(lvsd, anyway=True)
            await asked
            assert outcome["message"].startswith("it has handed over, and takes no part")
            assert [one["order"] for one in scripted.said("order")] == ["hand over anyway"]
            await until(lambda: unfit(scripted) == [ASIDE])

    play(story())


def test_an_active_router_that_nobody_can_take_over_from_is_not_set_aside(world: World) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.answers = {"ok": False, "message": "The other router is not fit."}
            with pytest.raises(RouterError, match="not fit"):
                await set_aside(lvsd)
            assert (await lvsd.status())["aside"] is None
        assert not (world.state / NAME).exists()

    play(story())


def test_a_router_that_is_active_after_all_takes_part_and_says_so(world: World) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.answers = None
            asked = asyncio.create_task(handing_over(scripted, "active"))
            with pytest.raises(RouterError, match="is active by now, so it takes part"):
                await set_aside(lvsd)
            await asked
            assert (await lvsd.status())["aside"] is None
        assert json.loads((world.state / NAME).read_text())["aside"] is None

    play(story())


def test_a_disk_that_takes_nothing_keeps_nobody_from_having_it_serve(world: World) -> None:
    async def story() -> None:
        async with standby(world) as (scripted, lvsd):
            await set_aside(lvsd)
            (world.state / NAME).unlink()
            (world.state / NAME).mkdir()  # which no file can take the place of
            said = (await lvsd.pair.take_part())["message"]
            assert said.startswith("takes part again. This router takes part now, ")
            assert "not written down for pulse's next start: cannot " in said
            await until(lambda: unfit(scripted) == [])
            assert any("not written down" in one for one in (await lvsd.status())["problems"])
            said = (await set_aside(lvsd))["message"]
            assert "This router is set aside now, which is not written down" in said
            await lvsd.pair.take_over_by_force()
            assert (await lvsd.status())["aside"] is None
            assert [one["order"] for one in scripted.said("order")] == ["force"]
            (world.state / NAME).rmdir()
            await lvsd.pair.take_part()
            assert not any("written down" in one for one in (await lvsd.status())["problems"])

    play(story())


def test_that_its_time_is_over_is_said_once_and_holds_when_a_clock_is_behind_later(world: World) -> None:
    async def story() -> None:
        begun = world.wall
        async with standby(world) as (scripted, lvsd):
            await set_aside(lvsd, until=begun + 60)
            world.wall = begun + 60
            lvsd.pair.line.hurry()
            await until(lambda: json.loads((world.state / NAME).read_text())["aside"] is None)
        world.wall = begun
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("condition")
            assert unfit(scripted) == []
            assert not any("the time is over" in one for one in texts(lvsd))

    play(story())


def test_signs_that_nobody_sees_make_no_difference() -> None:
    entry = entry_of("anna\u202e", "neue\u00a0Platte \ud83d\n\x1b[2J", 1000.0, None)
    assert (entry.by, entry.reason) == ("anna", "neue\u00a0Platte    [2J")


@pytest.mark.parametrize(("role", "alive"), [("active", False), ("standby", True)])
def test_a_standby_that_may_be_needed_at_any_moment_is_not_set_aside(
    world: World, role: str, alive: bool
) -> None:
    async def story() -> None:
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            with pytest.raises(RouterError, match="may be needed at any moment"):
                await set_aside(lvsd)
            beside(scripted, role, alive=alive)
            await heard(lvsd)
            with pytest.raises(RouterError, match="may be needed at any moment"):
                await set_aside(lvsd)

    play(story())


def test_the_only_fit_router_is_not_set_aside_but_by_who_insists(world: World) -> None:
    async def story() -> None:
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            beside(scripted, fit=False)
            await heard(lvsd)
            with pytest.raises(RouterError, match="not fit, as its own status says"):
                await set_aside(lvsd)
            assert (await lvsd.status())["aside"] is None
            await set_aside(lvsd, anyway=True)
            assert (await lvsd.status())["aside"] is not None

    play(story())


def test_a_router_that_works_alone_is_not_set_aside(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        installed(world, lvs_cf())
        async with world.pulse() as lvsd:
            with pytest.raises(RouterError, match="There is no second router that would serve instead"):
                await set_aside(lvsd)

    play(story())


def test_it_is_kept_over_a_restart_until_its_time_is_over(world: World) -> None:
    async def story() -> None:
        async with standby(world) as (scripted, lvsd):
            said = await set_aside(lvsd, until=world.wall + 60)
            assert said["message"] == "takes no part until it is told to, or the time is over"
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await until(lambda: unfit(scripted) == [ASIDE])
            assert (await lvsd.status())["aside"]["until"] == world.wall + 60
            world.wall += 60
            lvsd.pair.line.hurry()
            await until(lambda: unfit(scripted) == [])
            assert "takes part again: the time is over for which anna has set it aside" in texts(lvsd)
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("condition")
            assert unfit(scripted) == []

    play(story())


def test_who_is_made_active_by_force_is_no_longer_set_aside(world: World) -> None:
    async def story() -> None:
        async with standby(world) as (scripted, lvsd):
            await set_aside(lvsd)
            await lvsd.pair.take_over_by_force()
            assert (await lvsd.status())["aside"] is None
            assert [one["order"] for one in scripted.said("order")] == ["force"]

    play(story())


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"version": 2, "aside": null}',
        '{"version": 1}',
        '{"version": 1, "aside": {"by": 1, "reason": "", "at": 1, "until": null}}',
        '{"version": 1, "aside": {"by": "anna", "reason": "", "at": NaN, "until": null}}',
        f'{{"version": 1, "aside": {{"by": "anna", "reason": "", "at": 1{"0" * 400}, "until": null}}}}',
    ],
)
def test_a_file_that_cannot_be_understood_sets_nothing_aside_and_is_said(world: World, text: str) -> None:
    async def story() -> None:
        (world.state / NAME).write_text(text)
        (world.state / NAME).chmod(0o600)
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("condition")
            assert unfit(scripted) == []
            assert any("set aside cannot be read" in one for one in (await lvsd.status())["problems"])
            await lvsd.pair.take_part()
            assert not any("set aside" in one for one in (await lvsd.status())["problems"])
        assert json.loads((world.state / NAME).read_text()) == {"version": 1, "aside": None}

    play(story())


@pytest.mark.parametrize(
    ("by", "reason", "until"),
    [("anna", "x" * (LONGEST_WORDS + 1), None), ("anna", "", 1000.0)],
)
def test_what_makes_no_sense_is_refused(by: str, reason: str, until: float | None) -> None:
    with pytest.raises(RouterError):
        entry_of(by, reason, 1000.0, until)
