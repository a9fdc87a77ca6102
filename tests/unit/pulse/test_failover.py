"""The election of one router: how it starts, and when a standby takes over."""

from __future__ import annotations

from typing import Any

import pytest

from lvs.pulse.election.failover import Own, Stage, Verb
from lvs.pulse.heartbeat import Link
from lvs.router.state import Node, Role
from tests.unit.pulse.routers import (
    ACTIVE,
    CUT_OFF,
    NO_GATEWAY,
    OWN,
    UNFIT,
    Router,
    rules,
    standby,
)


@pytest.mark.parametrize("node", list(Node))
def test_a_router_alone_takes_over_after_a_dead_time(node: Node) -> None:
    router = Router(rules(node))
    router.wait(2.99)
    assert router.stage is Stage.LISTENING
    router.wait(0.02)
    assert router.reasons(Verb.TAKE_OVER) == ["partner dead: activating lvs"]
    assert router.verbs[router.verbs.index(Verb.TAKE_OVER) + 1] is Verb.SEND


@pytest.mark.parametrize(
    ("node", "own", "heard", "reason"),
    [
        pytest.param(Node.PRIMARY, OWN, {}, "backup inactive", id="the primary beside a standby"),
        pytest.param(
            Node.BACKUP, OWN, {"fit": False}, "primary inactive", id="the backup beside an unfit one"
        ),
        pytest.param(Node.BACKUP, OWN, {}, None, id="not the backup beside a fit standby primary"),
        pytest.param(Node.PRIMARY, OWN, ACTIVE, None, id="not beside an active one"),
        pytest.param(
            Node.PRIMARY,
            OWN,
            {**ACTIVE, "yielding": True},
            "partner hands over: activating lvs",
            id="beside one that yields",
        ),
        pytest.param(
            Node.BACKUP,
            OWN,
            {"leaving": True, "released": True},
            "partner stopped: activating lvs",
            id="beside one that stops and holds nothing",
        ),
        pytest.param(
            Node.PRIMARY,
            OWN,
            {**ACTIVE, "leaving": True},
            None,
            id="not beside one that stops and leaves its addresses up",
        ),
        pytest.param(Node.PRIMARY, UNFIT, {}, None, id="never unfit"),
        pytest.param(
            Node.PRIMARY, UNFIT, {**ACTIVE, "yielding": True}, None, id="not even when asked, if unfit"
        ),
    ],
)
def test_the_first_heartbeat_decides(node: Node, own: Own, heard: dict[str, Any], reason: str | None) -> None:
    router = Router(rules(node), own)
    router.hear(**heard)
    assert router.reasons(Verb.TAKE_OVER) == ([reason] if reason else [])
    assert router.failover.role is (Role.ACTIVE if reason else Role.STANDBY)


