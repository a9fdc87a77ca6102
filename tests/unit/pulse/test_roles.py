"""What pulse makes of the roles that its heart gives, over a kernel in memory and with a scripted heart."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.config.model import Address
from lvs.errors import RouterError
from lvs.nanny.hand import Order
from lvs.pulse import heartline, keys
from lvs.router.memory import MemoryKernel
from lvs.router.state import InterfaceAddress, Part, Role, SyncState, Verb
from tests.unit.pulse.scripted_heart import heart
from tests.unit.pulse.world import (
    ALONE,
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
SECOND = """virtual more {
  active = 1
  address = 192.0.2.81 eth0:2
  vip_nmask = 255.255.255.255
  port = 80
  protocol = tcp
  server s9 {
    address = 10.0.0.9
    active = 1
    weight = 1
  }
}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    keys.save(tmp_path, [KEY])
    return made


def test_one_of_two_stands_by_until_its_heart_says_otherwise(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            assert world.kernel.addresses == set()
            assert len(world.kernel.services) == 1
            settings = await scripted.told("settings")
            assert (settings["node"], settings["held"], settings["forced"]) == ("primary", False, False)
            assert settings["links"] == {
                "public": {"own": str(PRIMARY), "peer": str(BACKUP)},
                "private": {"own": "10.0.0.101", "peer": "10.0.0.102"},
            }
            assert (settings["keepalive"], settings["deadtime"], settings["port"]) == (0.1, 0.3, 539)
            assert settings["keys"] == [KEY.hex()]
            assert settings["watched"] == ["eth0"]
            assert settings["addresses"] == [
                {"address": "192.0.2.80", "prefix": 32, "interface": "eth0", "label": "eth0:1"}
            ]
            scripted.say("role", role="active", reason="partner dead: activating lvs", soft=False)
            assert (await scripted.told("raised"))["problems"] == []
            assert world.kernel.addresses == {FLOATING}
            assert world.kernel.announced == [FLOATING]
            found = await lvsd.status()
            assert found["role"] == "active"
            assert any("partner dead: activating lvs" in text for text in texts(lvsd))
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered", 2)
            assert world.kernel.addresses == set()
            assert len(world.kernel.services) == 1
            assert world.entered == [Role.STANDBY, Role.ACTIVE, Role.STANDBY]

    play(story())


def test_what_is_held_at_the_start_stays_until_the_heart_has_spoken(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active"), world.pulse():
            await until(lambda: world.kernel.addresses == {FLOATING})
        written = len(world.kernel.written)
        async with heart(world.state) as scripted, world.pulse() as lvsd:
            assert (await scripted.told("settings"))["held"] is True
            await until(lambda: lvsd.keeper.ready.is_set())
            assert len(world.kernel.written) == written
            scripted.say("role", role="active", reason="as before", soft=False)
            await scripted.told("raised")
            assert len(world.kernel.written) == written
            assert world.entered[-1] is Role.ACTIVE
            assert world.entered.count(Role.ACTIVE) == 1

    play(story())


def test_while_the_role_is_in_doubt_no_address_is_raised(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO) + SECOND)
        async with heart(world.state, "active"), world.pulse():
            await until(lambda: len(world.kernel.addresses) == 2)
        world.kernel.addresses.discard(FLOATING)
        async with heart(world.state) as scripted, world.pulse() as lvsd:
            await until(lambda: lvsd.keeper.ready.is_set())
            assert FLOATING not in world.kernel.addresses
            scripted.say("role", role="active", reason="as before", soft=False)
            await until(lambda: len(world.kernel.addresses) == 2)

    play(story())


def test_a_start_that_holds_too_little_takes_down_the_rest(world: World) -> None:
    async def story() -> None:
        text = lvs_cf(pair=TWO) + SECOND + SECOND.replace("more", "most").replace("0.2.81", "0.2.82")
        installed(world, text)
        async with heart(world.state, "active"), world.pulse():
            await until(lambda: len(world.kernel.addresses) == 3)
        world.kernel.addresses -= {each for each in world.kernel.addresses if each != FLOATING}
        async with heart(world.state), world.pulse():
            assert world.kernel.addresses == set()

    play(story())


def test_a_takeover_overtakes_an_install_that_waits_for_first_checks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await scripted.told("lowered")
            world.network.hanging = {ip_address("10.0.0.3")}
            waiting = asyncio.create_task(
                lvsd.install(lvs_cf(2, reals=("10.0.0.1", "10.0.0.3"), timeout=30, reentry=30, pair=TWO))
            )
            await until(lambda: ip_address("10.0.0.3") in world.network.asked)
            scripted.say("role", role="active", reason="partner dead", soft=False)
            await scripted.told("raised")
            assert world.kernel.addresses == {FLOATING}
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])

    monkeypatch.setattr("lvs.pulse.installing.FIRST_CHECK_SECONDS", 20)
    play(story())


