"""Routers that are behind, that miss a key, or whose lvs.cf was changed outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lvs import dispatch, models, store
from lvs.config.writer import write
from lvs.errors import NotPossible
from lvs.reported import reports
from lvs.reported.answers import Answer
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
    queued,
    report,
    states,
    steps,
    taken_by_both,
)

pytestmark = pytest.mark.django_db(transaction=True)

STRANGE = {"serial": 99, "sha256": "e" * 64}


@pytest.fixture
def cluster(redis_server: RedisServer) -> models.Cluster:
    """A pair that runs revision 2, and has for long."""
    cluster = pair()
    apply(cluster)
    edit(cluster, persistence=300)
    apply(cluster)
    long_ago()
    return cluster


def revision(cluster: models.Cluster, number: int) -> models.Revision:
    return cluster.revisions.get(number=number)


def key(cluster: models.Cluster) -> dict[str, Any]:
    """`redundancy` of a router that has the newest key, as far as the manager looks."""
    return {"redundancy": {"keys": {"newest": cluster.keys.first().key_id}}}  # type: ignore[union-attr]


def test_routers_that_run_what_they_should_get_nothing(cluster: models.Cluster) -> None:
    steps()
    assert not orders.errands(cluster).exists()


@pytest.mark.parametrize(
    ("has", "reason", "back_from"),
    [(1, "it ran revision 1", None), (None, "it had no configuration", None)],
    ids=["an older revision", "nothing, installed anew"],
)
def test_a_router_that_is_behind_gets_the_running_revision_by_itself(
    cluster: models.Cluster, has: int | None, reason: str, back_from: int | None
) -> None:
    report("r2", revision(cluster, has) if has else None)
    steps(1)
    errand = orders.errands(cluster).get()
    assert (errand.router.name, errand.kind, errand.reason, errand.by) == ("r2", "catch_up", reason, "")
    name, arguments = queued("r2")[-1]
    assert name == "piranha.apply"
    assert (arguments[0]["serial_no"], arguments[1], arguments[3]) == (2, back_from, None)
    assert arguments[2] == cluster.key_ring()
    answer(errand)
    steps(1)
    assert orders.errands(cluster).get().state == "done"


def test_a_router_left_with_a_revision_that_was_given_up_goes_back_to_the_running_one(
    cluster: models.Cluster,
) -> None:
    third = apply(cluster)
    for row in third.deployments.all():
        row.end(State.FAILED, "Putting back failed", was_applied=True)
    long_ago()
    report("r1", revision(cluster, 2))
    steps(1)
    errand = orders.errands(cluster).get()
    assert (errand.router.name, errand.back_from) == ("r2", 3)


def test_a_report_of_the_time_before_the_last_answer_starts_nothing(cluster: models.Cluster) -> None:
    apply(cluster)
    report("r2", revision(cluster, 2))
    steps(1)
    assert not orders.errands(cluster).exists()


def test_while_a_revision_is_on_its_way_nothing_else_is_sent(cluster: models.Cluster) -> None:
    dispatch.apply(cluster, author="anna", message="")
    report("r2", revision(cluster, 1))
    steps()
    assert not orders.errands(cluster).exists()


def test_a_router_that_refuses_to_catch_up_is_not_asked_again_at_once(cluster: models.Cluster) -> None:
    report("r2", revision(cluster, 1))
    steps(1)
    answer(orders.errands(cluster).get(), kind="KernelError", message="no such device")
    steps()
    errand = orders.errands(cluster).get()
    assert (errand.state, errand.error) == ("failed", "no such device")
    long_ago()
    steps()
    assert orders.errands(cluster).count() == 2


def test_an_errand_waits_until_its_router_is_heard(
    cluster: models.Cluster, redis_server: RedisServer
) -> None:
    orders.rotate_key(cluster, "anna")
    dispatch.broker().flushall()
    steps()
    assert {errand.state for errand in orders.errands(cluster)} == {"queued"}
    report("r1", revision(cluster, 2))
    steps(1)
    assert {errand.router.name: errand.state for errand in orders.errands(cluster)} == {
        "r1": "sent",
        "r2": "queued",
    }


def test_what_a_newer_revision_brings_is_not_sent_by_itself(cluster: models.Cluster) -> None:
    orders.rotate_key(cluster, "anna")
    newest = dispatch.apply(cluster, author="anna", message="")
    steps(1)
    taken_by_both(newest)
    steps(1)
    assert {errand.state for errand in orders.errands(cluster)} == {"dropped"}
    assert queued("r1")[-1][1][2] == cluster.key_ring()


def test_a_new_key_goes_to_each_router_with_the_one_before(cluster: models.Cluster) -> None:
    (old,) = cluster.key_ring()
    orders.rotate_key(cluster, "anna")
    steps(1)
    new, before = cluster.key_ring()
    assert before == old
    for name in ("r1", "r2"):
        assert queued(name)[-1][1][2] == [new, old]
        assert queued(name)[-1][1][0]["serial_no"] == 2
    for errand in orders.errands(cluster):
        assert new not in errand.reason
        answer(errand)
    steps(1)
    assert {errand.state for errand in orders.errands(cluster)} == {"done"}


def test_no_further_key_is_made_while_a_router_has_not_got_the_last_one(cluster: models.Cluster) -> None:
    orders.rotate_key(cluster, "anna")
    with pytest.raises(NotPossible, match="r1 and r2 has not got the last key"):
        orders.rotate_key(cluster, "anna")
    steps(1)
    for errand in orders.errands(cluster):
        answer(errand)
    steps(1)
    report("r1", revision(cluster, 2), **key(cluster))
    report("r2", revision(cluster, 2), redundancy={"keys": {"newest": "00000000"}})
    with pytest.raises(NotPossible, match="r2 has not got the last key"):
        orders.rotate_key(cluster, "anna")
    assert orders.key(cluster).routers == (("r1", True), ("r2", False))
    report("r2", revision(cluster, 2), **key(cluster))
    orders.rotate_key(cluster, "anna")
    assert cluster.keys.count() == 2


def test_a_key_is_nowhere_but_in_its_row_and_in_the_tasks(cluster: models.Cluster) -> None:
    (secret,) = cluster.key_ring()
    steps(1)
    third = dispatch.apply(cluster, author="anna", message="")
    steps(1)
    answer(of(third, "r2"))
    client = dispatch.broker()
    for name in client.scan_iter("piranha:*"):
        assert secret not in str(client.get(str(name)))
    for message in client.lrange("router.r2", 0, -1):  # type: ignore[union-attr]
        assert secret not in str(json.loads(str(message))["headers"])
    assert secret not in str(third.document) + third.lvs_cf
    shown = str(orders.key(cluster)) + str(cluster.keys.first()) + repr(cluster.keys.first())
    assert secret not in shown
    assert secret[:8] != orders.key(cluster).id


def test_what_was_changed_outside_is_said_and_left_alone(cluster: models.Cluster) -> None:
    report("r1", revision(cluster, 2), **STRANGE)
    steps()
    assert not orders.errands(cluster).exists()
    found = {one.router.name: one for one in dispatch.state(cluster).routers}
    assert found["r1"].is_outside
    assert "changed outside" in found["r1"].sentence
    assert not found["r2"].is_outside


def test_an_apply_overwrites_nothing_that_was_changed_outside_and_sends_nothing_to_the_other(
    cluster: models.Cluster,
) -> None:
    report("r1", revision(cluster, 2), **STRANGE)
    before = len(queued("r2"))
    third = dispatch.apply(cluster, author="anna", message="")
    steps()
    assert states(third) == {"r1": State.FAILED, "r2": State.CANCELLED}
    assert "changed outside" in of(third, "r1").error
    assert len(queued("r2")) == before
    assert cluster.standing_revision() == revision(cluster, 2)


def test_put_back_gives_the_running_revision_whatever_the_serial_number(cluster: models.Cluster) -> None:
    report("r1", revision(cluster, 2), **STRANGE)
    orders.put_back(models.Router.objects.get(name="r1"), "anna")
    steps(1)
    errand = orders.errands(cluster).get()
    assert (errand.kind, errand.by, errand.state) == ("put_back", "anna", "sent")
    assert queued("r1")[-1][1][1] == 99


def test_a_new_key_waits_until_it_is_decided_what_becomes_of_an_outside_change(
    cluster: models.Cluster,
) -> None:
    report("r1", revision(cluster, 2), **STRANGE)
    orders.rotate_key(cluster, "anna")
    steps()
    assert orders.errands(cluster).get(router__name="r1").state == "queued"


def test_without_a_running_revision_put_back_lets_the_next_apply_replace_what_is_there(
    redis_server: RedisServer,
) -> None:
    cluster = pair()
    report("r1", None, **STRANGE)
    orders.put_back(models.Router.objects.get(name="r1"), "anna")
    first = dispatch.apply(cluster, author="anna", message="")
    steps(1)
    answer(of(first, "r2"))
    steps(1)
    assert of(first, "r1").state == State.SENT
    assert queued("r1")[-1][1][1] == 99


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Lets every router answer at once to what it is asked directly."""

    def answered(said: Answer) -> None:
        monkeypatch.setattr(dispatch, "collect", lambda asked, _limit: dict.fromkeys(asked, said))

    return answered


