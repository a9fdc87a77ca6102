"""When the neighbours are told of the floating addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from lvs.errors import KernelError
from lvs.pulse.announcer import ROUNDS, Announcer
from lvs.pulse.events import Events
from lvs.router.state import InterfaceAddress
from tests.unit.pulse.world import until

ONE, TWO = (InterfaceAddress(ip_address(f"192.0.2.{host}"), 32, "eth0") for host in (1, 2))


class Neighbours:
    """Who is told; held: the addresses that are up."""

    def __init__(self) -> None:
        self.held = frozenset({ONE, TWO})
        self.told: list[frozenset[InterfaceAddress]] = []
        self.refusing = False
        self.events = Events()
        self.announcer = Announcer(self.tell, self.events, lambda: self.held)

    async def tell(self, addresses: Collection[InterfaceAddress]) -> None:
        if self.refusing:
            raise KernelError("announce floating addresses", "eth0 is down")
        self.told.append(frozenset(addresses))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Announcer]:
        running = asyncio.create_task(self.announcer.run())
        try:
            yield self.announcer
        finally:
            running.cancel()
            await asyncio.wait([running])

    def finished(self) -> int:
        return [event.text for event in self.events].count("gratuitous lvs arps finished")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lvs.pulse.announcer.INTERVAL", 0.01)


def test_what_was_raised_is_told_four_times_more() -> None:
    async def story() -> None:
        neighbours = Neighbours()
        async with neighbours.at_work() as announcer:
            announcer.raised([ONE])
            await until(lambda: neighbours.finished() == 1)
            assert neighbours.told == [{ONE}] * (ROUNDS - 1)

    asyncio.run(story())


def test_again_is_at_once_and_of_all_that_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        neighbours = Neighbours()
        async with neighbours.at_work() as announcer:
            announcer.raised([ONE])
            announcer.again()
            await until(lambda: len(neighbours.told) == 1)  # however long an interval is
            assert neighbours.told == [{ONE, TWO}]
            announcer.again()
            await until(lambda: len(neighbours.told) == 2)

    monkeypatch.setattr("lvs.pulse.announcer.INTERVAL", 1000)
    asyncio.run(story())


def test_what_is_not_up_is_not_told() -> None:
    async def story() -> None:
        neighbours = Neighbours()
        async with neighbours.at_work() as announcer:
            announcer.raised([ONE, TWO])
            neighbours.held = frozenset({TWO})
            await until(lambda: neighbours.finished() == 1)
            assert set(neighbours.told) == {frozenset({TWO})}
            neighbours.held = frozenset()
            announcer.again()
            announcer.raised([ONE])
            await until(lambda: neighbours.finished() == 2)
            assert set(neighbours.told) == {frozenset({TWO})}

    asyncio.run(story())


def test_once_a_minute_all_that_is_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        neighbours = Neighbours()
        async with neighbours.at_work():
            await until(lambda: neighbours.told[:2] == [{ONE, TWO}] * 2)
        assert neighbours.finished() == 0

    monkeypatch.setattr("lvs.pulse.announcer.REMINDER", 0.01)
    asyncio.run(story())


def test_an_announcement_that_fails_is_said_and_the_next_one_tried() -> None:
    async def story() -> None:
        neighbours = Neighbours()
        neighbours.refusing = True
        async with neighbours.at_work() as announcer:
            announcer.raised([ONE])
            await until(lambda: any("eth0 is down" in event.text for event in neighbours.events))
            neighbours.refusing = False
            await until(lambda: neighbours.finished() == 1)
            assert neighbours.told

    asyncio.run(story())
