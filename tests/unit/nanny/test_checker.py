"""Verdicts from the results of checks: sharing, transitions, history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from ipaddress import ip_address

from lvs.config.model import Protocol
from lvs.nanny.checker import Checker, Target, Watched
from lvs.nanny.checks import Check
from lvs.nanny.health import Patience, Result, Verdict, adopted
from lvs.nanny.history import Run
from lvs.nanny.probes.finding import Finding, Record
from lvs.router.state import DestinationKey, Family, Health, ServiceKey

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


def test_the_history_is_that_of_the_check_and_goes_with_it() -> None:
    script, told = Script(), Told()
    checker = Checker(told, probe=script, clock=lambda: 5.0)

    async def story() -> None:
        checker.watch(
            {a_target(): Watched(a_check(), Patience()), a_target(1, MAIL): Watched(a_check(), Patience())}
        )
        await until(lambda: sum(run.count for run in checker.history(a_target())) >= 2)
        script.finding = Finding(False, "connect: refused")
        await until(lambda: len(checker.history(a_target())) == 2)
        newest, oldest = checker.history(a_target(1, MAIL))
        assert (newest.ok, newest.reason, oldest.ok, oldest.reason) == (
            False,
            "connect: refused",
            True,
            "connected",
        )
        assert (oldest.first, oldest.last) == (5.0, 5.0)
        checker.watch({a_target(): Watched(a_check(port=81), Patience())})
        assert checker.history(a_target(1, MAIL)) == ()
        assert all(run.reason != "connected" for run in checker.history(a_target()))

    run(checker, story())


def test_a_result_that_was_tried_out_is_the_first_of_the_history() -> None:
    checker = Checker(Told(), probe=Script())
    wanted = {a_target(): Watched(a_check(), Patience())}
    checker.watch(wanted, results={a_check(): Result(True, "connected", 0.25, 7.0)})
    assert checker.history(a_target()) == (Run(True, "connected", 7.0, 7.0, 1, 0.25),)


def test_a_check_that_this_router_cannot_make_changes_nothing_and_is_named_until_it_can() -> None:
    told, check = Told(), a_check()
    script = Script()
    checker = Checker(told, probe=script)
    checker.watch({a_target(): Watched(check, Patience())})

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)

    async def story() -> None:
        await told.until(lambda: bool(told.transitions))
        script.finding = Finding(False, "connect: no file descriptor", ours=True)
        await until(lambda: bool(checker.unmade))
        verdict, history = checker.verdicts[a_target()], checker.history(a_target())
        calls = len(script.calls)
        await until(lambda: len(script.calls) > calls + 2)
        assert checker.unmade == {check: "connect: no file descriptor"}
        assert checker.verdicts[a_target()] == verdict
        assert verdict.health is Health.HEALTHY
        assert checker.history(a_target()) == history
        assert await checker.try_out({check}, 1.0) == {}
        script.finding = Finding(True, "connected")
        await until(lambda: not checker.unmade)

    run(checker, story())
    assert [health for _, health, _ in told.transitions] == [Health.HEALTHY]


def test_testing_a_check_counts_for_no_verdict_and_is_in_no_history() -> None:
    script = Script(Finding(False, "connect: refused", warning="certificate ends in 9 days"))
    checker = Checker(Told(), probe=script)
    checker.watch({a_target(): Watched(a_check(), Patience())})
    result = asyncio.run(checker.test(a_check(), Record()))
    assert (result.ok, result.reason, result.warning) == (
        False,
        "connect: refused",
        "certificate ends in 9 days",
    )
    assert checker.verdicts[a_target()] == Verdict()
    assert checker.history(a_target()) == ()
