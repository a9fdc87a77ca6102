"""The election of one router: what it says, and what it says is wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs.pulse.election.failover import Verb
from lvs.pulse.heartbeat import Heartbeat, Link
from lvs.router.state import Node, Role
from tests.unit.pulse.routers import (
    HASH,
    OTHER_HASH,
    UNFIT,
    Router,
    active,
    rules,
    standby,
)


def test_a_heartbeat_says_what_is() -> None:
    router = standby(keepalive=0.5)
    said = router.failover.heartbeat(router.now)
    assert said == Heartbeat(
        node=Node.BACKUP,
        role=Role.STANDBY,
        released=True,
        hears=True,
        serial=7,
        sha256=HASH,
        healthy=4,
        total=4,
        keepalive=0.5,
        deadtime=3.0,
    )
    router.judge(UNFIT)
    router.wait(3.1)
    said = router.failover.heartbeat(router.now)
    assert (said.hears, said.fit) == (False, False)


def test_a_change_of_fitness_is_said_at_once() -> None:
    assert [action.verb for action in standby().judge(UNFIT)] == [Verb.SEND]


@pytest.mark.parametrize(
    ("heard", "seconds", "says"),
    [
        ({}, 0.0, None),
        (None, 4.0, r"No heartbeat of the other router on any link for [4-9]\.\d s"),
        ({"fit": False}, 1.0, "not fit to take over"),
        ({"hears": False}, 4.0, "does not hear this one"),
        ({"sha256": OTHER_HASH, "serial": 6}, 11.0, r"serial 7 here, 6 there"),
        ({"leaving": True}, 0.0, "pulse has ended"),
        ({"role": Role.ACTIVE}, 0.0, "Both routers are active"),
    ],
)
def test_alarms_say_what_is_wrong(heard: dict[str, Any] | None, seconds: float, says: str | None) -> None:
    router = active()
    if heard is None:
        router.wait(seconds)
    else:
        router.hear(**heard)
        router.wait(seconds, **{"role": Role.STANDBY, **heard})
    alarms = router.alarms()
    if says is None:
        assert alarms == ()
    else:
        assert [bool(re.search(says, alarm)) for alarm in alarms] == [True]


def test_one_silent_link_is_an_alarm_and_nothing_more_and_its_return_is_told() -> None:
    router = active(links=frozenset(Link))
    router.wait(5.0, role=Role.STANDBY)
    [alarm] = router.alarms()
    assert "private link" in alarm
    router.forget()
    router.take(router.failover.heard(router.now, Link.PRIVATE, router.says()))
    assert router.alarms() == ()
    assert router.reasons(Verb.TELL) == ["Heartbeats on the private link again."]


def test_an_alarm_is_told_once() -> None:
    router = active()
    router.wait(30.0)
    assert len([reason for reason in router.reasons(Verb.TELL) if "any link" in reason]) == 1


def test_nobody_active_is_an_alarm() -> None:
    router = Router(rules(Node.BACKUP), UNFIT)
    router.hear(fit=False)
    router.wait(3.1, role=Role.STANDBY, fit=False)
    assert any(alarm.startswith("No router is active") for alarm in router.alarms())


@given(st.floats(0.01, 60.0), st.floats(2.0, 10.0), st.lists(st.floats(0.001, 20.0), max_size=20))
def test_the_next_tick_is_always_ahead_and_never_further_than_a_quarter_of_the_dead_time(
    keepalive: float, times: float, gaps: list[float]
) -> None:
    deadtime = keepalive * times
    router = Router(rules(keepalive=keepalive, deadtime=deadtime))
    for gap in gaps:
        router.now += gap
        router.hear(role=Role.ACTIVE)
        due = router.failover.next_at(router.now)
        assert router.now < due <= router.now + deadtime / 4
