"""Alarms of the checks: said when they begin and end, problems in between."""

from __future__ import annotations

from ipaddress import ip_address

from lvs.config.model import Protocol
from lvs.config.sentences import NAMED
from lvs.nanny.checks import Check
from lvs.nanny.health import Patience, Result, Verdict
from lvs.pulse.events import Events
from lvs.pulse.watching import Alarm, Alarms, of_flapping, of_programs, of_protection, of_unmade
from lvs.router.plan import Place, keys
from lvs.router.sentences import Names
from lvs.router.state import DestinationKey
from tests.unit.pulse.test_hands import CONFIG

NAMES = Names.of(CONFIG)
S1, S2 = (keys(CONFIG)["web", name] for name in ("s1", "s2"))


def test_an_alarm_is_said_when_it_begins_and_when_it_ends() -> None:
    events = Events(lambda: 0.0)
    alarms = Alarms(events)
    alarms.note({"a": Alarm("a holds: do this", "a is over")})
    alarms.note({"a": Alarm("a holds more", "a is over"), "b": Alarm("b holds", "b is over")})
    assert alarms.problems == ("a holds more", "b holds")
    alarms.note({"b": Alarm("b holds", "b is over")})
    assert [(event.level, event.text) for event in events] == [
        ("warning", "a holds: do this"),
        ("warning", "b holds"),
        ("info", "a is over"),
    ]


def test_protection_and_missing_programs_say_whom_it_is_about() -> None:
    (alarm,) = of_protection({S2, S1}, NAMES).values()
    assert alarm.holds.startswith("web: pool protection keeps s1, s2 in, though the checks fail")
    (alarm,) = of_programs(["probe is not in checks"]).values()
    assert alarm.holds == "A program of lvs.cf cannot be run: probe is not in checks"


def test_checks_that_this_router_cannot_make_are_one_alarm_a_reason() -> None:
    checks = {
        Check(ip_address(f"10.0.0.{number}"), port, Protocol.TCP, 1.0) for number in (2, 1) for port in (1, 2)
    }
    (alarm,) = of_unmade(dict.fromkeys(checks, "connect: no file descriptor")).values()
    assert alarm.holds == (
        "This router cannot check 10.0.0.1, 10.0.0.2, whose verdicts stay as they were: "
        "connect: no file descriptor"
    )


def test_one_that_comes_and_goes_is_an_alarm_until_that_is_long_ago() -> None:
    verdict = Verdict()
    for at in range(8):
        verdict = verdict.judge(Result(at % 2 == 0, "", 0.0, float(at)), Patience())
    (alarm,) = of_flapping({S1: verdict, S2: Verdict()}, NAMES, 8.0).values()
    assert alarm.holds.startswith("web: s1 went out again and again")
    assert of_flapping({S1: verdict}, NAMES, 10_000.0) == {}


def test_hundreds_make_one_sentence() -> None:
    service, _ = S1
    places: list[Place] = [
        (service, DestinationKey(ip_address(f"10.1.0.{number}"), 443)) for number in range(1, 201)
    ]
    (alarm,) = of_protection(places, NAMES).values()
    assert f"and {200 - NAMED} more in" in alarm.holds