def running(text: str, sha256: str) -> Answer:
    return {"ok": True, "result": {"lvs_cf": text, "sha256": sha256, "serial": 99}}


def test_taken_in_the_outside_text_is_the_candidate_and_the_next_apply_replaces_it(
    cluster: models.Cluster, told: Callable[[Answer], None]
) -> None:
    router = models.Router.objects.get(name="r1")
    text = write(store.load(cluster)).replace("persistent = 300", "persistent = 77")
    report("r1", revision(cluster, 2), **STRANGE)
    told(running(text, "e" * 64))
    found = orders.outside(router)
    assert [one.text for one in found.changes] == ["shop: persistent 300 → 77"]
    assert ("add", "+     persistent = 77") in found.difference
    with pytest.raises(NotPossible, match="another one by now"):
        orders.take_in(router, "f" * 64)
    orders.take_in(router, "e" * 64)
    assert store.load(cluster).virtual_servers[0].persistence == 77
    third = dispatch.apply(cluster, author="anna", message="")
    steps(1)
    answer(of(third, "r2"))
    steps(1)
    assert of(third, "r1").state == State.SENT
    assert queued("r1")[-1][1][1] == 99


def test_an_outside_text_with_errors_is_shown_and_not_taken_in(
    cluster: models.Cluster, told: Callable[[Answer], None]
) -> None:
    router = models.Router.objects.get(name="r1")
    report("r1", revision(cluster, 2), **STRANGE)
    told(running("virtual shop {\n  active = maybe\n}\n", "e" * 64))
    found = orders.outside(router)
    assert found.reading is not None
    assert not found.reading.ok
    with pytest.raises(NotPossible, match="cannot be taken in"):
        orders.take_in(router, "e" * 64)
    assert store.load(cluster).virtual_servers[0].name == "shop"


