"""Who is asked for its load, what is kept of the answers, and what is said of silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    HealthCheck,
    LvsConfig,
    Protocol,
    RealServer,
    VirtualServer,
)
from lvs.nanny.checks import LOAD_SECONDS, Check, Kind
from lvs.nanny.loads import Load, Word
from lvs.nanny.loads_of import FORGOTTEN, Loads, adopted, asked
from lvs.nanny.probes.finding import Finding, Record
from lvs.router.plan import Place
from lvs.router.state import Destination, DestinationKey, Family, ServiceKey

WEB = ServiceKey(Family.V4, Protocol.TCP, ip_address("192.0.2.1"), 80)
MAIL = ServiceKey(Family.V4, Protocol.TCP, ip_address("192.0.2.1"), 25)
NOW = 1000.0


def place(number: int = 1, service: ServiceKey = WEB) -> Place:
    return service, DestinationKey(ip_address(f"10.0.0.{number}"), 80)


def agent(number: int = 1) -> Check:
    return Check(ip_address(f"10.0.0.{number}"), 9999, Protocol.TCP, 0.01, kind=Kind.AGENT)


def monitor(number: int = 1) -> Check:
    words = ("uptime", f"10.0.0.{number}")
    return Check(ip_address(words[1]), 0, Protocol.TCP, 0.01, kind=Kind.LOAD, program=words)


def said(factor: float | None = None, word: Word | None = None) -> Finding:
    return Finding(True, "agent: said", load=Load(factor=factor, word=word, reason="said"))


def load_average(average: float) -> Finding:
    reason = f"load average {average:g}"
    return Finding(True, reason, load=Load(reason=reason, average=average))


SILENCE = Finding(False, "connect: refused")


class Story:
    """Loads that asks what a script answers, answer by answer, the last one for ever."""

    def __init__(self, *answers: Finding, wanted: dict[Place, Check]) -> None:
        self.told: list[str] = []
        self.changes = 0
        self.calls: list[Check] = []
        self._answers = list(answers)
        self._called = asyncio.Event()
        self.loads = Loads(self._changed, self, probe=self._probe, clock=lambda: NOW)
        self.loads.watch(wanted)

    def info(self, text: str) -> None:
        self.told.append(text)

    def warning(self, text: str) -> None:
        self.told.append(text)

    def _changed(self) -> None:
        self.changes += 1

    async def _probe(self, check: Check, record: Record) -> Finding:
        self.calls.append(check)
        self._called.set()
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def until(self, holds: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.loads.run())
        try:
            async with asyncio.timeout(20):
                while not holds():
                    self._called.clear()
                    await self._called.wait()
                    await asyncio.sleep(0)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def test_what_an_agent_says_is_kept_for_each_place_that_wants_it_and_asked_once() -> None:
    async def story() -> None:
        wanted = {place(): agent(), place(1, MAIL): agent()}
        heard = Story(said(0.5, Word.UP), said(0.504), wanted=wanted)
        await heard.until(lambda: len(heard.calls) > 3)
        assert heard.loads.loads == dict.fromkeys(wanted, Load(0.5, Word.UP, "said", NOW))
        assert heard.changes == 1
        assert heard.told == []
        assert heard.loads.problems == ()

    asyncio.run(story())


def test_a_line_leaves_what_it_does_not_say_as_it_was() -> None:
    async def story() -> None:
        heard = Story(said(0.5), said(word=Word.DRAIN), said(0.6), wanted={place(): agent()})
        await heard.until(lambda: heard.changes == 3)
        load = heard.loads.loads[place()]
        assert (load.factor, load.word) == (0.6, Word.DRAIN)

    asyncio.run(story())


def test_a_load_monitor_of_an_idle_real_server_raises_its_share_step_by_step_to_ten_times() -> None:
    async def story() -> None:
        heard = Story(load_average(0.0), wanted={place(): monitor()})
        await heard.until(lambda: heard.changes == 18)
        await heard.until(lambda: len(heard.calls) > 22)
        assert heard.loads.loads[place()].factor == 10.0
        assert heard.changes == 18

    asyncio.run(story())


def test_silence_leaves_the_weight_and_is_said_once_until_it_is_forgotten_which_is_said_once_too() -> None:
    async def story() -> None:
        heard = Story(said(0.5), SILENCE, wanted={place(): agent()})
        await heard.until(lambda: len(heard.calls) > FORGOTTEN - 2)
        assert heard.loads.loads[place()].factor == 0.5
        await heard.until(lambda: not heard.loads.loads)
        await heard.until(lambda: len(heard.calls) > 2 * FORGOTTEN + 2)
        assert heard.changes == 2
        assert heard.told == [
            "agent on port 9999 of 10.0.0.1 does not tell the load (connect: refused): its weight stays",
            "agent on port 9999 of 10.0.0.1 told no load 5 times in a row: the configured weight counts",
        ]
        assert heard.loads.problems == ("No load from 10.0.0.1 (agent on port 9999: connect: refused)",)

    asyncio.run(story())


def test_what_this_router_cannot_ask_for_is_said_and_never_forgotten() -> None:
    async def story() -> None:
        lacking = Finding(False, "connect: no file descriptor", ours=True)
        heard = Story(said(0.5), lacking, wanted={place(): agent()})
        await heard.until(lambda: len(heard.calls) > 2 * FORGOTTEN + 2)
        assert heard.loads.loads[place()].factor == 0.5
        assert heard.changes == len(heard.told) == 1
        assert heard.loads.problems == (
            "No load from 10.0.0.1 (agent on port 9999: connect: no file descriptor)",
        )

    asyncio.run(story())


def test_the_end_of_a_silence_is_said_and_ends_the_problem() -> None:
    async def story() -> None:
        heard = Story(SILENCE, SILENCE, load_average(1.0), wanted={place(): monitor()})
        await heard.until(lambda: bool(heard.loads.loads))
        assert heard.told == [
            "load monitor uptime of 10.0.0.1 does not tell the load (connect: refused): its weight stays",
            "load monitor uptime of 10.0.0.1 tells the load again (load average 1)",
        ]
        assert heard.loads.problems == ()

    asyncio.run(story())


def test_many_silent_ones_are_one_problem() -> None:
    async def story() -> None:
        wanted = {place(number): monitor(number) for number in range(1, 8)}
        heard = Story(SILENCE, wanted=wanted)
        await heard.until(lambda: len(heard.told) == 7)
        assert heard.loads.problems == (
            "No load from 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 and 2 more "
            "(load monitor uptime: connect: refused)",
        )

    asyncio.run(story())


def test_what_stays_wanted_keeps_its_load_and_what_is_no_longer_asked_has_none() -> None:
    async def story() -> None:
        wanted = {place(1): agent(1), place(2): agent(2)}
        heard = Story(said(0.5), wanted=wanted)
        await heard.until(lambda: len(heard.loads.loads) == 2)
        heard.loads.watch({place(2): agent(2), place(3): agent(3), place(2, MAIL): agent(2)})
        assert heard.loads.loads.keys() == {place(2), place(2, MAIL)}
        heard.loads.watch({})
        assert heard.loads.loads == {}
        assert heard.loads.problems == ()

    asyncio.run(story())


def a_config(**settings: Any) -> LvsConfig:
    given: dict[str, Any] = {
        "name": "web",
        "active": True,
        "address": FloatingAddress(address=ip_address("192.0.2.1"), device="eth0:1"),
        "port": 80,
        "check": HealthCheck(),
        "real_servers": (
            RealServer(name="one", address=ip_address("10.0.0.1"), active=True),
            RealServer(name="two", address=ip_address("10.0.0.2"), active=False),
            RealServer(name="three", address=None, active=True),
        ),
    }
    return LvsConfig(virtual_servers=(VirtualServer(**(given | settings)),))


def test_active_real_servers_are_asked_by_the_agent_or_the_program_that_load_monitor_names() -> None:
    assert asked(a_config()) == {}
    assert asked(a_config(active=False, load_monitor="uptime")) == {}
    by_program = asked(a_config(load_monitor="uptime", timeout=2))
    assert by_program.keys() == {place(1)}
    assert by_program[place(1)].program == ("uptime", "10.0.0.1")
    assert by_program[place(1)].timeout == LOAD_SECONDS
    by_agent = asked(a_config(load_monitor="agent", agent_port=5555, timeout=2))
    assert (by_agent[place(1)].kind, by_agent[place(1)].port, by_agent[place(1)].timeout) == (
        Kind.AGENT,
        5555,
        2.0,
    )


def table(**weights: int) -> dict[ServiceKey, dict[DestinationKey, Destination]]:
    """What the kernel holds behind WEB: the weights of real servers by the names of `a_config`."""
    number = {"one": 1, "two": 2}
    return {WEB: {place(number[name])[1]: Destination(Forwarding.NAT, w) for name, w in weights.items()}}


@pytest.mark.parametrize(
    ("settings", "weight", "factor"),
    [
        ({"load_monitor": "agent"}, 0, 0.0),
        ({"load_monitor": "agent"}, 2, 0.5),
        ({"load_monitor": "agent"}, 4, None),
        ({"load_monitor": "agent", "slow_start": 60}, 2, None),
        ({"load_monitor": "agent", "slow_start": 60}, 0, 0.0),
        ({"load_monitor": "uptime"}, 12, 3.0),
        ({"load_monitor": "uptime"}, 0, None),
        ({"load_monitor": "none"}, 2, None),
    ],
)
def test_a_table_in_use_shows_what_agents_and_load_monitors_said(
    settings: dict[str, Any], weight: int, factor: float | None
) -> None:
    one = RealServer(name="one", address=ip_address("10.0.0.1"), active=True, weight=4)
    config = a_config(agent_port=9999, real_servers=(one,), **settings)
    expected = {} if factor is None else {place(): Load(factor, reason="as found in the table", at=NOW)}
    assert adopted(config, table(one=weight), (), NOW) == expected
    assert adopted(config, table(one=weight), {place()}, NOW) == {}
    assert adopted(config, {}, (), NOW) == {}


def test_what_was_adopted_counts_until_the_first_word_which_replaces_an_agents_wholly() -> None:
    async def story() -> None:
        found = Load(0.0, reason="as found in the table", at=NOW)
        heard = Story(SILENCE, said(word=Word.UP), wanted={place(): agent()})
        heard.loads.adopt({place(): found, place(2): found})
        assert heard.loads.loads == {place(): found}
        await heard.until(lambda: bool(heard.told))
        assert heard.loads.loads == {place(): found}
        await heard.until(lambda: heard.changes == 1)
        assert heard.loads.loads[place()] == Load(None, Word.UP, "said", NOW)
        heard.loads.adopt({place(): found})
        assert heard.loads.loads[place()].word is Word.UP

    asyncio.run(story())


def test_a_load_monitor_goes_on_from_what_was_adopted() -> None:
    async def story() -> None:
        heard = Story(load_average(0.0), wanted={place(): monitor()})
        heard.loads.adopt({place(): Load(9.0, reason="as found in the table", at=NOW)})
        await heard.until(lambda: heard.changes == 1)
        assert heard.loads.loads[place()].factor == 9.5

    asyncio.run(story())
