"""The election of one router: what an administrator may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from lvs.pulse.election.alarms import refusals
from lvs.pulse.election.failover import Order, Own, Stage, Verb
from lvs.router.state import Node, Role
from tests.unit.pulse.routers import (
    OTHER_HASH,
    OWN,
    UNFIT,
    active,
    standby,
)


def test_an_order_to_hand_over_is_done_when_the_addresses_are_down() -> None:
    router = active()
    router.order(Order.HAND_OVER)
    assert router.stage is Stage.YIELDING
    router.hear(role=Role.ACTIVE)
    router.forget()
    router.take(router.failover.lowered(router.now))
    assert [(action.verb, action.order) for action in router.actions] == [
        (Verb.SEND, None),
        (Verb.DONE, Order.HAND_OVER),
    ]


@pytest.mark.parametrize(
    ("heard", "says", "anyway"),
    [
        ({"fit": False}, "not fit", False),
        ({"hears": False}, "does not hear this one", False),
        ({"role": Role.ACTIVE, "released": True}, "active as well", False),
        ({"sha256": OTHER_HASH, "serial": 6}, "serial 6, here 7", True),
        ({"healthy": 3}, "only 3 of 4 real servers healthy, this one 4 of 4", True),
    ],
)
def test_a_hand_over_is_refused_with_the_reason(heard: dict[str, Any], says: str, anyway: bool) -> None:
    router = active()
    router.hear(**heard)
    assert any(says in refusal for refusal in refusals(router.failover, router.now))
    [refusal] = [action for action in router.order(Order.HAND_OVER) if action.verb is Verb.REFUSE]
    assert says in refusal.reason
    assert refusal.order is Order.HAND_OVER
    assert router.stage is Stage.ACTIVE
    router.order(Order.HAND_OVER_ANYWAY)
    assert router.stage is (Stage.YIELDING if anyway else Stage.ACTIVE)


def test_an_order_by_hand_that_one_router_has_not_heard_of_yet_refuses_no_hand_over() -> None:
    router = active()
    router.hear(healthy=3, total=3)  # there a real server is drained, which here is healthy
    assert refusals(router.failover, router.now) == ()


def test_nobody_to_hand_over_to_is_a_refusal_too() -> None:
    router = active()
    router.wait(4.0)
    router.order(Order.HAND_OVER_ANYWAY)
    assert "not heard" in router.reasons(Verb.REFUSE)[0]


def test_a_second_order_waits_for_the_first() -> None:
    router = active()
    router.order(Order.HAND_OVER)
    [refusal] = [action for action in router.order(Order.HAND_OVER) if action.verb is Verb.REFUSE]
    assert "another order" in refusal.reason


def test_a_hand_over_that_is_not_answered_is_refused_in_the_end() -> None:
    router = active()
    router.order(Order.HAND_OVER)
    router.wait(3.1, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE
    assert "did not take over in time" in router.reasons(Verb.REFUSE)[0]


def test_a_standby_asks_and_is_done_when_its_addresses_are_up() -> None:
    router = standby()
    router.order(Order.TAKE)
    assert router.failover.heartbeat(router.now).asks
    router.hear(role=Role.ACTIVE, yielding=True)
    assert Verb.DONE not in router.verbs
    router.take(router.failover.raised(router.now))
    assert router.verbs[-1] is Verb.DONE
    assert not router.failover.heartbeat(router.now).asks


def test_an_active_router_that_is_asked_hands_over_unless_something_speaks_against_it() -> None:
    router = active()
    router.hear(asks=True, healthy=2)
    assert router.stage is Stage.ACTIVE
    router.hear(asks=True)
    assert router.stage is Stage.YIELDING


def test_a_standby_that_gets_no_answer_refuses_the_order() -> None:
    router = standby()
    router.order(Order.TAKE)
    router.wait(3.2, role=Role.ACTIVE)
    assert "did not hand over" in router.reasons(Verb.REFUSE)[0]
    assert not router.failover.heartbeat(router.now).asks


def test_an_unfit_standby_does_not_even_ask() -> None:
    router = standby(own=UNFIT)
    router.order(Order.TAKE)
    assert router.reasons(Verb.REFUSE) == ["This router is not fit to be active. The checks do not run."]


@pytest.mark.parametrize("own", [OWN, UNFIT])
def test_force_takes_over_beside_an_active_router(own: Own) -> None:
    router = standby(own=own)
    router.order(Order.FORCE)
    assert router.verbs[:2] == [Verb.TAKE_OVER, Verb.SEND]
    router.take(router.failover.raised(router.now))
    router.wait(30.0, role=Role.ACTIVE)
    assert router.stage is Stage.ACTIVE


def test_the_router_forced_last_is_active() -> None:
    router = active(Node.PRIMARY)
    router.order(Order.FORCE)
    router.hear(role=Role.ACTIVE, forced=True)
    assert router.stage is Stage.STANDING_DOWN


def test_another_order_ends_the_force() -> None:
    router = active()
    router.order(Order.FORCE)
    router.judge(UNFIT)
    assert router.stage is Stage.ACTIVE, "whatever speaks against it"
    router.order(Order.HAND_OVER)
    assert router.stage is Stage.YIELDING


def test_force_while_standing_down_raises_again_and_the_late_answer_changes_nothing() -> None:
    router = active(Node.BACKUP)
    router.hear(role=Role.ACTIVE)
    router.order(Order.FORCE)
    assert Verb.TAKE_OVER in router.verbs
    router.take(router.failover.lowered(router.now))
    assert router.stage is Stage.ACTIVE


def test_a_stop_hands_over_first_and_leaves_then() -> None:
    router = active()
    router.order(Order.STOP)
    router.hear(role=Role.ACTIVE)
    router.forget()
    router.take(router.failover.lowered(router.now))
    assert router.verbs == [Verb.SEND, Verb.LEAVE]
    said = router.failover.heartbeat(router.now)
    assert (said.role, said.leaving, said.released) == (Role.STANDBY, True, True)


def test_a_stop_that_nobody_answers_leaves_the_addresses_up() -> None:
    router = active()
    router.order(Order.STOP)
    router.wait(3.1, role=Role.STANDBY)
    assert Verb.STAND_DOWN not in router.verbs
    assert router.reasons(Verb.LEAVE) == ["the other router did not take over: the kernel goes on balancing"]
    said = router.failover.heartbeat(router.now)
    assert (said.role, said.leaving, said.released) == (Role.ACTIVE, True, False)


@pytest.mark.parametrize("silence", [0.0, 4.0])
def test_a_standby_that_stops_just_leaves(silence: float) -> None:
    router = standby(own=UNFIT)
    router.wait(silence)
    router.order(Order.STOP)
    assert router.verbs[-2:] == [Verb.SEND, Verb.LEAVE]
    router.wait(20.0)
    assert Verb.TAKE_OVER not in router.verbs


def test_an_active_router_without_a_peer_just_leaves_when_it_stops() -> None:
    router = active()
    router.wait(4.0)
    router.order(Order.STOP)
    assert router.reasons(Verb.LEAVE) == ["nobody can take over: the kernel goes on balancing"]


def test_a_fenced_router_is_standby_at_once_and_says_that_it_holds_nothing() -> None:
    router = active()
    router.order(Order.HAND_OVER)
    router.judge(UNFIT)
    router.take(router.failover.fenced(router.now, "pulse is gone"))
    said = router.failover.heartbeat(router.now)
    assert (router.stage, said.released, said.fit) == (Stage.STANDBY, True, False)
    assert router.reasons(Verb.REFUSE) == ["pulse is gone"]


def test_one_that_stops_stands_down_for_a_taker_that_it_does_not_hear() -> None:
    """The word that the other took over was lost: its machine answers for the addresses instead."""
    router = active()
    router.order(Order.STOP)
    assert router.stage is Stage.YIELDING
    router.wait(2.9)
    router.take(router.failover.witnessed(router.now))
    router.wait(0.2)
    assert router.stage is Stage.STANDING_DOWN
    router.take(router.failover.lowered(router.now))
    assert Verb.LEAVE in router.verbs


@pytest.mark.parametrize("answers", [True, False])
def test_a_stop_beside_a_silent_rival_leaves_the_addresses_to_it(answers: bool) -> None:
    """And where nobody answers for them, the kernel goes on balancing here."""
    router = active()
    router.wait(10.0)
    if answers:
        router.take(router.failover.witnessed(router.now))
    router.order(Order.STOP)
    assert (router.stage is Stage.STANDING_DOWN) is answers
    assert (Verb.LEAVE in router.verbs) is not answers
