"""Deleted real servers: they keep their connections for a while, and go when they have none."""

from __future__ import annotations

import json

import pytest

from lvs.errors import KernelError
from lvs.pulse.departing import NAME
from lvs.pulse.lvsd import Lvsd
from tests.unit.pulse.busy_kernel import BusyKernel
from tests.unit.pulse.world import World, lvs_cf, play, texts, until

BOTH, ONE = ("10.0.0.1", "10.0.0.2"), ("10.0.0.1",)


def departing(lvsd: Lvsd) -> list[str]:
    return [leaver.name for leaver in lvsd.keeper.weighing.departing.leavers.values()]


def test_a_deleted_real_server_keeps_its_connections_and_goes_with_the_last(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.2": 3}
            result = await lvsd.install(lvs_cf(2, reals=ONE))
            assert result["changes"] == [
                "change real server s2 10.0.0.2:443 of web: weight 1 → 0: deleted, it drains first; "
                "3 connections now"
            ]
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 0}
            (web,) = (await lvsd.status())["virtual_servers"]
            (leaver,) = web["departing"]
            assert (leaver["name"], leaver["address"], leaver["port"]) == ("s2", "10.0.0.2", 443)
            assert leaver["counters"]["active"] + leaver["counters"]["inactive"] == 3
            assert [one["name"] for one in web["real_servers"]] == ["s1"]
            kernel.open = {}
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
            assert "deleted real server s2 10.0.0.2:443 of web goes: it has no connections" in texts(lvsd)
            assert kernel.cut == {"10.0.0.2": 0}
            await until(lambda: not lvsd.keeper.weighing._draining.is_set())

    play(story())


def test_by_nat_it_keeps_its_own_way_out_as_long(world: World, kernel: BusyKernel) -> None:
    def masqueraded() -> list[str]:
        return [str(address) for address in kernel.netfilter.masquerade] if kernel.netfilter else []

    def by_nat(serial: int, reals: tuple[str, ...]) -> str:
        return lvs_cf(serial, reals=reals).replace("network = direct", "network = nat")

    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(by_nat(1, BOTH))
            kernel.open = {"10.0.0.2": 3}
            planned = (await lvsd.plan(by_nat(2, ONE)))["changes"]
            assert (
                "set netfilter table inet piranha: masquerading for 1 real server "
                "(for deleted ones that drain: as long as they do)"
            ) in planned
            await lvsd.install(by_nat(2, ONE))
            assert masqueraded() == ["10.0.0.1", "10.0.0.2"]
            kernel.open = {}
            await until(lambda: masqueraded() == ["10.0.0.1"])
            assert kernel.weights() == {"10.0.0.1": 1}

    play(story())


