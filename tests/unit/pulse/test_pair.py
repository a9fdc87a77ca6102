"""pulse and its heart: when there is one, how it ends, what is asked of it and what it says."""

from __future__ import annotations

import asyncio
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvs.errors import RouterError
from lvs.pulse import keys, pair, terminal
from lvs.pulse.heart.messages import VERSION
from lvs.router.memory import MemoryKernel
from lvs.router.state import InterfaceAddress, Part, Role, Verb
from tests.unit.pulse.scripted_heart import ScriptedHeart, heart
from tests.unit.pulse.world import (
    BACKUP,
    KEY,
    PRIMARY,
    TWO,
    World,
    changes,
    installed,
    lvs_cf,
    play,
    texts,
    until,
)

FLOATING = InterfaceAddress(ip_address("192.0.2.80"), 32, "eth0", "eth0:1")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    keys.save(tmp_path, [KEY])
    return made


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


def test_a_key_of_another_manager_is_held_beside_the_one_of_before_until_it_comes_again(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        world = World(tmp_path, MemoryKernel(schedulers={"wlc"}))
        other = bytes(32)
        async with heart(world.state, "standby"), world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, pair=TWO), keys=[KEY])
            with pytest.raises(RouterError):
                await lvsd.install(lvs_cf(2, pair=TWO, scheduler="mh"), keys=[other])
            assert keys.load(tmp_path) == (KEY,)
            await lvsd.install(lvs_cf(2, pair=TWO), keys=[other])
            assert keys.load(tmp_path) == (other, KEY)
            await lvsd.install(lvs_cf(3, pair=TWO), keys=[other])
            assert keys.load(tmp_path) == (other,)

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


def test_an_order_to_a_heart_that_does_not_answer_ends_in_time_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO.replace("deadtime = 0.3", "deadtime = 60")))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.answers = None
            for order in (partial(lvsd.pair.hand_over, anyway=False), lvsd.pair.take_over_by_force):
                with pytest.raises(
                    RouterError, match=r"was not carried out within 0\.1 s\. Look at the state"
                ):
                    await order()
            assert world.kernel.addresses == {FLOATING}

    monkeypatch.setattr("lvs.pulse.pair.LONGEST_ORDER", 0.1)
    play(story())


def test_the_longest_order_ends_before_who_asked_for_it_has_gone() -> None:
    assert pair.LONGEST_ORDER < terminal.SWITCH_SECONDS


def test_where_no_heart_runs_an_order_and_the_end_come_at_once(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.close()
            await until(lambda: not lvsd.pair.line.is_open)
            for order in (partial(lvsd.pair.hand_over, anyway=False), lvsd.pair.take_over_by_force):
                with pytest.raises(RouterError, match=r"does not run at the moment\. Try again"):
                    await order()
            async with asyncio.timeout(pair.STOP_SECONDS):
                await lvsd.pair.stop()
            assert world.kernel.addresses == {FLOATING}
            assert any("the kernel goes on balancing: The heart" in text for text in texts(lvsd))

    play(story())


def test_the_end_waits_only_so_long_for_a_heart_that_neither_answers_nor_leaves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.answers, scripted.leaves = None, False
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await lvsd.pair.stop()
            assert (
                loop.time() - begun < 0.1 + 0.3 + 0.1 + 5
            )  # the dead time, the margin, the heart's end; slack
            assert world.kernel.addresses == {FLOATING}
            assert any("“stop” was not carried out within 0.4 s" in text for text in texts(lvsd))

    monkeypatch.setattr("lvs.pulse.pair.STOP_SECONDS", 0.1)
    monkeypatch.setattr("lvs.pulse.pair.STOP_MARGIN", 0.1)
    monkeypatch.setattr("lvs.pulse.heartline.ENDING", 0.1)
    play(story())


def test_a_bad_file_at_the_start_of_one_of_two_moves_nothing_and_starts_no_heart(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
        written = len(world.kernel.written)
        world.installation.path.write_text("scheduler\n")
        async with world.pulse() as lvsd:
            await lvsd.keeper.ready.wait()
            lvsd.keeper.wake(whole=True)
            problems = (await lvsd.status())["problems"]
            assert "is not valid, so the kernel is left as it is" in problems[0]
            with pytest.raises(RouterError, match="is not valid"):
                await lvsd.pair.hand_over(anyway=False)
            await lvsd.pair.stop()
            assert (len(world.kernel.written), world.hearts_started) == (written, 0)
            assert world.kernel.addresses == {FLOATING}

    play(story())


def test_one_of_two_whose_bad_file_is_corrected_asks_its_heart_and_keeps_what_it_holds(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
        written = len(world.kernel.written)
        world.installation.path.write_text("scheduler\n")
        async with heart(world.state) as scripted, world.pulse() as lvsd:
            assert scripted.connections == 0  # it is pulse's absence that has the heart hand over, if it can
            world.installation.path.write_text(lvs_cf(pair=TWO))
            await lvsd.reread()
            assert (await scripted.told("settings"))["held"] is True
            scripted.say("role", role="active", reason="as before", soft=False)
            await scripted.told("raised")
            assert len(world.kernel.written) == written

    play(story())


def test_a_backup_that_is_marked_inactive_says_that_it_stays_standby(world: World) -> None:
    inactive = f"backup_active = 0\nbackup = {BACKUP}\n"

    async def story() -> None:
        world.local = {BACKUP}
        async with world.pulse() as lvsd:
            for serial in (1, 2):
                await lvsd.install(lvs_cf(serial, pair=inactive))
            found = await lvsd.status()
            assert (found["node"], found["role"]) == ("backup", "standby")
            (problem,) = found["problems"]
            assert problem.startswith("We are backup node and backup is marked inactive")
            assert texts(lvsd).count(problem) == 1
            with pytest.raises(RouterError, match="marked inactive"):
                await lvsd.pair.take_over_by_force()
        world.local = {PRIMARY}
        async with world.pulse() as lvsd:
            assert (await lvsd.status())["problems"] == []

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
            await scripted.told("settings")
            assert scripted.said("settings")[0]["forced"] is True
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
