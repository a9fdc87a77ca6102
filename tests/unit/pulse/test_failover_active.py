"""The election of one router: when an active one stands down, hands over or hands back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lvs.pulse.election.failover import Own, Rules, Stage, Verb
from lvs.router.state import Node, Role
from tests.unit.pulse.routers import (
    ACTIVE,
    CUT_OFF,
    NO_GATEWAY,
    OTHER_HASH,
    OWN,
    UNFIT,
    Router,
    active,
    rules,
    standby,
)


@pytest.mark.parametrize(
    ("node", "own", "heard", "stays"),
    [
        pytest.param(Node.PRIMARY, OWN, {}, True, id="the primary stays"),
        pytest.param(Node.BACKUP, OWN, {}, False, id="the backup stands down"),
        pytest.param(Node.BACKUP, OWN, {"fit": False}, True, id="the fit one stays"),
        pytest.param(Node.PRIMARY, UNFIT, {}, False, id="the unfit one stands down"),
        pytest.param(Node.PRIMARY, OWN, {"forced": True}, False, id="the forced one goes first"),
        pytest.param(Node.BACKUP, OWN, {"yielding": True}, True, id="one that yields is taken at its word"),
        pytest.param(Node.PRIMARY, OWN, {"hears": False}, False, id="one that is not heard stands down"),
        pytest.param(
            Node.BACKUP, OWN, {"released": True}, True, id="nobody stands down before the other is up"
        ),
    ],
)
def test_of_two_active_routers_one_stands_down(
    node: Node, own: Own, heard: dict[str, Any], stays: bool
) -> None:
    router = active(node)
    router.judge(replace(own, fitness=own.fitness))
    router.failover = replace(router.failover, stage=Stage.ACTIVE)  # an unfit one would hand over by itself
    router.forget()
    router.wait(2.1, **ACTIVE, **heard)
    assert router.stage is (Stage.ACTIVE if stays else Stage.STANDING_DOWN)
    if not stays:
        assert Verb.SEND in router.verbs[router.verbs.index(Verb.STAND_DOWN) :]
        assert router.reasons(Verb.STAND_DOWN)[0].startswith("partner active")


def test_the_one_that_stays_announces_again_once() -> None:
    router = active(Node.PRIMARY)
    router.wait(5.0, **ACTIVE)
    assert router.reasons(Verb.ANNOUNCE) == ["partner active: resending arps"]
    router.wait(5.0, role=Role.STANDBY)
    assert router.reasons(Verb.ANNOUNCE)[1:] == ["partner inactive: resending arps"]


def test_contact_after_silence_is_announced_once() -> None:
    router = active()
    router.wait(20.0)
    router.forget()
    router.wait(5.0, role=Role.STANDBY)
    assert router.reasons(Verb.ANNOUNCE) == ["partner heard: resending arps"]


def test_after_contact_the_other_router_has_three_intervals_to_hear_this_one() -> None:
    router = active(Node.PRIMARY)
    router.wait(20.0)
    router.wait(3.0, **ACTIVE, hears=False)
    assert router.stage is Stage.ACTIVE
    router.wait(1.0, **ACTIVE, hears=False)
    assert router.stage is Stage.STANDING_DOWN


@pytest.mark.parametrize(("node", "seconds"), [(Node.BACKUP, 1.0), (Node.PRIMARY, 8.0)])
def test_two_active_routers_that_only_the_network_shows_do_not_stay_so(node: Node, seconds: float) -> None:
    router = active(node)
    router.wait(10.0)
    began = router.now
    while router.stage is Stage.ACTIVE and router.now < began + 20:
        router.take(router.failover.witnessed(router.now))
        router.wait(0.5)
    assert router.stage is Stage.STANDING_DOWN
    assert router.now <= began + seconds


def test_an_unfit_active_router_hands_over_without_a_gap() -> None:
    router = active()
    router.judge(UNFIT)
    assert router.stage is Stage.YIELDING
    assert router.failover.heartbeat(router.now).yielding
    router.hear(role=Role.ACTIVE, released=True)
    assert router.stage is Stage.YIELDING, "the other has not raised the addresses yet"
    router.hear(role=Role.ACTIVE)
    assert router.stage is Stage.STANDING_DOWN
    assert not router.failover.heartbeat(router.now).released
    router.forget()
    router.take(router.failover.lowered(router.now))
    assert (router.stage, router.verbs) == (Stage.STANDBY, [Verb.SEND])
    assert router.failover.heartbeat(router.now).released


def test_a_router_that_stands_down_still_asks_the_other_to_be_active() -> None:
    router = active(Node.BACKUP)
    router.hear(role=Role.ACTIVE)
    assert router.stage is Stage.STANDING_DOWN
    assert router.failover.heartbeat(router.now).yielding


@pytest.mark.parametrize("heard", [{"fit": False}, {"hears": False}, {"leaving": True}])
def test_an_unfit_active_router_stays_when_nobody_can_take_over(heard: dict[str, Any]) -> None:
    router = active()
    router.hear(**heard)
    router.judge(UNFIT)
    router.wait(2.0, role=Role.STANDBY, **heard)
    assert router.stage is Stage.ACTIVE


def test_a_hand_over_that_nobody_answers_is_given_up_and_not_tried_again_at_once() -> None:
    router = active()
    router.judge(UNFIT)
    router.wait(3.1, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE
    router.wait(9.0, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE
    router.wait(1.5, role=Role.STANDBY)
    assert router.stage is Stage.YIELDING


@pytest.mark.parametrize(
    ("own", "silence", "heard", "stage"),
    [
        pytest.param(CUT_OFF, 0.0, {}, Stage.YIELDING, id="links lost, and a fit peer is heard"),
        pytest.param(CUT_OFF, 0.0, {"fit": False}, Stage.ACTIVE, id="links lost on both"),
        pytest.param(CUT_OFF, 4.0, {}, Stage.STANDING_DOWN, id="links lost, and nobody is heard"),
        pytest.param(NO_GATEWAY, 4.0, {}, Stage.STANDING_DOWN, id="neither gateway nor peer"),
        pytest.param(NO_GATEWAY, 0.0, {"fit": False}, Stage.ACTIVE, id="no gateway on either"),
        pytest.param(UNFIT, 4.0, {}, Stage.ACTIVE, id="unfit and alone"),
    ],
)
def test_a_useless_owner_stands_down(own: Own, silence: float, heard: dict[str, Any], stage: Stage) -> None:
    router = active()
    router.hear(**heard)
    router.wait(silence)
    router.judge(own)
    router.wait(0.1)
    assert router.stage is stage


def test_links_lost_without_contact_use_the_words_of_piranha() -> None:
    router = active()
    router.wait(4.0)
    router.judge(CUT_OFF)
    assert router.reasons(Verb.STAND_DOWN) == ["Local NIC link failure: Pulse disabled"]
    router.take(router.failover.lowered(router.now))
    router.judge(OWN)
    assert "Local NIC link(s) restored: Pulse enabled" in router.reasons(Verb.TELL)


def test_the_backup_hands_back_once_the_primary_has_been_well_for_the_time_set() -> None:
    router = active(Node.BACKUP, failback=30.0)
    router.wait(24.0, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE
    router.wait(2.0, role=Role.STANDBY)
    assert router.stage is Stage.YIELDING


@pytest.mark.parametrize("heard", [{"fit": False}, {"sha256": OTHER_HASH}, {"hears": False}])
def test_the_time_begins_anew_with_every_doubt(heard: dict[str, Any]) -> None:
    router = active(Node.BACKUP, failback=30.0)
    router.wait(20.0, role=Role.STANDBY)
    router.hear(**heard)
    router.wait(29.0, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE
    router.wait(2.0, role=Role.STANDBY)
    assert router.stage is Stage.YIELDING


@pytest.mark.parametrize(
    "given", [rules(Node.BACKUP, failback=0.0), rules(Node.PRIMARY, failback=10.0)], ids=["never", "primary"]
)
def test_nobody_else_hands_back(given: Rules) -> None:
    router = Router(given, held=True)
    router.wait(100.0, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE


def test_a_hand_over_by_hand_is_kept_until_the_primary_restarts() -> None:
    router = standby(failback=10.0)
    router.hear(role=Role.ACTIVE, yielding=True)
    router.take(router.failover.raised(router.now))
    router.wait(100.0, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE
    router.hear(leaving=True)
    router.wait(11.0, role=Role.STANDBY)
    assert router.stage is Stage.YIELDING