def test_one_without_connections_goes_in_the_same_install(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            result = await lvsd.install(lvs_cf(2, reals=ONE))
            assert result["changes"] == ["remove real server s2 10.0.0.2:443 from web"]
            assert kernel.weights() == {"10.0.0.1": 1}
            assert (await lvsd.status())["last_change"]["changes"] == result["changes"]

    play(story())


def test_it_goes_after_drain_time_with_what_it_has(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.2": 2}
            await lvsd.install(lvs_cf(2, reals=ONE, more="  drain_time = 1\n"))
            world.wall += 2
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
            assert any("goes with 2 connections: its drain_time is over" in text for text in texts(lvsd))

    play(story())


def test_drain_time_zero_and_a_service_that_goes_take_connections_along(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.1": 1, "10.0.0.2": 2}
            await lvsd.install(lvs_cf(2, reals=ONE, more="  drain_time = 0\n"))
            assert kernel.cut == {"10.0.0.2": 2}
            await lvsd.install(lvs_cf(3, reals=BOTH))
            await lvsd.install(lvs_cf(4, reals=ONE))
            assert departing(lvsd) == ["s2"]
            await lvsd.install(lvs_cf(5, reals=ONE).replace("virtual web {\n  active = 1", "virtual web {"))
            assert kernel.services == {}
            assert departing(lvsd) == []

    play(story())


def test_put_back_meanwhile_it_is_as_before(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.2": 3}
            await lvsd.install(lvs_cf(2, reals=ONE))
            await lvsd.install(lvs_cf(3, reals=BOTH))
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}
            assert departing(lvsd) == []
            assert kernel.cut == {}

    play(story())


def test_a_deactivated_real_server_departs_as_a_deleted_one_does(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.2": 3}
            off = lvs_cf(2, reals=BOTH).replace("10.0.0.2\n    active = 1", "10.0.0.2\n    active = 0")
            await lvsd.install(off)
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 0}
            assert departing(lvsd) == ["s2"]

    play(story())


def test_what_a_new_lvs_cf_added_goes_at_once_when_it_is_taken_back(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=ONE))
            kernel.open = {"10.0.0.2": 3}
            await lvsd.install(lvs_cf(2, reals=BOTH))
            await lvsd.install(lvs_cf(1, reals=ONE), back_from=2)
            assert kernel.weights() == {"10.0.0.1": 1}
            await lvsd.install(lvs_cf(3, reals=BOTH), confirm_within=0.05)
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
            assert departing(lvsd) == []

    play(story())


def test_what_an_unconfirmed_lvs_cf_deleted_is_back_with_its_connections(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.2": 3}
            await lvsd.install(lvs_cf(2, reals=ONE), confirm_within=0.05)
            assert kernel.weights()["10.0.0.2"] == 0
            await until(lambda: kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 1})
            assert kernel.cut == {}

    play(story())


def test_a_restart_goes_on_where_it_was(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.2": 3}
            await lvsd.install(lvs_cf(2, reals=ONE))
        async with world.pulse() as lvsd:
            assert departing(lvsd) == ["s2"]
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 0}
            kernel.open = {}
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
        assert kernel.cut == {"10.0.0.2": 0}

    play(story())


def test_what_was_deleted_while_pulse_was_away_departs_when_it_is_back(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=(*BOTH, "10.0.0.3")))
        kernel.open = {"10.0.0.2": 3}
        world.installation.install(lvs_cf(2, reals=ONE))
        async with world.pulse():
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 0}
            assert kernel.cut == {"10.0.0.3": 0}

    play(story())


@pytest.mark.parametrize("text", ["{", '{"version": 1, "leaving": [{"service": "no"}, 7]}', '{"version": 2}'])
def test_a_note_that_cannot_be_understood_keeps_nobody_from_starting(
    world: World, kernel: BusyKernel, text: str
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
        (world.state / NAME).write_text(text)
        async with world.pulse() as lvsd:
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}
            assert departing(lvsd) == []

    play(story())


def test_a_note_of_a_clock_that_was_ahead_is_not_believed_for_longer_than_drain_time(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            kernel.open = {"10.0.0.2": 3}
            await lvsd.install(lvs_cf(2, reals=ONE))
        note = json.loads((world.state / NAME).read_text())
        note["leaving"][0]["until"] = world.wall + 1e9
        (world.state / NAME).write_text(json.dumps(note))
        async with world.pulse() as lvsd:
            (leaver,) = lvsd.keeper.weighing.departing.leavers.values()
            assert leaver.until <= world.wall + 300

    play(story())


def test_the_plan_says_who_drains_first_and_with_how_many_connections(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=(*BOTH, "10.0.0.3")))
            kernel.open = {"10.0.0.2": 37}
            planned = await lvsd.plan(lvs_cf(2, reals=ONE))
            assert planned["changes"] == [
                "remove real server s2 10.0.0.2:443 from web: drains first; 37 connections now",
                "remove real server s3 10.0.0.3:443 from web (no connection touched)",
            ]
            at_once = await lvsd.plan(lvs_cf(2, reals=ONE, more="  drain_time = 0\n"))
            assert at_once["changes"] == [
                "remove real server s2 10.0.0.2:443 from web: its 37 connections end",
                "remove real server s3 10.0.0.3:443 from web (no connection touched)",
            ]
            assert kernel.weights()["10.0.0.2"] == 1

    play(story())


def test_a_kernel_that_refuses_a_look_refuses_the_install_and_all_is_as_before(
    world: World, kernel: BusyKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=BOTH))
            with monkeypatch.context() as broken:
                broken.setattr(kernel, "read_counters", _refuse)
                with pytest.raises(KernelError, match="not today"):
                    await lvsd.install(lvs_cf(2, reals=ONE))
            assert (await lvsd.running_text())["serial"] == 1
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}

    play(story())


def _refuse(keys: object) -> None:
    raise KernelError("read the IPVS table", "not today")
