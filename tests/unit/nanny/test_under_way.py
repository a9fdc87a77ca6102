"""Places for checks under way, and which way each kind goes."""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_address

import pytest

from lvs.config.model import Protocol
from lvs.nanny.checks import Check, Kind
from lvs.nanny.health import Result
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding
from lvs.nanny.under_way import Slots, UnderWay
from tests.unit.nanny.servers import closed_port


def test_who_waits_longest_gets_the_next_place_and_nobody_overtakes() -> None:
    async def story() -> None:
        slots, order = Slots(1), []

        async def take(name: str) -> None:
            await slots.wait_for_one()
            order.append(name)

        assert slots.take()
        first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
        await asyncio.sleep(0)
        assert not slots.take()
        slots.give()
        assert not slots.take(), "it is the first one's"
        await first
        slots.give()
        await second
        assert order == ["first", "second"]

    asyncio.run(story())


@pytest.mark.parametrize("after_its_turn_came", [False, True])
def test_who_gives_up_waiting_keeps_no_place(after_its_turn_came: bool) -> None:
    async def story() -> None:
        slots = Slots(1)
        assert slots.take()
        waiting = asyncio.create_task(slots.wait_for_one())
        await asyncio.sleep(0)
        if after_its_turn_came:
            slots.give()
        waiting.cancel()
        await asyncio.wait([waiting])
        if not after_its_turn_came:
            slots.give()
        assert slots.take()
        assert not slots.take()

    asyncio.run(story())


def test_each_kind_is_carried_out_by_its_probe_and_gives_its_place_back() -> None:
    async def story() -> None:
        slots, found = Slots(2), []
        port = closed_port()
        async with UnderWay(None, slots, time.time) as under_way:
            for kind in (Kind.NONE, Kind.CONNECT):
                check = Check(ip_address("127.0.0.1"), port, Protocol.TCP, 5.0, kind=kind)
                assert slots.take()

                def done(result: Result, finding: Finding, check: Check = check) -> None:
                    found.append((check.kind, result.ok, finding.reason))

                under_way.begin(check, NOTHING_KEPT, done)
            assert not found
            await under_way.all_ended()
        assert sorted(found) == [(Kind.CONNECT, False, "connect: refused"), (Kind.NONE, True, "not checked")]
        assert slots.take()
        assert slots.take()

    asyncio.run(story())