def test_what_cannot_be_raised_is_told_and_makes_the_router_unfit(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        world.kernel.interfaces = {"lo"}
        async with heart(world.state, "standby") as scripted, world.pulse():
            await scripted.told("lowered")
            scripted.say("role", role="active", reason="partner dead", soft=False)
            (problem,) = (await scripted.told("raised"))["problems"]
            assert "no interface eth0" in problem
            await until(lambda: bool(scripted.said("condition")[-1]["unfit"]))
            assert scripted.said("condition")[-1]["unfit"] == [
                "floating address 192.0.2.80 cannot be raised on eth0"
            ]

    play(story())


def test_a_fault_of_ours_while_raising_is_told_and_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(MemoryKernel):
        def hold_resets(self, floating: Any, real_servers: Any = ()) -> None:
            raise TypeError("oops")

    async def story() -> None:
        world.kernel = Faulty()
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "standby") as scripted, world.pulse():
            await scripted.told("lowered")
            scripted.say("role", role="active", reason="partner hands over", soft=True)
            assert (await scripted.told("raised"))["problems"] == ["pulse failed at this: TypeError: oops"]
            await until(lambda: world.kernel.addresses == {FLOATING})
            assert (await scripted.told("raised", 2))["problems"] == []

    play(story())
    assert "Traceback" in caplog.text


def test_a_fault_of_ours_while_lowering_is_mended_and_then_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(MemoryKernel):
        faults = 0

        def carry_out(self, changes: Any, *more: Any, **named: Any) -> Any:
            if self.faults:
                self.faults -= 1
                raise TypeError("oops")
            return super().carry_out(changes, *more, **named)

    async def story() -> None:
        world.kernel = kernel = Faulty()
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
            kernel.faults = 1
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await until(lambda: not kernel.faults)
            await scripted.told("lowered")
            assert kernel.addresses == set()

    play(story())
    assert "Traceback" in caplog.text


def test_what_cannot_be_lowered_is_left_to_the_heart(tmp_path: Path) -> None:
    class Stubborn(MemoryKernel):
        def _change_address(self, verb: Verb, address: InterfaceAddress) -> str | None:
            return "it stays" if verb is Verb.REMOVE else super()._change_address(verb, address)

    async def story() -> None:
        world = World(tmp_path, Stubborn())
        keys.save(tmp_path, [KEY])
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await until(lambda: lvsd.keeper.role is Role.STANDBY and bool(lvsd.keeper.account.refused))
            scripted.say("role", role="active", reason="forced", soft=False)
            await scripted.told("raised", 2)
            assert scripted.said("lowered") == []

    play(story())


