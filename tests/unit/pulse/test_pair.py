"""pulse and its heart: when there is one, how it ends, what is asked of it and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.pulse import keys
from lvs.pulse.heart_wire import VERSION
from lvs.pulse.lvsd import Lvsd
from lvs.router.memory import MemoryKernel
from lvs.router.state import InterfaceAddress, Part, Role, Verb
from tests.unit.pulse.scripted_heart import ScriptedHeart, heart
from tests.unit.pulse.world import KEY, TWO, World, lvs_cf, until

FLOATING = InterfaceAddress(ip_address("192.0.2.80"), 32, "eth0", "eth0:1")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    keys.save(tmp_path, [KEY])
    return made


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def installed(world: World, text: str) -> None:
    world.installation.install(text)


def changes(world: World, part: Part) -> list[tuple[Verb, InterfaceAddress | None]]:
    return [(change.verb, change.address) for change in world.kernel.written if change.part is part]


def texts(lvsd: Lvsd) -> list[str]:
    return [event.text for event in lvsd.keeper.events]


def test_without_a_key_the_primary_is_active_and_says_what_to_do(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        installed(world, lvs_cf(pair=TWO))
        async with world.pulse() as lvsd:
            assert world.kernel.addresses == {FLOATING}
            found = await lvsd.status()
            assert found["problems"][0].startswith(
                "no cluster key: there is no cluster.key, apply a revision"
            )
            assert found["redundancy"] is None
            with pytest.raises(RouterError, match="no cluster key"):
                await lvsd.pair.hand_over(anyway=False)
        assert world.hearts_started == 0

    play(story())


def test_a_key_that_others_can_read_is_not_used(world: World) -> None:
    async def story() -> None:
        (world.folder / keys.NAME).chmod(0o644)
        installed(world, lvs_cf(pair=TWO))
        async with world.pulse() as lvsd:
            assert "is open to others" in (await lvsd.status())["problems"][0]

    play(story())


def test_an_install_brings_the_keys_and_one_that_fails_takes_them_back(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, MemoryKernel(schedulers={"wlc"}))
        new = bytes(32)
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, pair=TWO), keys=[KEY])
            assert keys.load(tmp_path) == (KEY,)
            assert (await scripted.told("settings"))["keys"] == [KEY.hex()]
            with pytest.raises(RouterError):
                await lvsd.install(lvs_cf(2, pair=TWO, scheduler="mh"), keys=[new, KEY])
            assert keys.load(tmp_path) == (KEY,)
            await lvsd.install(lvs_cf(1, pair=TWO), keys=[new, KEY])
            await until(lambda: scripted.said("settings")[-1]["keys"] == [new.hex(), KEY.hex()])

    play(story())


def test_a_heart_that_dies_is_started_again_and_hears_what_is_held(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as first, world.pulse() as lvsd:
            await first.told("raised")
            first.close()
            await until(lambda: world.hearts_started > 0)
            assert any(
                "The heart of this router does not run" in one for one in (await lvsd.status())["problems"]
            )
            async with heart(world.state, "active") as second:
                assert (await second.told("settings"))["held"] is True
                await second.told("raised")
                assert (await lvsd.status())["problems"] == []
            assert changes(world, Part.ADDRESS) == [(Verb.ADD, FLOATING), (Verb.ANNOUNCE, FLOATING)]

    play(story())


def test_a_heart_of_another_version_is_told_to_leave(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, version=VERSION + 1) as old, world.pulse():
            await old.told("leave")
            assert old.said("settings") == []
            old.close()
            async with heart(world.state, "standby") as new:
                await new.told("settings")

    play(story())


def test_the_heart_has_the_addresses_announced_again(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            world.kernel.announced.clear()
            scripted.say("announce", reason="partner active: resending arps")
            await until(lambda: world.kernel.announced == [FLOATING])
            assert any("partner active: resending arps" in text for text in texts(lvsd))

    play(story())


def test_orders_are_the_hearts_to_carry_out_or_refuse(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            assert await lvsd.pair.hand_over(anyway=False) == {"role": "active", "message": "done"}
            await lvsd.pair.hand_over(anyway=True)
            await lvsd.pair.take_over_by_force()
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered")
            scripted.answers = {"ok": False, "message": "The other router runs serial 7."}
            with pytest.raises(RouterError, match="serial 7"):
                await lvsd.pair.hand_over(anyway=False)
            orders = [message["order"] for message in scripted.said("order")]
            assert orders == ["hand over", "hand over anyway", "force", "take"]
            scripted.answers = None
            asked = asyncio.create_task(lvsd.pair.take_over_by_force())
            await scripted.told("order", 5)
            scripted.close()
            with pytest.raises(RouterError, match="ended meanwhile"):
                await asked

    play(story())


def test_a_router_that_is_alone_has_nobody_to_hand_over_to(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            with pytest.raises(RouterError, match="no second router"):
                await lvsd.pair.hand_over(anyway=False)

    play(story())


def test_at_the_end_the_role_is_handed_over_and_the_heart_leaves(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.answers = None
            stopping = asyncio.create_task(lvsd.pair.stop())
            order = await scripted.told("order")
            assert order["order"] == "stop"
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered")
            scripted.say("answer", id=order["id"], ok=True, message="the other router is active")
            await stopping
            await scripted.told("leave")
            assert world.kernel.addresses == set()

    play(story())


def test_at_the_end_nothing_changes_where_nobody_can_take_over(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.answers = {"ok": False, "message": "the other router is not heard"}
            await lvsd.pair.stop()
            await scripted.told("leave")
            assert world.kernel.addresses == {FLOATING}
            assert "stopping: the kernel goes on balancing: the other router is not heard" in texts(lvsd)

    play(story())


def test_the_status_has_what_the_heart_says_of_the_pair(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            said = {"stage": "active", "alarms": ["No heartbeat on the private link."], "heart": None}
            scripted.say("status", redundancy=said)
            scripted.say("event", level="warning", text="a link is silent")
            await until(lambda: "a link is silent" in texts(lvsd))
            found = await lvsd.status()
            assert found["redundancy"]["stage"] == "active"
            assert found["redundancy"]["heart"]["alive"] is True
            assert found["problems"] == ["No heartbeat on the private link."]
            assert (found["sync"], found["unconfirmed"]) == ([], None)

    play(story())


def test_an_administrator_may_have_it_active_at_the_start(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state) as scripted, world.pulse(forced=True):
            assert (await scripted.told("settings"))["forced"] is True
            scripted.close()
            async with heart(world.state) as second:
                assert (await second.told("settings"))["forced"] is False

    play(story())


def test_keys_that_vanish_do_not_make_both_routers_act_alone(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            (world.folder / keys.NAME).unlink()
            await lvsd.reread()
            assert lvsd.keeper.role is Role.STANDBY
            assert any("cluster.key is gone" in text for text in texts(lvsd))

    play(story())


def test_a_heart_that_does_not_say_hello_leaves_the_role_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        silent = ScriptedHeart()
        monkeypatch.setattr(silent, "say", lambda *_, **__: None)
        killed: list[int] = []
        monkeypatch.setattr("lvs.pulse.heartline.os.kill", lambda pid, number: killed.append(pid))
        await silent.open(world.state)
        async with world.pulse() as lvsd:
            await until(lambda: bool(killed))
            assert lvsd.keeper.role is Role.STANDBY
            silent.close()

    monkeypatch.setattr("lvs.pulse.heartline.GREETING", 0.05)
    play(story())


def test_planning_mode_has_no_heart(tmp_path: Path) -> None:
    world = World(tmp_path)
    keys.save(tmp_path, [KEY])

    async def story() -> None:
        async with world.pulse() as lvsd:
            lvsd.pair._planning = True
            await lvsd.install(lvs_cf(pair=TWO))
            assert lvsd.keeper.assigned is None
            assert world.kernel.addresses == {FLOATING}
        assert world.hearts_started == 0

    play(story())