def test_the_backup_takes_over_from_a_primary_that_says_it_is_fit_and_does_nothing() -> None:
    router = Router(rules(Node.BACKUP))
    router.hear()
    router.wait(4.4, role=Role.STANDBY)
    assert router.stage is Stage.STANDBY
    router.wait(0.2, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE


def test_silence_is_counted_from_the_last_heartbeat_on_any_link() -> None:
    router = standby(links=frozenset(Link))
    router.wait(2.5)
    router.take(router.failover.heard(router.now, Link.PRIVATE, router.says(role=Role.ACTIVE)))
    router.wait(2.9)
    assert router.stage is Stage.STANDBY
    router.wait(0.2)
    assert router.stage is Stage.ACTIVE


def test_the_network_is_asked_from_half_a_dead_time_on() -> None:
    router = standby()
    router.wait(1.4)
    assert Verb.PROBE not in router.verbs
    router.wait(1.5)
    assert router.verbs.count(Verb.PROBE) == 3


def test_a_machine_that_answers_for_an_address_is_left_alone_until_it_stops() -> None:
    router = standby()
    answered = router.now
    while router.now < answered + 60:
        router.wait(0.5)
        router.take(router.failover.witnessed(router.now))
    assert router.stage is Stage.STANDBY
    assert any("answers for a floating address" in alarm for alarm in router.alarms())
    router.wait(3.9 * 0.5)
    assert router.stage is Stage.STANDBY
    router.wait(0.2 * 0.5)
    assert router.stage is Stage.ACTIVE


def test_without_a_witness_nothing_is_asked() -> None:
    router = standby(witness=False)
    router.wait(10.0)
    assert Verb.PROBE not in router.verbs
    assert router.stage is Stage.ACTIVE


@pytest.mark.parametrize("own", [CUT_OFF, NO_GATEWAY])
def test_silence_while_the_own_links_or_the_gateway_were_lost_proves_nothing(own: Own) -> None:
    router = standby()
    router.judge(own)
    router.wait(20.0)
    assert router.stage is Stage.STANDBY
    router.judge(OWN)
    router.wait(2.9)
    assert router.stage is Stage.STANDBY
    router.wait(0.2)
    assert router.stage is Stage.ACTIVE


def test_silence_heard_while_unfit_for_another_reason_counts() -> None:
    router = standby()
    router.judge(UNFIT)
    router.wait(20.0)
    router.judge(OWN)
    assert router.stage is Stage.ACTIVE


@pytest.mark.parametrize("pause", [1.6, 3.5, 600.0])
def test_after_a_pause_a_standby_listens_anew(pause: float) -> None:
    router = standby()
    router.wait(1.0)
    router.now += pause
    router.take(router.failover.tick(router.now))
    assert router.stage is Stage.STANDBY
    router.wait(2.9)
    assert router.stage is Stage.STANDBY
    router.wait(0.2)
    assert router.stage is Stage.ACTIVE


def test_what_was_queued_during_a_pause_is_not_believed_at_once() -> None:
    router = standby()
    router.now += 100.0
    router.hear(role=Role.ACTIVE, yielding=True)
    router.hear(role=Role.ACTIVE)
    router.wait(2.0, role=Role.ACTIVE)
    assert router.stage is Stage.STANDBY


def test_a_longer_dead_time_of_the_other_router_is_respected() -> None:
    """A change of lvs.cf reaches the standby first; the active router still sends seldom."""
    router = standby(keepalive=0.1, deadtime=0.3)
    router.hear(role=Role.ACTIVE, keepalive=2.0, deadtime=6.0)
    router.wait(5.9)
    assert router.stage is Stage.STANDBY
    router.wait(0.2)
    assert router.stage is Stage.ACTIVE


def test_a_heartbeat_overtaken_on_the_other_link_is_old_news() -> None:
    router = Router(rules(Node.PRIMARY, links=frozenset(Link)))
    heard = router.failover.heard
    router.take(heard(router.now, Link.PUBLIC, router.says(role=Role.ACTIVE), session=5, number=8))
    router.take(router.failover.heard(router.now, Link.PRIVATE, router.says(), session=5, number=7))
    assert router.stage is Stage.STANDBY
    router.take(router.failover.heard(router.now, Link.PRIVATE, router.says(), session=6, number=1))
    assert router.stage is Stage.ACTIVE, "a new session begins to count anew"


def test_a_router_that_claims_to_be_this_node_is_named_and_not_heeded() -> None:
    router = Router(rules(Node.PRIMARY))
    router.hear(node=Node.PRIMARY)
    assert router.stage is Stage.LISTENING
    assert ["is the primary too" in alarm for alarm in router.alarms()] == [True]
    router.wait(3.1)
    assert router.stage is Stage.ACTIVE


def test_a_heart_that_finds_its_addresses_up_is_active_at_once_and_says_so() -> None:
    router = Router(rules(), held=True)
    assert (router.stage, router.verbs) == (Stage.ACTIVE, [Verb.SEND])
    said = router.failover.heartbeat(router.now)
    assert (said.role, said.released) == (Role.ACTIVE, False)


def test_a_forced_start_takes_over_at_once() -> None:
    router = Router(rules(), UNFIT, forced=True)
    assert router.verbs == [Verb.TAKE_OVER, Verb.SEND]
    assert router.failover.heartbeat(router.now).forced