def test_a_standby_without_the_interfaces_is_not_fit(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        world.missing_interfaces = ["eth7"]
        async with heart(world.state, "standby") as scripted, world.pulse() as lvsd:
            await until(lambda: bool(scripted.said("condition")))
            await until(
                lambda: (
                    scripted.said("condition")[-1]["unfit"]
                    == ["there is no interface eth7 for the floating addresses"]
                )
            )
            world.missing_interfaces = []
            await until(lambda: scripted.said("condition")[-1]["unfit"] == [])
            await until(lambda: scripted.said("condition")[-1]["healthy"] == 2)
            last = scripted.said("condition")[-1]
            assert (last["serial"], last["total"]) == (1, 2)
            assert last["sha256"] == (await lvsd.running_text())["sha256"]
            await lvsd.server([("web", "s2")], Order.DRAIN, by="", reason="", until=None)
            await until(lambda: scripted.said("condition")[-1]["total"] == 1)
            assert scripted.said("condition")[-1]["healthy"] == 1
            world.installation.path.write_text("scheduler\n")
            await lvsd.reread()
            await until(lambda: "is not valid" in "".join(scripted.said("condition")[-1]["unfit"]))

    play(story())


def test_redundancy_comes_and_goes_at_run_time_without_an_address_dropped(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            assert world.kernel.addresses == {FLOATING}
            async with heart(world.state, "active") as scripted:
                await lvsd.install(lvs_cf(2, pair=TWO))
                assert (await scripted.told("settings"))["held"] is True
                await scripted.told("raised")
                await lvsd.install(lvs_cf(3, pair=TWO.replace("0.3", "0.5")))
                assert (await scripted.told("settings", 2))["deadtime"] == 0.5
                await lvsd.install(lvs_cf(4, pair=ALONE))
                await scripted.told("leave")
            assert (await lvsd.status())["redundancy"] is None
            assert changes(world, Part.ADDRESS) == [(Verb.ADD, FLOATING), (Verb.ANNOUNCE, FLOATING)]

    play(story())


@pytest.mark.parametrize(("own", "role"), [(PRIMARY, "standby"), (BACKUP, "active")])
def test_redundancy_does_not_go_while_the_backup_is_active(world: World, own: Address, role: str) -> None:
    """The primary would serve beside it, or nobody would: the other router hears of it later, or never."""

    async def story() -> None:
        world.local = {own}
        installed(world, lvs_cf(1, pair=TWO))
        async with heart(world.state, role) as scripted, world.pulse() as lvsd:
            await scripted.told("raised" if role == "active" else "lowered")
            before = world.kernel.addresses.copy()
            with pytest.raises(RouterError, match="Make the primary active first"):
                await lvsd.install(lvs_cf(2, pair=ALONE))
            assert world.kernel.addresses == before
            assert (await lvsd.running_text())["serial"] == 1
            await lvsd.install(lvs_cf(2, pair=TWO))
            await lvsd.install(lvs_cf(1, pair=ALONE), back_from=2)  # what is taken back always may go

    play(story())


def test_a_pulse_that_was_held_up_touches_no_address_until_it_knows_its_role(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep = 0.0
    real = heartline.boottime

    async def story() -> None:
        nonlocal asleep
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.role = None
            world.kernel.addresses.clear()  # as the heart does in pulse's place
            written = len(world.kernel.written)
            asleep += 10
            assert lvsd.pair.in_doubt()
            assert lvsd.keeper.held_addresses() == frozenset()
            assert (await scripted.told("settings", 2))["held"] is False
            lvsd.keeper.wake(whole=True)
            await until(lambda: lvsd.keeper.account.wanted.addresses == frozenset())
            assert len(world.kernel.written) == written
            scripted.say("role", role="standby", reason="fenced: pulse did not answer", soft=False)
            await scripted.told("lowered")
            assert world.kernel.addresses == set()

    monkeypatch.setattr("lvs.pulse.heartline.boottime", lambda: real() + asleep)
    play(story())


def test_after_a_hand_over_resets_are_held_and_what_lingers_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []

    class Quiet(MemoryKernel):
        def hold_resets(self, floating: Any, real_servers: Any = ()) -> None:
            held.append("held")

        def let_resets_out(self) -> None:
            held.append("let out")

    async def story() -> None:
        world.kernel = Quiet()
        installed(world, lvs_cf(pair=TWO + "syncdaemon = 1\nsyncd_iface = eth0\n"))
        async with heart(world.state, "standby") as scripted, world.pulse():
            await scripted.told("lowered")
            scripted.say("role", role="active", reason="partner hands over", soft=True)
            await scripted.told("raised")
            assert held == ["held"]
            await until(lambda: held == ["held", "let out"])
            assert running(world) == {SyncState.MASTER, SyncState.BACKUP}
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered", 2)
            assert running(world) == {SyncState.MASTER, SyncState.BACKUP}
            await until(lambda: running(world) == {SyncState.BACKUP})

    monkeypatch.setattr("lvs.pulse.keeping.HUSH_SECONDS", 0.2)
    monkeypatch.setattr("lvs.pulse.keeping.LINGER_SECONDS", 1.0)
    play(story())


def test_a_change_of_health_leaves_the_sync_daemon_alone(world: World) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO + "syncdaemon = 1\nsyncd_iface = eth0\n"))
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
            started = len(changes(world, Part.SYNC))
            world.network.down = {ip_address("10.0.0.1")}
            await until(lambda: [len(each) for each in world.kernel.destinations.values()] == [1])
            assert len(changes(world, Part.SYNC)) == started == 2

    play(story())


def running(world: World) -> set[SyncState]:
    return set(world.kernel.sync)


def test_a_primary_whose_address_comes_late_does_not_become_active_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        world.local = set()
        async with heart(world.state) as scripted, world.pulse() as lvsd:
            assert "neither of the two routers" in " ".join((await lvsd.status())["problems"])
            world.local = {PRIMARY}
            settings = await scripted.told("settings")
            assert (settings["node"], settings["held"]) == ("primary", False)
            await until(lambda: lvsd.keeper.place.problem is None)
            assert world.kernel.addresses == set()

    monkeypatch.setattr("lvs.pulse.keeping.KEEP_SECONDS", 0.05)
    play(story())
