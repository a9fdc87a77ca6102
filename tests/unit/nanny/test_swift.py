"""Checks without a coroutine each, against real sockets of loopback."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.config.model import Protocol
from lvs.nanny.checks import Check, Kind
from lvs.nanny.probes.finding import Finding, Record, What
from lvs.nanny.probes.swift import Swift, once, talk_of
from lvs.nanny.probes.talk import Talk
from tests.unit.nanny.servers import echoes_one_request, says, says_nothing, tcp_server

Found = list[Finding]


def to_check(port: int, **settings: Any) -> Check:
    given: dict[str, Any] = {"address": ip_address("127.0.0.1"), "protocol": Protocol.TCP, "timeout": 5.0}
    return Check(port=port, **(given | settings))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def played(story: Callable[[], Coroutine[None, None, None]]) -> None:
    """Plays story; no descriptor is left of it."""
    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(story())
    assert len(os.listdir("/proc/self/fd")) <= before


def test_one_talk_serves_for_round_after_round() -> None:
    async def story() -> None:
        found: Found = []
        async with tcp_server(says(b"220 ", b"hello")) as port:
            talk = Talk(to_check(port, expect=b"220 hello"))
            with Swift() as swift:
                for turn in range(5):
                    swift.begin(talk, found.append)
                    assert len(found) == turn, "nothing is said before begin has returned"
                    await until(lambda turn=turn: len(found) > turn)  # type: ignore[misc]
        assert found == [Finding(True, "answered as expected")] * 5

    played(story)


def test_each_limit_ends_its_own_check() -> None:
    async def story() -> None:
        found: Found = []
        async with tcp_server(says_nothing) as port:
            with Swift() as swift:
                for limit in (0.1, 0.05, 0.1, 0.07):
                    swift.begin(Talk(to_check(port, expect=b"x", timeout=limit)), found.append)
                swift.begin(Talk(to_check(port, timeout=0.05)), found.append)  # ends long before its limit
                await until(lambda: len(found) == 5)
        assert Counter(finding.reason for finding in found) == {
            "connected": 1,
            "read: no answer within 0.05 s": 1,
            "read: no answer within 0.07 s": 1,
            "read: no answer within 0.1 s": 2,
        }

    played(story)


def test_what_fails_at_once_is_told_after_begin_has_returned() -> None:
    async def story() -> None:
        found: Found = []
        with Swift() as swift:
            swift.begin(Talk(to_check(80, address=ip_address("255.255.255.255"))), found.append)
            assert not found
            await until(lambda: bool(found))
        assert not found[0].ok
        assert found[0].reason.startswith("connect: ")

    played(story)


def test_leaving_drops_what_has_not_ended() -> None:
    async def story() -> None:
        found: Found = []
        async with tcp_server(says_nothing) as port:
            with Swift() as swift:
                for _ in range(20):
                    swift.begin(Talk(to_check(port, expect=b"x", timeout=0.05)), found.append)
                swift.begin(Talk(to_check(80, address=ip_address("255.255.255.255"))), found.append)
            assert (await once(to_check(port, expect=b"x", timeout=0.1), Record())).reason.startswith("read")
        assert found == []

    played(story)


def test_more_than_the_socket_takes_at_once_is_sent_piece_by_piece() -> None:
    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = 4_000_000
        while left:
            left -= len(await reader.read(65536))
        writer.write(b"all")
        await writer.drain()

    async def story() -> None:
        async with tcp_server(counts) as port:
            record = Record()
            check = to_check(port, send=b"x" * 4_000_000, expect=b"all", kind=Kind.EXCHANGE)
            assert await once(check, record) == Finding(True, "answered as expected")
            assert [entry.what for entry in record.entries].count(What.SENT) > 1

    played(story)


def test_a_record_has_what_was_sent_and_received_in_its_order() -> None:
    async def story() -> None:
        record = Record()
        async with tcp_server(echoes_one_request) as port:
            await once(to_check(port, send=b"hello\r\n\r\n", expect=b"got"), record)
        assert [(entry.what, entry.data) for entry in record.entries] == [
            (What.NOTE, b"connected"),
            (What.SENT, b"hello\r\n\r\n"),
            (What.RECEIVED, b"got hello\r\n\r\n"),
        ]

    played(story)


def test_what_answered_while_this_process_was_held_up_is_not_too_late() -> None:
    async def story() -> None:
        found: Found = []
        with socket.create_server(("127.0.0.1", 0), backlog=300) as listener, Swift() as swift:
            for _ in range(250):
                swift.begin(Talk(to_check(listener.getsockname()[1], timeout=0.05)), found.append)
            swift.begin(Talk(to_check(listener.getsockname()[1], timeout=0.05, expect=b"x")), found.append)
            end = time.monotonic() + 0.2
            while time.monotonic() < end:  # holds the event loop up
                pass
            await until(lambda: len(found) == 251)
        assert Counter(finding.reason for finding in found) == {
            "connected": 250,
            "read: no answer within 0.05 s": 1,
        }

    played(story)


def test_a_fault_of_ours_in_one_talk_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Talk):
        def advance(self, events: int) -> Finding | None:
            raise RuntimeError("boom")

    async def story() -> None:
        found: Found = []
        async with tcp_server(says_nothing) as port:
            with Swift() as swift:
                for talk in (Broken(to_check(port)), Talk(to_check(port))):
                    swift.begin(talk, found.append)
                await until(lambda: len(found) == 2)
        assert sorted(found, key=lambda finding: finding.ok) == [
            Finding(False, "check failed unexpectedly: RuntimeError: boom"),
            Finding(True, "connected"),
        ]

    played(story)
    assert "ended in an unexpected error" in caplog.text


def test_a_router_without_descriptors_says_so() -> None:
    class NoneLeft(Talk):
        def begin(self) -> int:
            raise OSError(24, "Too many open files")

    async def story() -> None:
        found: Found = []
        with Swift() as swift:
            swift.begin(NoneLeft(to_check(80)), found.append)
            await until(lambda: bool(found))
        assert "raise LimitNOFILE" in found[0].reason

    played(story)


def test_only_kinds_that_connect_send_and_read_go_this_way() -> None:
    assert {kind for kind in Kind if talk_of(to_check(80, kind=kind))} == {Kind.CONNECT, Kind.EXCHANGE}


def test_a_server_that_takes_the_connection_and_closes_it_is_connected() -> None:
    async def story() -> None:
        async with tcp_server(says()) as port:
            assert await once(to_check(port), Record()) == Finding(True, "connected")

    played(story)
