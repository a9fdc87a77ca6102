"""The lock in which some go first."""

from __future__ import annotations

import asyncio

from lvs.pulse.turns import Turns


async def ordinary(turns: Turns, name: str, order: list[str]) -> None:
    async with turns:
        order.append(name)


async def pressing(turns: Turns, name: str, order: list[str]) -> None:
    async with turns.first():
        order.append(name)


async def waiting(turns: Turns, number: int) -> None:
    async with asyncio.timeout(5):
        while len(turns._waiters or ()) < number:
            await asyncio.sleep(0)


def test_who_goes_first_goes_before_all_that_wait() -> None:
    order: list[str] = []

    async def story() -> None:
        turns = Turns()
        async with asyncio.TaskGroup() as group, turns:
            group.create_task(ordinary(turns, "one", order))
            group.create_task(ordinary(turns, "two", order))
            await waiting(turns, 2)
            group.create_task(pressing(turns, "role", order))
            await waiting(turns, 3)
        assert not turns.locked()

    asyncio.run(story())
    assert order[0] == "role"
    assert sorted(order[1:]) == ["one", "two"]


def test_who_is_cancelled_while_waiting_to_go_first_holds_nobody_up() -> None:
    order: list[str] = []

    async def story() -> None:
        turns = Turns()
        async with turns:
            other = asyncio.create_task(ordinary(turns, "one", order))
            await waiting(turns, 1)
            role = asyncio.create_task(pressing(turns, "role", order))
            await waiting(turns, 2)
            role.cancel()
            await asyncio.wait([role])
        async with asyncio.timeout(5):
            await other

    asyncio.run(story())
    assert order == ["one"]


def test_it_is_free_again_after_a_fault_inside() -> None:
    async def story() -> None:
        turns = Turns()
        try:
            async with turns.first():
                raise ValueError
        except ValueError:
            assert not turns.locked()
        async with turns, asyncio.timeout(5):
            assert turns.locked()

    asyncio.run(story())
