"""The administrator's hand and the weights, in a whole pulse over a kernel in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.nanny.checks import Check, Kind
from lvs.nanny.hand import Order
from lvs.nanny.loads import Load, Word
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.programs import FOLDER
from lvs.pulse.keys import save as save_keys
from lvs.pulse.lvsd import Lvsd
from tests.unit.pulse.busy_kernel import BusyKernel
from tests.unit.pulse.scripted_heart import heart
from tests.unit.pulse.world import KEY, TWO, Network, World, lvs_cf, play, texts, until

S1, S2 = ("web", "s1"), ("web", "s2")


async def order(lvsd: Lvsd, order: Order, *targets: tuple[str, str], **more: Any) -> list[str]:
    given: dict[str, Any] = {"by": "anna", "reason": "", "until": None} | more
    changed: list[str] = (await lvsd.server(targets or (S2,), order, **given))["changed"]
    return changed


async def of(lvsd: Lvsd, name: str = "s2") -> dict[str, Any]:
    """What the status says of a real server."""
    (web,) = (await lvsd.status())["virtual_servers"]
    found: dict[str, Any] = next(one for one in web["real_servers"] if one["name"] == name)
    return found


def test_a_drained_real_server_keeps_its_connections_and_goes_with_the_last(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            kernel.open = {"10.0.0.2": 3}
            assert await order(lvsd, Order.DRAIN, reason="new disk") == ["web/s2: draining by anna: new disk"]
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 0}
            shown = await of(lvsd)
            assert (shown["weight"], shown["why"], shown["health"]) == (0, "draining", "healthy")
            assert (shown["hand"]["order"], shown["hand"]["by"]) == ("drain", "anna")
            looks = kernel.looks
            await until(lambda: kernel.looks > looks + 2)
            assert kernel.weights()["10.0.0.2"] == 0
            kernel.open = {}
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
            assert kernel.cut == {"10.0.0.2": 0}
            assert "web/s2 is drained: it goes out, as it has no connections left" in texts(lvsd)
            assert (await of(lvsd))["why"] == "drained"
            await until(lambda: not lvsd.keeper.weighing._draining.is_set())
            await order(lvsd, Order.AUTO)
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}

    play(story())


def test_it_never_goes_before_it_was_seen_at_weight_zero(world: World, kernel: BusyKernel) -> None:
    """With weight, it could get a connection between the look and the removal."""

    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            before = len(kernel.written)
            await order(lvsd, Order.DRAIN)
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
            assert [change.text for change in kernel.written[before:]] == [
                "change real server s2 10.0.0.2:443 of web: weight 1 → 0",
                "remove real server s2 10.0.0.2:443 from web",
            ]

    play(story())


def test_a_drain_ends_at_its_deadline_and_the_real_server_stays_out(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            kernel.open = {"10.0.0.2": 3}
            await order(lvsd, Order.DRAIN, until=world.wall + 60)
            assert kernel.weights()["10.0.0.2"] == 0
            world.wall += 61
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
            assert kernel.cut == {"10.0.0.2": 3}
            world.wall += 100_000
            lvsd.keeper.wake(whole=True)
            await until(lambda: any("web/s2: drained by anna" in text for text in texts(lvsd)))
            assert kernel.weights() == {"10.0.0.1": 1}

    play(story())


def test_maintenance_ends_by_itself_and_the_checks_decide_again(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            world.network.down = {ip_address("10.0.0.1")}
            await until(lambda: kernel.weights() == {"10.0.0.2": 1})
            await order(lvsd, Order.MAINTENANCE, S1, S2, until=world.wall + 0.2)
            await until(lambda: kernel.weights() == {})
            world.wall += 1
            await until(lambda: kernel.weights() == {"10.0.0.2": 1})
            assert any("s2: left to its checks, in maintenance by anna" in text for text in texts(lvsd))

    play(story())


def test_no_check_undoes_what_was_ordered(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            await order(lvsd, Order.UP, S1)
            await order(lvsd, Order.DOWN, S2)
            assert kernel.weights() == {"10.0.0.1": 1}
            world.network.down = {ip_address("10.0.0.1")}
            await until(lambda: lvsd.keeper.checker.verdicts and any("holds" in text for text in texts(lvsd)))
            await until(lambda: not lvsd.keeper._wake.is_set())
            assert kernel.weights() == {"10.0.0.1": 1}
            assert (
                "10.0.0.1:443 is failed by its check; an order by hand holds (web/s1: connect: refused)"
                in (texts(lvsd))
            )
            await order(lvsd, Order.AUTO, S1, S2)
            assert kernel.weights() == {"10.0.0.2": 1}

    play(story())


def test_a_restart_does_not_revive_what_was_taken_out(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(reals=("10.0.0.1", "10.0.0.2", "10.0.0.3")))
            kernel.open = {"10.0.0.3": 2}
            await order(lvsd, Order.DRAIN, S2, ("web", "s3"))
            await until(lambda: kernel.weights() == {"10.0.0.1": 1, "10.0.0.3": 0})
        written = len(kernel.written)
        async with world.pulse() as lvsd:
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.3": 0}
            assert len(kernel.written) == written
            await order(lvsd, Order.AUTO, S2, ("web", "s3"))
            assert kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 1, "10.0.0.3": 1}

    play(story())


def test_a_new_lvs_cf_and_a_renamed_machine_keep_the_order_by_name(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            await order(lvsd, Order.DOWN)
            await lvsd.install(lvs_cf(2).replace("10.0.0.2\n", "10.0.0.22\n"))
            assert kernel.weights() == {"10.0.0.1": 1}
            await lvsd.install(lvs_cf(3, reals=("10.0.0.1",)))
            await lvsd.install(lvs_cf(4))
            assert kernel.weights() == {"10.0.0.1": 1}
            with pytest.raises(RouterError, match="no real server web/s9"):
                await order(lvsd, Order.DOWN, S1, ("web", "s9"))
            assert kernel.weights() == {"10.0.0.1": 1}

    play(story())


def test_drained_again_after_it_served_it_drains_anew(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            await order(lvsd, Order.DRAIN)
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
            await order(lvsd, Order.AUTO)
            kernel.open = {"10.0.0.2": 1}
            await order(lvsd, Order.DRAIN)
            assert kernel.weights()["10.0.0.2"] == 0

    play(story())


def test_only_what_drains_is_looked_at_and_nothing_when_nothing_does(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            assert kernel.looks == 0
            await order(lvsd, Order.UP)
            assert kernel.looks == 0
            assert not await lvsd.keeper.weighing.look()
            assert kernel.looks == 0

    play(story())


def test_an_order_without_a_configuration_is_refused(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            with pytest.raises(RouterError, match="No configuration is in force"):
                await order(lvsd, Order.DRAIN)

    play(story())


# ---- protection


def test_pool_protection_keeps_a_share_and_says_so_while_it_does(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(more="  pool_protection = 50\n"))
            world.network.down = {ip_address("10.0.0.1"), ip_address("10.0.0.2")}
            await until(lambda: any("pool protection keeps" in text for text in texts(lvsd)))
            await until(lambda: len(kernel.weights()) == 1)
            found = await lvsd.status()
            assert any("pool protection keeps" in problem for problem in found["problems"])
            (web,) = found["virtual_servers"]
            assert web["protected"] == 1
            assert [one["health"] for one in web["real_servers"]] == ["failed", "failed"]
            assert sorted(one["protected"] for one in web["real_servers"]) == [False, True]
            world.network.down = set()
            await until(lambda: any("keeps no real server in any more" in text for text in texts(lvsd)))
            assert not any("pool protection" in one for one in (await lvsd.status())["problems"])

    play(story())


# ---- the other router


def test_the_other_router_is_told_and_heard(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        save_keys(world.folder, [KEY])
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await lvsd.install(lvs_cf(pair=TWO))
            await scripted.told("raised")
            await order(lvsd, Order.DOWN, S1)
            told = await scripted.told("gossip")
            (entry,) = told["entries"]
            assert (entry["real_server"], entry["order"], entry["by"]) == ("s1", "down", "anna")
            scripted.say("gossip", entries=[entry | {"order": "auto", "at": entry["at"] + 1}])
            await until(lambda: kernel.weights() == {"10.0.0.1": 1, "10.0.0.2": 1})
            scripted.say("gossip", entries=[entry])  # a recording
            scripted.say("gossip", entries="nothing that makes sense")
            scripted.say("gossip", entries=[entry | {"real_server": "s2", "order": "drain"}])
            await until(lambda: kernel.weights() == {"10.0.0.1": 1})
        async with heart(world.state, "active") as scripted, world.pulse():
            told = await scripted.told("gossip")
            assert {each["real_server"]: each["order"] for each in told["entries"]} == {
                "s1": "auto",
                "s2": "drain",
            }

    play(story())


def test_orders_come_in_turn_with_installs(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            jobs: list[Callable[[], Any]] = [
                lambda: order(lvsd, Order.DRAIN, S1),
                lambda: lvsd.install(lvs_cf(2, scheduler="rr")),
                lambda: order(lvsd, Order.AUTO, S1),
                lambda: order(lvsd, Order.DOWN, S2),
            ]
            await asyncio.gather(*(job() for job in jobs))
            assert kernel.weights() == {"10.0.0.1": 1}

    play(story())


# ---- loads and programs


class Agents(Network):
    """Real servers whose agents say what a test wants; those without a word are silent."""

    def __init__(self, words: dict[str, Load]) -> None:
        super().__init__()
        self.words = words

    async def __call__(self, check: Check, record: Record) -> Finding:
        if check.kind is not Kind.AGENT:
            return await super().__call__(check, record)
        said = self.words.get(str(check.address))
        return Finding(said is not None, said.reason if said else "no answer", load=said)


def test_what_an_agent_says_is_the_weight_and_silence_is_a_problem(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        world.network = agents = Agents({"10.0.0.1": Load(factor=0.5, reason="50%")})
        more = "  load_monitor = agent\n  agent_port = 9999\n"
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(more=more).replace("weight = 1", "weight = 4"))
            await until(lambda: kernel.weights() == {"10.0.0.1": 2, "10.0.0.2": 4})
            assert (await of(lvsd, "s1"))["why"] == "agent: 50 %"
            found = await lvsd.explain("web", "s1", test=False)
            assert (found["load"]["factor"], found["load"]["reason"]) == (0.5, "50%")
            await until(lambda: any("does not tell the load" in text for text in texts(lvsd)))
            assert any("No load from 10.0.0.2" in one for one in (await lvsd.status())["problems"])
            agents.words["10.0.0.1"] = Load(word=Word.DRAIN, reason="drain")
            await until(lambda: kernel.weights() == {"10.0.0.1": 0, "10.0.0.2": 4})

    play(story())


def test_a_restart_keeps_what_agents_said_until_they_speak_again(world: World, kernel: BusyKernel) -> None:
    async def story() -> None:
        words = {
            "10.0.0.1": Load(word=Word.DRAIN, reason="drain"),
            "10.0.0.2": Load(factor=0.5, reason="50%"),
        }
        world.network = agents = Agents(words)
        text = lvs_cf(more="  load_monitor = agent\n  agent_port = 9999\n").replace(
            "weight = 1", "weight = 4"
        )
        async with world.pulse() as lvsd:
            await lvsd.install(text)
            await until(lambda: kernel.weights() == {"10.0.0.1": 0, "10.0.0.2": 2})
        agents.words = {}
        async with world.pulse() as lvsd:
            await until(lambda: any("does not tell the load" in text for text in texts(lvsd)))
            assert kernel.weights() == {"10.0.0.1": 0, "10.0.0.2": 2}
            found = await lvsd.explain("web", "s1", test=False)
            assert (found["verdict"]["health"], found["load"]["reason"]) == (
                "healthy",
                "as found in the table",
            )
            agents.words = {"10.0.0.1": Load(word=Word.UP, reason="ready")}
            await until(lambda: kernel.weights()["10.0.0.1"] == 4)

    play(story())


def test_a_program_that_cannot_be_run_any_more_is_an_alarm_until_it_can(world: World) -> None:
    async def story() -> None:
        program = world.folder / "checks" / "probe"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        FOLDER.set(program.parent)
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(more='  send_program = "probe %h"\n'))
            program.chmod(0o600)
            lvsd.keeper.wake(whole=True)
            await until(lambda: any("probe may not be run" in text for text in texts(lvsd)))
            assert any("probe may not be run" in one for one in (await lvsd.status())["problems"])
            assert sum("cannot be run: " in text for text in texts(lvsd)) == 1
            program.chmod(0o755)
            lvsd.keeper.wake(whole=True)
            await until(lambda: any("no longer: " in text for text in texts(lvsd)))
            assert not any("probe" in one for one in (await lvsd.status())["problems"])

    play(story())