def test_a_router_that_is_not_heard_is_not_asked(cluster: models.Cluster) -> None:
    router = models.Router.objects.get(name="r1")
    reports.publish(dispatch.broker(), "r1", None, "pulse does not answer")
    found = orders.outside(router)
    assert found.problem == "r1 cannot be asked: its worker or its pulse does not answer."
    assert not orders.hand_over(router).ok
    with pytest.raises(NotPossible, match="when it is heard again"):
        orders.put_back(router, "anna")


def test_a_switch_says_what_the_router_said(cluster: models.Cluster, told: Callable[[Answer], None]) -> None:
    router = models.Router.objects.get(name="r1")
    told({"ok": True, "result": {"role": "standby", "message": "r2 is active now."}})
    assert orders.hand_over(router) == orders.Outcome(True, "r1: r2 is active now.")
    assert queued("r1")[-1] == ("piranha.hand_over", [False])
    told({"ok": False, "error": {"kind": "RouterError", "message": "r2 is not fit.", "problems": []}})
    assert orders.take_over_by_force(router) == orders.Outcome(False, "r1 did not do it: r2 is not fit.")


def test_a_switch_that_is_not_answered_in_time_is_taken_back(
    cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "ORDER_SECONDS", 0.05)
    outcome = orders.hand_over(models.Router.objects.get(name="r1"))
    assert "did not answer within" in outcome.sentence
    assert not [name for name in dispatch.broker().keys("piranha:wanted:*:order-*")]


def test_the_router_that_reports_that_it_is_standby_comes_first(cluster: models.Cluster) -> None:
    report("r1", revision(cluster, 2), role="standby")
    report("r2", revision(cluster, 2), role="active")
    third = dispatch.apply(cluster, author="anna", message="")
    assert [one.router.name for one in third.deployments.all()] == ["r1", "r2"]
    report("r1", revision(cluster, 2), role="active")
    report("r2", revision(cluster, 2), role="standby")
    steps(1)
    assert states(third) == {"r1": State.QUEUED, "r2": State.SENT}
    assert [one.router.name for one in third.deployments.all()] == ["r2", "r1"]
