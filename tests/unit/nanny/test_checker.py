"""All checks in one process: sharing, rhythm, faults, growth."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from ipaddress import ip_address

import pytest

from lvs.config.model import Protocol
from lvs.nanny.checker import Checker, Target, Watched
from lvs.nanny.checks import Check
from lvs.nanny.health import Patience, Result, Verdict, adopted
from lvs.nanny.probes import registry
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.rounds import following, spread
from lvs.router.state import DestinationKey, Family, Health, ServiceKey
from tests.unit.nanny.servers import says_nothing, tcp_server

WEB = ServiceKey(Family.V4, Protocol.TCP, ip_address("192.0.2.1"), 80)
MAIL = ServiceKey(Family.V4, Protocol.TCP, ip_address("192.0.2.1"), 25)


def a_check(number: int = 1, *, port: int = 80, timeout: float = 0.02) -> Check:
    return Check(ip_address(f"10.0.{number >> 8}.{number & 255}"), port, Protocol.TCP, timeout)


def a_target(number: int = 1, service: ServiceKey = WEB) -> Target:
    return service, DestinationKey(ip_address(f"10.0.{number >> 8}.{number & 255}"), 80)


class Script:
    """A probe that finds what it is told to, and counts."""

    def __init__(self, finding: Finding | Exception = Finding(True, "connected")) -> None:  # noqa: B008 - frozen
        self.finding = finding
        self.calls: list[Check] = []
        self.under_way = 0
        self.most = 0

    async def __call__(self, check: Check, record: Record) -> Finding:
        self.calls.append(check)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            if isinstance(self.finding, Exception):
                raise self.finding
            return self.finding
        finally:
            self.under_way -= 1


class Told:
    """What the checker told, and a way to wait for it."""

    def __init__(self) -> None:
        self.transitions: list[tuple[Target, Health, str]] = []
        self._changed = asyncio.Event()

    def __call__(self, target: Target, before: Verdict, after: Verdict) -> None:
        self.transitions.append((target, after.health, after.reason))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def run(checker: Checker, story: Coroutine[None, None, None]) -> None:
    """Plays story while checker runs."""

    async def both() -> None:
        running = asyncio.create_task(checker.run())
        try:
            await story
            assert not running.done(), "the checker ended by itself"
        finally:
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(both())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def test_equal_checks_are_made_once_and_each_virtual_server_gets_its_verdict() -> None:
    script, told = Script(), Told()
    checker = Checker(told, probe=script)
    check = a_check(timeout=3600)

    async def story() -> None:
        checker.watch({a_target(): Watched(check, Patience()), a_target(1, MAIL): Watched(check, Patience())})
        await told.until(lambda: len(told.transitions) == 2)
        assert script.calls == [check]
        assert checker.checks == 1

    run(checker, story())


def test_a_real_server_that_fails_and_returns_is_told_once_each_way() -> None:
    script, told = Script(), Told()
    checker = Checker(told, probe=script)

    async def story() -> None:
        checker.watch({a_target(): Watched(a_check(), Patience(returns=3))})
        await told.until(lambda: len(told.transitions) == 1)
        script.finding = Finding(False, "connect: refused")
        await told.until(lambda: len(told.transitions) == 2)
        script.finding = Finding(True, "connected")
        await told.until(lambda: len(told.transitions) == 3)
        assert [health for _, health, _ in told.transitions] == [
            Health.HEALTHY,
            Health.FAILED,
            Health.HEALTHY,
        ]
        assert told.transitions[1][2] == "connect: refused"

    run(checker, story())


def test_a_probe_that_raises_counts_as_failed_with_its_reason_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script, told = Script(RuntimeError("boom")), Told()
    checker = Checker(told, probe=script)

    async def story() -> None:
        checker.watch({a_target(): Watched(a_check(), Patience())})
        await told.until(lambda: bool(told.transitions))
        assert told.transitions[0][1:] == (Health.FAILED, "check failed unexpectedly: RuntimeError: boom")
        await until(lambda: len(script.calls) >= 3)

    run(checker, story())
    assert "ended in an unexpected error" in caplog.text


def test_a_change_of_configuration_keeps_the_state_of_what_it_does_not_touch() -> None:
    script, told = Script(), Told()
    checker = Checker(told, probe=script)

    async def story() -> None:
        kept = {a_target(1): Watched(a_check(1), Patience())}
        checker.watch(kept | {a_target(2): Watched(a_check(2), Patience())})
        await told.until(lambda: len(told.transitions) == 2)
        before = checker.verdicts[a_target(1)]
        checker.watch(kept | {a_target(3): Watched(a_check(3), Patience())})
        after = checker.verdicts[a_target(1)]
        assert (after.health, after.since) == (before.health, before.since)
        assert set(checker.verdicts) == {a_target(1), a_target(3)}
        await told.until(lambda: len(told.transitions) == 3)
        gone = script.calls.count(a_check(2))
        seen = script.calls.count(a_check(3))
        await until(lambda: script.calls.count(a_check(3)) > seen + 2)
        assert script.calls.count(a_check(2)) == gone

    run(checker, story())


def test_a_changed_check_keeps_the_verdict_until_its_result_says_otherwise() -> None:
    checker = Checker(Told(), probe=Script())
    checker.watch(
        {a_target(): Watched(a_check(), Patience())}, seeds={a_target(): adopted(serving=True, at=1)}
    )
    changed = {a_target(): Watched(a_check(port=81), Patience())}
    assert checker.unjudged(changed) == {a_check(port=81)}
    checker.watch(changed)
    assert checker.verdicts[a_target()].health is Health.HEALTHY
    result = Result(False, "connect: refused", 0.0, 2.0)
    checker.watch({a_target(): Watched(a_check(port=82), Patience())}, results={a_check(port=82): result})
    assert checker.verdicts[a_target()].health is Health.FAILED


def test_trying_out_gives_what_ended_in_time_and_leaves_nothing_running() -> None:
    async def slow_for_two(check: Check, record: Record) -> Finding:
        if check == a_check(2):
            await asyncio.Event().wait()
        return Finding(True, "connected")

    checker = Checker(Told(), probe=slow_for_two)

    async def story() -> None:
        results = await checker.try_out([a_check(1), a_check(2)], within=0.05)
        assert {check: result.ok for check, result in results.items()} == {a_check(1): True}

    run(checker, story())


def test_no_more_than_the_limit_are_under_way_at_once() -> None:
    script = Script()
    checker = Checker(Told(), probe=script, limit=7)

    async def story() -> None:
        checks = [a_check(number, timeout=60) for number in range(100)]
        assert len(await checker.try_out(checks, within=10)) == 100
        assert script.most == 7

    run(checker, story())


def test_checks_are_spread_evenly_over_their_interval() -> None:
    tenths = [int(spread(a_check(number)) * 10) for number in range(2000)]
    assert min(tenths.count(tenth) for tenth in range(10)) > 150


def test_a_thousand_checks_run_on_without_growth_of_descriptors_or_tasks() -> None:
    told = Told()
    calls = 0

    async def counted(check: Check, record: Record) -> Finding:
        nonlocal calls
        calls += 1
        return await registry.probe(check, record)

    checker = Checker(told, probe=counted, limit=200)

    async def story() -> None:
        async with tcp_server(says_nothing) as port:
            wanted = {
                a_target(number): Watched(
                    # Half of them reach the listener, the others are refused.
                    Check(
                        ip_address("127.0.0.1" if number % 2 else f"127.1.{number >> 8}.{number & 255}"),
                        port,
                        Protocol.TCP,
                        2 + number / 1e6,
                    ),
                    Patience(),
                )
                for number in range(1000)
            }
            checker.watch(wanted)
            assert checker.checks == 1000
            await told.until(lambda: len(told.transitions) >= 1000)
            healthy = sum(verdict.health is Health.HEALTHY for verdict in checker.verdicts.values())
            assert healthy == 500
            tasks = len(asyncio.all_tasks())
            begun = calls
            await until(lambda: calls >= begun + 1000)
            checker.watch({})
            await until(lambda: len(asyncio.all_tasks()) < 20)
            assert tasks < 1500

    before = len(os.listdir("/proc/self/fd"))
    run(checker, story())
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_check_is_repeated_at_its_own_place_in_every_interval() -> None:
    for number in range(200):
        place = spread(a_check(number))
        first = following(10, place, 1000.0)
        assert 1001 < first <= 1011
        assert following(10, place, first) == pytest.approx(first + 10)
        late = following(10, place, first + 3)
        assert late == pytest.approx(first + 10), "a late start does not shift the rest"
