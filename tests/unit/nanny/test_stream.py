"""The connection that probes talk on."""

from __future__ import annotations

import asyncio

import pytest

from lvs.nanny.checks import Check
from lvs.nanny.probes import stream
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding
from lvs.nanny.probes.stream import Stream, talk
from tests.unit.nanny.probing import to_check
from tests.unit.nanny.servers import Behaviour, says, tcp_server


def carried_out(behaviour: Behaviour, script: stream.Script) -> Finding:
    async def check() -> Finding:
        async with tcp_server(behaviour) as port:
            return await talk(to_check(port), NOTHING_KEPT, script)

    return asyncio.run(check())


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def takes_all(stream: Stream) -> Finding:
    while await stream.receive():
        pass
    return Finding(True, "took all")


def test_a_server_that_does_not_stop_talking_ends_the_check_and_not_the_event_loop() -> None:
    assert carried_out(endless, takes_all) == Finding(False, "connect: the real server does not stop talking")


def test_others_have_their_turn_while_a_server_does_not_stop_talking() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def takes_while_counting(stream: Stream) -> Finding:
        counting = asyncio.create_task(count())
        try:
            return await takes_all(stream)
        finally:
            counting.cancel()

    assert not carried_out(endless, takes_while_counting).ok
    assert turns > 30  # of 64 pieces


def test_lines_end_where_they_are_told_to_and_nothing_of_what_follows_is_lost() -> None:
    taken: list[bytes] = []

    async def takes_lines(stream: Stream) -> Finding:
        taken.append(await stream.line(100))
        taken.append(await stream.line(100, ends=b"\r\n"))
        taken.append(await stream.line(3))
        taken.append(await stream.exactly(2))
        taken.append(await stream.line(100))
        return Finding(True, "took lines")

    assert carried_out(says(b"on", b"e\ntwo\r", b"threeabcd"), takes_lines).ok
    assert taken == [b"one\n", b"two\r", b"thr", b"ee", b"abcd"]


def test_a_fault_of_ours_is_not_taken_for_the_servers() -> None:
    async def fails(stream: Stream) -> Finding:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carried_out(says(), fails)


def test_no_socket_is_left_behind_when_a_check_is_cut_short() -> None:
    opened: list[Stream] = []

    async def waits(stream: Stream) -> Finding:
        opened.append(stream)
        await asyncio.Event().wait()
        return Finding(True, "")

    async def cut_short(check: Check) -> None:
        task = asyncio.create_task(talk(check, NOTHING_KEPT, waits))
        while not opened:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    async def serve() -> None:
        async with tcp_server(says()) as port:
            await cut_short(to_check(port))

    asyncio.run(serve())
    with pytest.raises(OSError, match="Bad file descriptor"):
        _ = opened[0].own_address
