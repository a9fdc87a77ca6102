"""The witness: when a machine that answered for a floating address is taken to answer no longer."""

from __future__ import annotations

import pytest

from lvs.pulse.election.failover import Stage, Verb
from lvs.pulse.election.witness import Questions
from lvs.router.state import Node, Role
from tests.unit.pulse.routers import ACTIVE, Router, active, standby

SHORT = {"keepalive": 0.03, "deadtime": 0.09}  # seconds; a question each 0.015


def held(**given: float) -> Router:
    """A standby whose silent partner has just answered for a floating address."""
    router = standby(**given)
    router.failover = router.failover.heard(
        router.now, next(iter(router.failover.rules.links)), router.says(**ACTIVE, **given)
    ).failover
    router.wait(given["deadtime"] / 2)
    assert Verb.PROBE in router.verbs
    router.take(router.failover.witnessed(router.now))
    assert router.failover.peer_holds(router.now)
    return router


def stalled(router: Router, seconds: float) -> None:
    """The process stands still and goes on where it stood: before it reads anything."""
    router.now += seconds
    router.take(router.failover.tick(router.now))


def test_three_questions_that_had_their_time_end_a_hold() -> None:
    questions = Questions(answered_at=10.0, quiet_from=9.0)
    for at in (11.0, 12.0, 13.0):
        questions = questions.ticked(at, 1.0).ask(at, 9.0)
    questions = questions.ticked(13.9, 1.0).ticked(13.95, 1.0)
    assert questions.hold(13.95, 9.0)
    questions = questions.ticked(14.0, 1.0)
    assert questions.hold(14.0, 9.0), "what has come since is not read yet"
    assert questions.counting
    questions = questions.ticked(14.001, 1.0)
    assert not questions.hold(14.001, 9.0)
    assert not questions.counting


def test_an_answer_makes_everything_that_was_asked_before_void() -> None:
    questions = Questions(answered_at=10.0, quiet_from=9.0)
    for at in (11.0, 12.0, 13.0, 14.0):
        questions = questions.ticked(at, 1.0).ask(at, 9.0)
    questions = questions.answer(14.1).ticked(15.0, 1.0).ticked(15.1, 1.0)
    assert questions.hold(15.1, 9.0)


def test_a_heartbeat_after_the_answer_ends_a_hold() -> None:
    assert Questions(answered_at=10.0).hold(10.5, 9.0)
    assert not Questions(answered_at=10.0).hold(10.5, 10.2)
    assert not Questions().hold(10.5, 10.2)


def test_a_hold_lasts_a_tenth_of_a_second_at_least() -> None:
    router = held(**SHORT)
    began = router.now
    router.wait(0.099)
    assert router.stage is Stage.STANDBY
    router.wait(0.005)
    assert router.stage is Stage.ACTIVE
    assert router.now - began < 0.11


@pytest.mark.parametrize("stall", [0.030, 0.044])
def test_a_standby_that_is_scheduled_late_reads_the_answers_before_it_counts(stall: float) -> None:
    """Between two stalls it reads the answer to what it asked before the first one."""
    router = held(**SHORT)
    for _ in range(200):
        asked = router.verbs.count(Verb.PROBE)
        stalled(router, stall)
        if asked:
            router.forget()
            router.take(router.failover.witnessed(router.now))
        router.wait(0.002)
    assert router.stage is Stage.STANDBY


def test_stalls_alone_do_not_make_a_question_unanswered() -> None:
    """Each tick comes late, and is the only one: what was asked last was never looked for."""
    router = held(keepalive=1.0, deadtime=3.0)
    router.now += 1.4
    router.take(router.failover.tick(router.now))
    router.now += 1.4
    router.take(router.failover.tick(router.now))
    assert router.failover.questions.asked == 2
    assert router.failover.questions.unanswered == 0


@pytest.mark.parametrize("stalls", [(1.0, 1.4, 1.4), (1.4, 1.4, 1.4, 1.4)])
def test_a_standby_that_is_scheduled_late_does_not_take_unread_answers_for_silence(
    stalls: tuple[float, ...],
) -> None:
    router = standby()
    for stall in stalls:
        stalled(router, stall)
    assert router.failover.peer_silent(router.now)
    assert router.stage is Stage.STANDBY, "the answer to the only question may wait to be read"
    router.take(router.failover.witnessed(router.now))
    router.wait(0.1)
    assert router.failover.peer_holds(router.now)


def test_questions_of_an_earlier_silence_prove_nothing() -> None:
    questions = Questions()
    for at in (1.0, 2.0, 3.0):
        questions = questions.ticked(at, 1.0).ask(at, 0.0)
    questions = questions.ticked(4.0, 1.0)
    assert (questions.lost(0.0), questions.lost(3.5)) == (2, 0)
    questions = questions.ask(5.0, 3.5).ticked(6.0, 1.0)
    assert questions.lost(3.5) == 0
    assert questions.ticked(6.1, 1.0).lost(3.5) == 1


def test_a_machine_that_falls_silent_is_replaced_after_its_last_question() -> None:
    router = held(keepalive=1.0, deadtime=3.0)
    began = router.now
    while router.stage is Stage.STANDBY:
        router.wait(0.01)
    assert router.now - began == pytest.approx(4 * 0.5, abs=0.05)


def test_what_was_held_before_contact_holds_nothing_back_at_the_next_crash() -> None:
    router = held(keepalive=1.0, deadtime=3.0)
    router.hear(**ACTIVE)
    router.wait(2.99)
    assert router.stage is Stage.STANDBY
    router.wait(0.02)
    assert router.stage is Stage.ACTIVE


def test_the_sockets_are_read_once_more_as_soon_as_a_question_had_its_time() -> None:
    router = held(keepalive=1.0, deadtime=3.0)
    router.wait(0.5)
    asked_at = router.failover.questions.asked_at
    assert asked_at == router.now
    router.now += 0.5
    router.take(router.failover.tick(router.now))
    assert router.failover.next_at(router.now) - router.now == pytest.approx(0.001)


def test_a_primary_does_not_stand_down_for_an_answer_of_before_the_backup_did() -> None:
    router = active(Node.PRIMARY, keepalive=0.1, deadtime=0.3)
    router.wait(5.0)
    for _ in range(3):
        router.take(router.failover.witnessed(router.now))
        router.wait(0.45)
    router.wait(5.0)
    assert router.stage is Stage.ACTIVE
    for _ in range(5):
        router.take(router.failover.witnessed(router.now))
        router.wait(0.45)
    assert router.stage is Stage.STANDING_DOWN


@pytest.mark.parametrize("node", list(Node))
def test_an_active_router_gives_way_to_a_rival_only_while_it_answers(node: Node) -> None:
    """The primary when the backup had its time and answers still; not for what it answered before."""
    router = active(node)
    router.wait(10.0)
    router.take(router.failover.witnessed(router.now))
    assert (router.stage is Stage.STANDING_DOWN) is (node is Node.BACKUP)
    router.wait(20.0)
    assert (router.stage is Stage.STANDING_DOWN) is (node is Node.BACKUP)
    router.wait(1.0, role=Role.STANDBY)
