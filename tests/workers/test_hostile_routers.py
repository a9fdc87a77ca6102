"""A router that was taken over writes what it likes under its keys: the manager goes on with all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from lvs import dispatch, models, store
from lvs.reported import answers, reports
from lvs.reported.report_parts import report_key
from lvs.sent import deploy, errands
from tests.conftest import RedisServer
from tests.workers.by_hand import CONFIG, State, answer, of, pair, report, steps

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[[redis.Redis, str], Any]
WRITES: dict[str, Write] = {
    "a list": lambda client, key: client.rpush(key, "x"),
    "a hash": lambda client, key: client.hset(key, "x", "y"),
    "no JSON": lambda client, key: client.set(key, "x"),
    "no text": lambda client, key: client.set(key, b"\xff\xfe"),
    "null": lambda client, key: client.set(key, "null"),
    "deep": lambda client, key: client.set(key, "[" * 100_000),
    "wrong types": lambda client, key: client.set(
        key, '{"ok": true, "result": {"changes": "x", "refused": 1, "seconds": "long"}, "at": "then"}'
    ),
}


@pytest.fixture
def clusters(redis_server: RedisServer) -> tuple[models.Cluster, models.Cluster]:
    """Two clusters, whose routers have nothing to do with each other."""
    first, second = pair(), store.create_cluster("second", "x1", "x2")
    store.save(second, CONFIG)
    return first, second


@pytest.mark.parametrize("what", WRITES)
def test_what_one_router_answers_holds_up_no_deployment_of_another(
    clusters: tuple[models.Cluster, models.Cluster], what: str
) -> None:
    hostile, other = (dispatch.apply(one, author="anna", message="") for one in clusters)
    steps(1)
    assert (of(hostile, "r2").state, of(other, "x2").state) == (State.SENT, State.SENT)

    WRITES[what](dispatch.broker(), answers.key_of("r2", of(hostile, "r2").task_id))
    answer(of(other, "x2"))
    steps(1)

    assert of(other, "x2").state == State.APPLIED
    assert of(other, "x1").state == State.SENT
    assert of(hostile, "r2").state == State.FAILED
    assert "what its worker answered is not understood" in of(hostile, "r2").error


@pytest.mark.parametrize("what", WRITES)
def test_what_one_router_reports_holds_up_nothing_of_another(
    clusters: tuple[models.Cluster, models.Cluster], what: str
) -> None:
    client = dispatch.broker()
    hostile, other = (dispatch.apply(one, author="anna", message="") for one in clusters)
    for router, revision in (("r1", hostile), ("r2", hostile), ("x1", other), ("x2", other)):
        report(router, revision)
    for key in (reports.brief_key_of("r1"), report_key("r1"), "piranha:refused:r1"):
        client.delete(key)
        WRITES[what](client, key)
    steps(1)
    for name in ("x2", "x1"):
        answer(of(other, name))
        deploy.advance()
        errands.look()
        errands.advance()

    assert {one.state for one in other.deployments.all()} == {State.APPLIED}
    briefs = reports.briefs(client, ["r1", "x1"])
    assert (briefs["r1"].is_current, briefs["x1"].is_current) == (False, True)
