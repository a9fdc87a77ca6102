"""The rhythm of the checks: places, limits, faults, results beside it, growth."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from ipaddress import ip_address

import pytest

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.health import Result
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.rounds import Rounds, following, spread
from tests.unit.nanny.servers import closed_port, says_nothing, tcp_server

GOOD = Finding(True, "connected")


def a_check(number: int = 1, *, timeout: float = 0.02) -> Check:
    return Check(ip_address(f"10.0.{number >> 8}.{number & 255}"), 80, Protocol.TCP, timeout)


class Network:
    """A probe that hangs where it is told to, and counts."""

    def __init__(self) -> None:
        self.calls: Counter[Check] = Counter()
        self.hanging: dict[Check, asyncio.Event] = {}
        self.under_way: Counter[Check] = Counter()
        self.most = 0
        self.most_of_one = 0

    async def __call__(self, check: Check, record: Record) -> Finding:
        self.calls[check] += 1
        self.under_way[check] += 1
        self.most = max(self.most, self.under_way.total())
        self.most_of_one = max(self.most_of_one, self.under_way[check])
        try:
            record.note("asked")
            await asyncio.sleep(0)
            if check in self.hanging:
                await self.hanging[check].wait()
            return GOOD
        finally:
            self.under_way[check] -= 1


class Ended:
    """What the rounds said."""

    def __init__(self) -> None:
        self.results: dict[Check, list[Result]] = {}

    def __call__(self, check: Check, result: Result, finding: Finding) -> None:
        self.results.setdefault(check, []).append(result)


def nobody(check: Check, result: Result, finding: Finding) -> None:
    pass


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def run(rounds: Rounds, story: Callable[[], Coroutine[None, None, None]]) -> None:
    """Plays story while rounds run."""

    async def both() -> None:
        running = asyncio.create_task(rounds.run())
        try:
            await story()
            assert not running.done(), "the rounds ended by themselves"
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    asyncio.run(both())


def test_checks_are_spread_evenly_over_their_interval() -> None:
    tenths = [int(spread(a_check(number)) * 10) for number in range(2000)]
    assert min(tenths.count(tenth) for tenth in range(10)) > 150


def test_a_check_is_repeated_at_its_own_place_in_every_interval() -> None:
    for number in range(200):
        place = spread(a_check(number))
        first = following(10, place, 1000.0)
        assert 1001 < first <= 1011
        assert following(10, place, first) == pytest.approx(first + 10)
        late = following(10, place, first + 3)
        assert late == pytest.approx(first + 10), "a late start does not shift the rest"


def test_checks_that_were_all_late_together_come_apart_again() -> None:
    nexts = [following(10, spread(a_check(number)), 1000.0) for number in range(2000)]
    tenths = [int(at) for at in nexts]
    assert max(Counter(tenths).values()) < 2000 / 10 * 1.5


def test_a_check_is_never_under_way_twice_though_it_was_unwanted_and_is_wanted_again() -> None:
    network, ended = Network(), Ended()
    rounds = Rounds(ended, network)
    slow, quick = a_check(1), a_check(2)

    async def story() -> None:
        network.hanging[slow] = asyncio.Event()
        rounds.want({slow, quick})
        await until(lambda: network.under_way[slow] == 1)
        rounds.want({quick})
        rounds.want({slow, quick})
        seen = network.calls[quick]
        await until(lambda: network.calls[quick] > seen + 3)
        assert network.calls[slow] == 1
        network.hanging.pop(slow).set()
        await until(lambda: network.calls[slow] > 2)
        assert network.most_of_one == 1

    run(rounds, story)


def test_nothing_is_said_of_a_check_that_is_not_wanted_any_more() -> None:
    network, ended = Network(), Ended()
    rounds = Rounds(ended, network)

    async def story() -> None:
        hang = network.hanging[a_check(1)] = asyncio.Event()
        rounds.want({a_check(1)})
        await until(lambda: network.under_way[a_check(1)] == 1)
        rounds.want({a_check(2)})
        hang.set()
        await until(lambda: len(ended.results.get(a_check(2), ())) > 2)
        assert a_check(1) not in ended.results
        assert network.calls[a_check(1)] == 1

    run(rounds, story)


def test_a_probe_that_raises_is_a_bad_finding_of_its_check_only(caplog: pytest.LogCaptureFixture) -> None:
    ended = Ended()

    async def broken(check: Check, record: Record) -> Finding:
        if check == a_check(1):
            raise RuntimeError("boom")
        return GOOD

    rounds = Rounds(ended, broken)

    async def story() -> None:
        rounds.want({a_check(1), a_check(2)})
        await until(lambda: all(len(ended.results.get(a_check(n), ())) >= 3 for n in (1, 2)))

    run(rounds, story)
    assert {result.reason for result in ended.results[a_check(1)]} == {
        "check failed unexpectedly: RuntimeError: boom"
    }
    assert all(result.ok for result in ended.results[a_check(2)])
    assert "ended in an unexpected error" in caplog.text


def test_rounds_that_died_go_on_with_their_queue() -> None:
    network = Network()
    broken = True
    said: Counter[Check] = Counter()

    def ended(check: Check, result: Result, finding: Finding) -> None:
        nonlocal broken
        if broken and check == a_check(1):
            broken = False
            raise KeyError("oops")
        said[check] += 1

    rounds = Rounds(ended, network, limit=2)

    async def story() -> None:
        rounds.want({a_check(number) for number in range(5)})
        with pytest.raises(KeyError, match="oops"):
            await rounds.run()
        assert not network.under_way.total(), "nothing goes on behind a death"
        again = asyncio.create_task(rounds.run())
        await until(lambda: all(said[a_check(number)] > 1 for number in range(5)))
        again.cancel()
        await asyncio.wait([again])

    asyncio.run(story())


def test_trying_out_gives_what_ended_in_time_and_leaves_nothing_running() -> None:
    network = Network()
    rounds = Rounds(nobody, network, limit=1)

    async def story() -> None:
        network.hanging[a_check(2)] = asyncio.Event()
        results = await rounds.try_out([a_check(1), a_check(2), a_check(3)], within=0.05)
        assert {check: result.ok for check, result in results.items()} == {a_check(1): True}
        assert not network.under_way.total()
        assert (await rounds.try_out([a_check(3)], within=5)).keys() == {a_check(3)}, (
            "its place was given back"
        )

    run(rounds, story)


def test_what_was_tried_out_is_due_at_its_next_place_only() -> None:
    network = Network()
    rounds = Rounds(nobody, network)

    async def story() -> None:
        rounds.want({a_check(1, timeout=3600), a_check(2)}, tried=[a_check(1, timeout=3600)])
        await until(lambda: network.calls[a_check(2)] > 3)
        assert not network.calls[a_check(1, timeout=3600)]

    run(rounds, story)


def test_no_more_than_the_limit_are_under_way_at_once() -> None:
    network = Network()
    rounds = Rounds(nobody, network, limit=7)

    async def story() -> None:
        rounds.want({a_check(number) for number in range(20)})
        checks = [a_check(number, timeout=60) for number in range(100)]
        assert len(await rounds.try_out(checks, within=10)) == 100
        assert network.most == 7

    run(rounds, story)


def test_a_check_is_tested_beside_the_rhythm_and_its_exchange_is_kept() -> None:
    network, ended = Network(), Ended()
    rounds = Rounds(ended, network)
    record = Record()

    async def story() -> None:
        rounds.want({a_check(1, timeout=3600)}, tried=[a_check(1, timeout=3600)])
        result = await rounds.test(a_check(1, timeout=3600), record)
        assert result.ok
        assert [entry.data for entry in record.entries] == [b"asked"]
        assert not ended.results

    run(rounds, story)


def test_the_times_of_a_test_count_from_its_begin_and_not_from_the_wait_for_its_turn() -> None:
    network = Network()
    rounds = Rounds(nobody, network, limit=1)
    record = Record()

    async def story() -> None:
        network.hanging[a_check(1)] = asyncio.Event()
        first = asyncio.create_task(rounds.try_out([a_check(1)], within=10))
        test = asyncio.create_task(rounds.test(a_check(2), record))
        while not network.calls[a_check(1)]:
            await asyncio.sleep(0)
        network.hanging[a_check(1)].set()
        await first
        result = await test
        assert 0 <= record.entries[0].at <= result.duration

    run(rounds, story)


@pytest.mark.parametrize("own", [False, True])
def test_hundreds_of_checks_run_on_without_growth_of_descriptors_or_tasks(own: bool) -> None:
    """own: through a probe of the test's, a coroutine each."""
    ended = Ended()
    answer: Callable[[Check, Record], Awaitable[Finding]] | None = Network() if own else None
    rounds = Rounds(ended, answer, limit=50)

    async def story() -> None:
        async with tcp_server(says_nothing) as port:
            refused = closed_port()
            checks = {
                Check(
                    ip_address("127.0.0.1"), port if number % 2 else refused, Protocol.TCP, 0.3 + number / 1e4
                )
                for number in range(300)
            }
            rounds.want(checks)
            await until(lambda: len(ended.results) == 300 and min(map(len, ended.results.values())) > 2)
            if not own:
                good = {check.port for check, results in ended.results.items() if results[-1].ok}
                assert good == {port}
            assert len(asyncio.all_tasks()) < 300
            rounds.want(set())
            await until(lambda: len(asyncio.all_tasks()) < 10)

    before = len(os.listdir("/proc/self/fd"))
    run(rounds, story)
    assert len(os.listdir("/proc/self/fd")) <= before
