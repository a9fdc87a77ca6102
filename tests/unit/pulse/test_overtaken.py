"""Roles that overtake each other, and all else that works on the kernel, while the kernel is slow."""

from __future__ import annotations

import asyncio
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvs.pulse import keys
from lvs.router.state import InterfaceAddress, Role
from tests.unit.pulse.scripted_heart import heart
from tests.unit.pulse.slow_kernel import SlowKernel, at, heard
from tests.unit.pulse.world import KEY, TWO, World, lvs_cf, play, until

FLOATING = InterfaceAddress(ip_address("192.0.2.80"), 32, "eth0", "eth0:1")
LATER = 3600.0  # seconds: not in this test


@pytest.fixture
def kernel() -> SlowKernel:
    return SlowKernel()


@pytest.fixture
def world(tmp_path: Path, kernel: SlowKernel) -> World:
    made = World(tmp_path, kernel)
    keys.save(tmp_path, [KEY])
    made.installation.install(lvs_cf(pair=TWO))
    return made


def test_what_the_heart_took_down_is_not_put_back_once_it_has_said_standby(
    world: World, kernel: SlowKernel
) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            await at(kernel.reading, partial(lvsd.keeper.wake, whole=True))
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await heard(scripted, lvsd)
            kernel.addresses.clear()  # as the heart does when pulse does not answer in time
            kernel.reading.open()
            await scripted.told("lowered")
            assert kernel.raised == [FLOATING]
            assert kernel.addresses == set()

    play(story())


def test_a_takeover_that_is_under_way_stops_before_it_raises_an_address(
    world: World, kernel: SlowKernel
) -> None:
    async def story() -> None:
        world.installation.install(lvs_cf(pair=TWO + "syncdaemon = 1\nsyncd_iface = eth0\n"))
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            active = partial(scripted.say, "role", role="active", reason="partner dead", soft=False)
            await at(kernel.changing, active)
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await heard(scripted, lvsd)
            kernel.changing.open()
            await scripted.told("lowered", 2)
            assert kernel.raised == []
            assert scripted.said("raised") == []
            assert Role.ACTIVE not in world.entered
            scripted.say("role", role="active", reason="partner dead", soft=False)
            assert (await scripted.told("raised"))["problems"] == []
            assert kernel.addresses == {FLOATING}

    play(story())


def test_of_roles_that_wait_only_the_newest_is_taken_up_and_answered(
    world: World, kernel: SlowKernel
) -> None:
    async def story() -> None:
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            async with lvsd.keeper.changing:
                for reason in ("the first time", "the second time"):
                    scripted.say("role", role="active", reason=f"partner dead, {reason}", soft=False)
                    scripted.say("role", role="standby", reason=f"partner active, {reason}", soft=False)
                await heard(scripted, lvsd)
            await scripted.told("lowered", 2)
            await heard(scripted, lvsd, times=2)
            assert (scripted.said("raised"), kernel.raised) == ([], [])
            async with lvsd.keeper.changing:
                scripted.say("role", role="standby", reason="partner active", soft=False)
                scripted.say("role", role="active", reason="partner dead", soft=False)
                await heard(scripted, lvsd, times=3)
            assert (await scripted.told("raised"))["problems"] == []
            assert kernel.addresses == {FLOATING}

    play(story())


def test_an_active_role_of_a_heart_that_has_gone_does_not_hide_the_standby_before_it(
    world: World, kernel: SlowKernel
) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            async with lvsd.keeper.changing:
                scripted.say("role", role="active", reason="said again", soft=False)
                await heard(scripted, lvsd)  # and waits for its turn at the kernel, before the next two
                scripted.say("role", role="standby", reason="partner active", soft=False)
                scripted.say("role", role="active", reason="partner dead", soft=False)
                await heard(scripted, lvsd, times=2)
                scripted.close()
                await until(lambda: not lvsd.pair.line.is_open)
            await until(lambda: kernel.addresses == set())
            assert lvsd.keeper.role is Role.STANDBY

    play(story())


def test_a_role_said_again_is_looked_after_in_the_kernel(world: World, kernel: SlowKernel) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
            kernel.addresses.clear()  # by the heart, of whose standby pulse has read nothing
            scripted.say("role", role="active", reason="partner dead", soft=False)
            await scripted.told("raised", 2)
            assert kernel.addresses == {FLOATING}

    play(story())


def test_a_standby_goes_before_everything_else_that_waits_for_the_kernel(
    world: World, kernel: SlowKernel
) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            kernel.reading.shut()
            async with lvsd.keeper.changing:
                lvsd.keeper.wake(whole=True)
                await until(lambda: bool(lvsd.keeper.changing._waiters))
                scripted.say("role", role="standby", reason="partner active", soft=False)
                await heard(scripted, lvsd)
            await scripted.told("lowered")
            await until(lambda: kernel.reading.waiting)
            kernel.reading.open()

    play(story())


def test_everything_is_looked_at_only_when_the_role_has_stayed_for_a_moment(
    world: World, kernel: SlowKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            looked = kernel.reading.passed
            monkeypatch.setattr("lvs.pulse.keeping.QUIET_SECONDS", 0.3)
            begun = asyncio.get_running_loop().time()
            for role, answer, times in (("active", "raised", 1), ("standby", "lowered", 2)):
                scripted.say("role", role=role, reason="as told", soft=False)
                await scripted.told(answer, times)
            last = asyncio.get_running_loop().time()
            assert kernel.reading.passed == looked or last - begun > 0.3
            await until(lambda: kernel.reading.passed > looked)
            assert asyncio.get_running_loop().time() - begun >= 0.3
            assert lvsd.keeper.role is Role.STANDBY

    monkeypatch.setattr("lvs.pulse.keeping.QUIET_SECONDS", LATER)
    play(story())


def test_an_announcement_that_waited_is_not_made_for_addresses_of_the_other_router(
    world: World, kernel: SlowKernel
) -> None:
    async def story() -> None:
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            await at(kernel.reading, partial(lvsd.keeper.wake, whole=True))
            lvsd.keeper.announcer.again()
            await until(lambda: lvsd.keeper.work._worker._work_queue.qsize() > 0)
            announced = len(kernel.announced)
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await heard(scripted, lvsd)
            kernel.reading.open()
            await scripted.told("lowered")
            assert len(kernel.announced) == announced

    play(story())


def test_a_takeover_does_not_wait_for_somebody_who_looks_at_a_large_table(
    world: World, kernel: SlowKernel
) -> None:
    async def story() -> None:
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            kernel.looking.shut()
            status = asyncio.create_task(lvsd.status())
            await until(lambda: kernel.looking.waiting)
            scripted.say("role", role="active", reason="partner dead", soft=False)
            await scripted.told("raised")
            assert not status.done()
            kernel.looking.open()
            assert (await status)["role"] == "active"

    play(story())
