"""The election of one router: a pulse that does not raise the addresses, here or there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lvs.pulse.election.failover import Order, Stage, Verb
from lvs.router.state import Node, Role
from tests.unit.pulse.routers import ACTIVE, CUT_OFF, UNFIT, Router, active, rules, standby

RAISING: dict[str, Any] = {"role": Role.ACTIVE, "released": True}
NOT_RAISED = "pulse has not raised the floating addresses of this router: look into its log"


def raising(node: Node = Node.BACKUP, order: Order | None = None, **more: Any) -> Router:
    """A router that takes over from one that hands over, its addresses not up yet."""
    router = standby(node, **more)
    if order is not None:
        router.order(order)
    router.hear(**ACTIVE, yielding=True)
    router.forget()
    assert router.stage is Stage.ACTIVE
    return router


# The one that hands over.


def test_a_hand_over_to_one_that_does_not_raise_is_refused_and_nothing_goes_down() -> None:
    router = active()
    router.order(Order.HAND_OVER)
    router.wait(2.9, **RAISING)
    assert router.stage is Stage.YIELDING
    router.wait(0.2, **RAISING)
    assert router.stage is Stage.ACTIVE
    assert Verb.STAND_DOWN not in router.verbs
    [refusal] = router.reasons(Verb.REFUSE)
    assert refusal.startswith("the other router did not raise the floating addresses: this one stays active")
    assert not router.failover.heartbeat(router.now).yielding


def test_one_that_says_that_it_cannot_raise_is_not_waited_for() -> None:
    router = active()
    router.order(Order.HAND_OVER)
    router.hear(**RAISING, fit=False)
    assert router.stage is Stage.ACTIVE
    assert "did not raise" in router.reasons(Verb.REFUSE)[0]


def test_a_stop_beside_one_that_does_not_raise_leaves_the_kernel_balancing() -> None:
    router = active()
    router.order(Order.STOP)
    router.wait(3.1, **RAISING)
    assert Verb.STAND_DOWN not in router.verbs
    [reason] = router.reasons(Verb.LEAVE)
    assert reason == "the other router did not raise the floating addresses: the kernel goes on balancing"
    said = router.failover.heartbeat(router.now)
    assert (said.role, said.leaving, said.released) == (Role.ACTIVE, True, False)


@pytest.mark.parametrize("heard", [RAISING, {**ACTIVE, "yielding": True}])
def test_a_stop_beside_an_active_router_waits_until_that_one_serves(heard: dict[str, Any]) -> None:
    router = active()
    router.hear(**heard)
    router.order(Order.STOP)
    assert (router.stage, Verb.STAND_DOWN in router.verbs) == (Stage.YIELDING, False)
    router.hear(**ACTIVE)
    assert router.stage is Stage.STANDING_DOWN


def test_a_router_that_is_of_no_use_itself_does_not_wait_for_ever() -> None:
    router = active()
    router.judge(CUT_OFF)
    router.wait(3.1, **RAISING)
    assert router.stage is Stage.STANDING_DOWN


@pytest.mark.parametrize("heard", [{}, {"forced": True}])
def test_two_that_hand_over_to_each_other_keep_the_one_that_is_up(heard: dict[str, Any]) -> None:
    router = active(Node.BACKUP)
    router.order(Order.HAND_OVER)
    router.hear(**RAISING, **heard, yielding=True)
    assert router.stage is Stage.ACTIVE


# Two that are active.


@pytest.mark.parametrize("node", list(Node))
def test_of_two_active_routers_the_one_that_is_up_goes_first(node: Node) -> None:
    router = raising(node)
    router.hear(**ACTIVE)
    assert router.stage is Stage.STANDING_DOWN
    assert router.reasons(Verb.STAND_DOWN) == ["partner active"]
    router.take(router.failover.raised(router.now))
    assert not router.failover.up, "too late"


@pytest.mark.parametrize("node", list(Node))
def test_of_two_that_raise_at_the_same_time_neither_gives_way_before_one_is_up(node: Node) -> None:
    router = raising(node)
    router.wait(2.9, **RAISING)
    assert router.stage is Stage.ACTIVE
    router.take(router.failover.raised(router.now))
    router.wait(5.0, **RAISING)
    assert router.stage is Stage.ACTIVE
    router.hear(**ACTIVE)
    assert router.stage is (Stage.ACTIVE if node is Node.PRIMARY else Stage.STANDING_DOWN)


@pytest.mark.parametrize("node", list(Node))
def test_of_two_that_both_had_the_time_to_raise_the_primary_goes_on_trying(node: Node) -> None:
    router = raising(node)
    router.wait(3.1, **RAISING)
    assert router.stage is Stage.ACTIVE, "the other one may still raise"
    router.wait(0.5, **RAISING, fit=False)
    assert router.stage is (Stage.ACTIVE if node is Node.PRIMARY else Stage.STANDING_DOWN)


def test_a_forced_router_is_given_its_time_beside_one_that_is_up() -> None:
    router = standby()
    router.order(Order.FORCE)
    router.wait(2.9, **ACTIVE)
    assert (router.stage, router.failover.heartbeat(router.now).forced) == (Stage.ACTIVE, True)
    router.wait(0.2, **ACTIVE)
    assert router.stage is Stage.STANDING_DOWN
    assert router.reasons(Verb.REFUSE) == [NOT_RAISED]
    assert not router.failover.heartbeat(router.now).forced


def test_an_order_to_take_ends_with_the_reason_when_the_other_router_stays() -> None:
    router = raising(order=Order.TAKE)
    router.hear(**ACTIVE)
    router.take(router.failover.lowered(router.now))
    assert router.reasons(Verb.REFUSE) == [NOT_RAISED]
    assert Verb.DONE not in router.verbs


# The one that does not raise.


def test_an_order_to_be_active_is_done_only_when_the_addresses_are_up() -> None:
    router = raising(order=Order.TAKE)
    router.wait(4.0)
    assert (router.reasons(Verb.DONE), router.reasons(Verb.REFUSE)) == ([], [NOT_RAISED])


@pytest.mark.parametrize("order", [None, Order.FORCE])
def test_a_late_router_hands_its_role_to_a_fit_standby(order: Order | None) -> None:
    router = Router(rules())
    router.wait(3.1)
    assert router.stage is Stage.ACTIVE
    if order is not None:
        router.order(order)
    router.wait(2.8, role=Role.STANDBY)
    assert (router.stage, router.failover.heartbeat(router.now).fit) == (Stage.ACTIVE, True)
    router.wait(0.2, role=Role.STANDBY)
    assert (router.stage, router.failover.heartbeat(router.now).fit) == (Stage.YIELDING, False)
    router.hear(**RAISING)
    assert router.stage is Stage.YIELDING
    router.hear(**ACTIVE)
    assert router.stage is Stage.STANDING_DOWN


def test_a_late_router_asks_again_at_once_whoever_can_serve() -> None:
    router = Router(rules(), held=False)
    router.wait(6.2)
    router.wait(7.0, role=Role.STANDBY)
    assert router.reasons(Verb.TELL).count("handing over: pulse has not raised the floating addresses") >= 2


@pytest.mark.parametrize("heard", [None, {"fit": False}, {"hears": False}])
def test_a_late_router_beside_nobody_goes_on_and_is_fit_once_it_is_up(heard: dict[str, Any] | None) -> None:
    router = Router(rules())
    router.wait(3.1)
    router.wait(20.0, **({"role": Role.STANDBY, **heard} if heard else {}))
    assert (router.stage, router.failover.fit(router.now)) == (Stage.ACTIVE, False)
    router.take(router.failover.raised(router.now))
    assert router.failover.fit(router.now)
    said = router.failover.heartbeat(router.now)
    assert (said.fit, said.released) == (True, False)


def test_a_pause_gives_pulse_its_time_anew() -> None:
    router = Router(rules())
    router.wait(3.1)
    router.now += 60.0
    router.hear()
    router.wait(2.5, role=Role.STANDBY)
    assert router.stage is Stage.ACTIVE


def test_a_router_whose_addresses_are_up_is_never_late() -> None:
    router = active()
    router.wait(60.0)
    assert router.failover.fit(router.now)


@pytest.mark.parametrize(
    ("heard", "takes"),
    [
        ({"fit": False, "hears": False}, True),
        ({"fit": True, "hears": False}, False),
        ({"fit": False, "hears": True}, False),
        ({"fit": False, "hears": False, "released": False}, False),
    ],
)
def test_a_standby_takes_over_from_a_late_router_that_does_not_hear_it(
    heard: dict[str, Any], takes: bool
) -> None:
    router = standby()
    router.wait(4.5, **{**RAISING, **heard})
    assert router.stage is (Stage.ACTIVE if takes else Stage.STANDBY)


def test_an_unfit_standby_leaves_a_late_router_alone() -> None:
    router = standby(own=UNFIT)
    router.wait(4.5, **RAISING, fit=False, hears=False)
    assert router.stage is Stage.STANDBY


def test_one_that_ends_while_its_pulse_raises_does_not_say_that_it_holds_nothing() -> None:
    router = raising()
    router.wait(4.0)
    router.order(Order.STOP)
    said = router.failover.heartbeat(router.now)
    assert (said.role, said.leaving, said.released) == (Role.ACTIVE, True, False)


def test_the_tick_at_which_a_router_is_late_is_asked_for() -> None:
    router = Router(rules(keepalive=0.1, deadtime=0.3, witness=False))
    router.wait(0.31)
    due = router.failover.since + router.failover.rules.patience
    assert router.failover.next_at(due - 0.01) == due
    assert replace(router.failover, up=True).next_at(due - 0.01) > due
