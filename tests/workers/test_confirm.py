"""A revision that is to be confirmed: kept, taken back, forgotten; on both routers or on one."""

from __future__ import annotations

import pytest

from lvs import dispatch, models, store
from lvs.errors import NotPossible
from lvs.sent import orders
from tests.conftest import RedisServer
from tests.workers.by_hand import (
    State,
    answer,
    apply,
    edit,
    long_ago,
    of,
    pair,
    pass_time,
    queued,
    report,
    states,
    steps,
)

pytestmark = pytest.mark.django_db(transaction=True)

TOO_LATE = {"kind": "RouterError", "message": "serial_no 2 does not wait for a confirmation"}


@pytest.fixture
def cluster(redis_server: RedisServer) -> models.Cluster:
    """A pair that runs revision 1, with a change pending."""
    cluster = pair()
    apply(cluster)
    edit(cluster, persistence=300)
    return cluster


@pytest.fixture
def revision(cluster: models.Cluster) -> models.Revision:
    """Revision 2, which both routers have and which waits."""
    return apply(cluster, confirm_within=30)


def test_both_routers_are_told_how_long_to_wait_and_the_revision_waits(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    assert states(revision) == {"r1": State.WAITING, "r2": State.WAITING}
    assert [arguments[3] for _, arguments in queued("r1")] == [None, 30]
    found = orders.waiting(cluster)
    assert found is not None
    assert found.revision == revision
    assert 20 < found.seconds_left <= 30
    assert [router.name for router in found.routers] == ["r2", "r1"]
    assert store.pending(cluster) == ()


def test_confirmed_each_router_is_told_and_the_revision_stays(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    orders.confirm(revision, "anna")
    assert orders.waiting(cluster) is None
    steps(1)
    assert states(revision) == {"r1": State.CONFIRMING, "r2": State.CONFIRMING}
    assert queued("r2")[-1] == ("piranha.confirm", [2])
    answer(of(revision, "r1"))
    answer(of(revision, "r2"))
    steps(1)
    assert states(revision) == {"r1": State.APPLIED, "r2": State.APPLIED}
    assert str(revision.verdict) == "revision 2 confirmed by anna"


def test_forgotten_the_routers_put_back_by_themselves_and_the_change_is_pending_again(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    pass_time(revision, 31)
    first = revision.before()
    report("r1", first)
    report("r2", first)
    steps(1)
    assert states(revision) == {"r1": State.ROLLED_BACK, "r2": State.ROLLED_BACK}
    assert of(revision, "r1").error == "It was not confirmed within 30 s: r1 put back revision 1 by itself."
    assert cluster.standing_revision() == first
    assert len(store.pending(cluster)) == 1


def test_a_report_of_the_time_before_the_revision_says_nothing_about_it(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    report("r1", revision.before())
    steps(1)
    assert states(revision) == {"r1": State.WAITING, "r2": State.WAITING}


def test_when_one_router_has_put_back_the_other_is_made_to(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    pass_time(revision, 31)
    report("r1", revision.before())
    steps(1)
    assert states(revision) == {"r1": State.ROLLED_BACK, "r2": State.PUTTING_BACK}
    name, arguments = queued("r2")[-1]
    assert (name, arguments[0]["serial_no"], arguments[1], arguments[3]) == ("piranha.apply", 1, 2, None)
    answer(of(revision, "r2"))
    steps(1)
    assert states(revision) == {"r1": State.ROLLED_BACK, "r2": State.ROLLED_BACK}
    assert "r1 has put it back: revision 1 was put back" in of(revision, "r2").error


def test_routers_that_do_not_put_back_by_themselves_are_made_to(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    pass_time(revision, 46)
    steps(1)
    assert states(revision) == {"r1": State.PUTTING_BACK, "r2": State.PUTTING_BACK}


def test_taken_back_it_goes_at_once(cluster: models.Cluster, revision: models.Revision) -> None:
    orders.take_back_now(revision, "anna")
    steps(1)
    assert states(revision) == {"r1": State.PUTTING_BACK, "r2": State.PUTTING_BACK}
    assert of(revision, "r1").error == "anna took this revision back: revision 1 was put back."
    answer(of(revision, "r1"))
    answer(of(revision, "r2"))
    steps(1)
    assert cluster.standing_revision() == revision.before()


def test_taken_back_while_the_second_router_is_at_it_that_one_puts_back_when_it_has_answered(
    cluster: models.Cluster,
) -> None:
    revision = dispatch.apply(cluster, author="anna", message="", confirm_within=30)
    steps(1)
    answer(of(revision, "r2"))
    steps(1)
    orders.take_back_now(revision, "anna")
    steps(1)
    assert states(revision) == {"r1": State.SENT, "r2": State.PUTTING_BACK}
    answer(of(revision, "r1"))
    steps(1)
    assert states(revision) == {"r1": State.PUTTING_BACK, "r2": State.PUTTING_BACK}


def test_confirmed_on_the_router_itself_it_is_confirmed_everywhere(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    pass_time(revision, 10)
    report("r1", revision, unconfirmed=None)
    steps(1)
    steps(1)
    assert states(revision) == {"r1": State.APPLIED, "r2": State.CONFIRMING}
    assert "somebody on r1" in str(revision.verdict)


def test_a_confirmation_that_comes_too_late_for_one_router_lets_that_one_catch_up(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    orders.confirm(revision, "anna")
    steps(1)
    answer(of(revision, "r1"))
    answer(of(revision, "r2"), **TOO_LATE)
    steps(1)
    assert states(revision) == {"r1": State.APPLIED, "r2": State.ROLLED_BACK}
    assert cluster.standing_revision() == revision
    long_ago()
    report("r2", revision.before())
    steps(1)
    errand = orders.errands(cluster).get()
    assert (errand.router.name, errand.kind, errand.reason) == ("r2", "catch_up", "it ran revision 1")
    assert queued("r2")[-1][1][0]["serial_no"] == 2


def test_a_confirmation_that_found_pulse_away_is_sent_again(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    orders.confirm(revision, "anna")
    steps(1)
    task = of(revision, "r1").task_id
    answer(of(revision, "r1"), kind="PulseUnreachable", message="pulse does not answer")
    steps(1)
    assert of(revision, "r1").state == State.CONFIRMING
    assert of(revision, "r1").task_id != task


def test_a_newer_revision_ends_the_wait(cluster: models.Cluster, revision: models.Revision) -> None:
    edit(cluster, persistence=60)
    newest = apply(cluster)
    assert set(states(newest).values()) == {State.APPLIED}
    steps(1)
    assert set(states(revision).values()) == {State.SUPERSEDED}
    assert orders.waiting(cluster) is None


def test_a_verdict_is_given_once_and_only_on_what_waits(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    first = revision.before()
    assert first is not None
    with pytest.raises(NotPossible, match="does not wait"):
        orders.confirm(first, "anna")
    orders.confirm(revision, "anna")
    with pytest.raises(NotPossible, match="confirmed by anna already"):
        orders.take_back_now(revision, "ben")


def test_when_a_router_has_put_back_it_is_too_late_to_confirm(
    cluster: models.Cluster, revision: models.Revision
) -> None:
    of(revision, "r1").end(State.ROLLED_BACK, "not confirmed")
    with pytest.raises(NotPossible, match="too late"):
        orders.confirm(revision, "anna")


def test_a_first_revision_that_is_not_confirmed_leaves_nothing(redis_server: RedisServer) -> None:
    cluster = pair()
    revision = apply(cluster, confirm_within=30)
    pass_time(revision, 31)
    report("r1", None)
    report("r2", None)
    steps(1)
    assert states(revision) == {"r1": State.ROLLED_BACK, "r2": State.ROLLED_BACK}
    assert cluster.standing_revision() is None
