"""What a plan says of the connections that its changes touch, and of the rules that they change."""

from __future__ import annotations

from lvs.pulse.touching import NONE
from tests.unit.pulse.busy_kernel import BusyKernel
from tests.unit.pulse.world import World, lvs_cf, play

TWO = ("10.0.0.1", "10.0.0.2")


def by_nat(text: str) -> str:
    return text.replace("network = direct", "network = nat")


def without_services(text: str) -> str:
    return text.partition("virtual web")[0]


def test_a_virtual_server_and_its_address_that_go_say_how_many_connections_end(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=TWO))
            gone = without_services(lvs_cf(2))
            assert (await lvsd.plan(gone))["changes"] == [
                f"remove address 192.0.2.80/32 on eth0:1 {NONE}",
                f"remove virtual server web (tcp 192.0.2.80:443) with its 2 real servers {NONE}",
            ]
            kernel.open = {"10.0.0.1": 4, "10.0.0.2": 3}
            assert (await lvsd.plan(gone))["changes"] == [
                "remove address 192.0.2.80/32 on eth0:1: 7 connections by it now",
                "remove virtual server web (tcp 192.0.2.80:443) with its 2 real servers: "
                "its 7 connections end",
            ]
            kernel.open = {"10.0.0.1": 1}
            assert (await lvsd.plan(gone))["changes"][-1].endswith(": its 1 connection ends")

    play(story())


def test_what_is_changed_in_place_touches_no_connection_and_what_comes_says_nothing(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=TWO))
            kernel.open = {"10.0.0.1": 4}
            text = lvs_cf(2, reals=(*TWO, "10.0.0.3"), scheduler="sh", more="  persistent = 60\n")
            changed = (await lvsd.plan(text.replace("weight = 1", "weight = 5", 1)))["changes"]
            assert changed[1:] == [  # behind a kernel parameter
                f"change web: scheduler wlc → sh, no persistence → persistence 60 s {NONE}",
                f"change real server s1 10.0.0.1:443 of web: weight 1 → 5 {NONE}",
                "add real server s3 10.0.0.3:443 to web, weight 1, direct routing, once its check passes",
            ]

    play(story())


def test_a_plan_has_the_rules_that_come_and_go_in_words_and_line_by_line(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(by_nat(lvs_cf(1, reals=TWO)))
            assert (await lvsd.plan(by_nat(lvs_cf(2, reals=TWO, scheduler="rr"))))["netfilter"] is None
            kernel.open = {"10.0.0.2": 3}
            plan = await lvsd.plan(by_nat(lvs_cf(2, reals=("10.0.0.1", "10.0.0.3"))))
            assert plan["netfilter"]["words"] == [
                "no longer masquerade what s2 of web (10.0.0.2) asks of the outside, once it has drained",
                "masquerade what s3 of web (10.0.0.3) asks of the outside",
            ]
            assert ["remove", "-\t\t\t10.0.0.2"] in plan["netfilter"]["difference"]
            assert ["add", "+\t\t\t10.0.0.3"] in plan["netfilter"]["difference"]
            assert (plan["netfilter"]["more_words"], plan["netfilter"]["more_lines"]) == (0, 0)

    play(story())


def test_real_servers_that_are_only_masqueraded_besides_touch_no_connection(
    world: World, kernel: BusyKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(by_nat(lvs_cf(1, reals=TWO)))
            changes = (await lvsd.plan(by_nat(lvs_cf(2, reals=(*TWO, "10.0.0.3")))))["changes"]
            assert f"set netfilter table inet piranha: masquerading for 3 real servers {NONE}" in changes
            fewer = (await lvsd.plan(by_nat(lvs_cf(2, reals=TWO[:1]))))["changes"]
            assert "set netfilter table inet piranha: masquerading for 1 real server" in fewer

    play(story())
