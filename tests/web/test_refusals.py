"""What routers refused because the manager did not sign it, as the pages say it."""

from __future__ import annotations

import html

import pytest
import redis
from django.test import Client

from lvs import dispatch, models
from lvs.machines import refusals
from lvs.machines.refusals import Kind, Refusals
from tests.conftest import RedisServer


def page(client: Client, address: str) -> str:
    return html.unescape(client.get(address, follow=True).content.decode())


def refuse(kind: Kind, times: int, why: str = "x") -> None:
    counted = Refusals()
    for _ in range(times):
        counted.note(kind, why)
    counted.publish(dispatch.broker(), "r1")


def test_control_says_that_somebody_else_writes_to_redis_and_what_to_do(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    assert "refused" not in page(administrator, "/control")
    refuse(Kind.FORGED, 17)
    said = page(administrator, "/control")
    assert "r1 refused 17 tasks with a wrong signature, the last one 0 s ago" in said
    assert "somebody else can write to Redis. Give Redis' users new passwords" in said


def test_a_manager_that_counts_from_before_is_told_the_command(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    refuse(Kind.LATE, 1, "it is 90 s older")
    said = page(administrator, "/control")
    assert (
        "r1 refused 1 task that was too old, the last one 0 s ago: it is 90 s older. If this manager" in said
    )
    assert "piranha worker --router r1 --forget-serials" in said


def test_what_happened_hours_ago_is_a_warning_and_what_works_again_is_said_no_more(
    cluster: models.Cluster, redis_server: RedisServer
) -> None:
    refuse(Kind.UNSIGNED, 2)
    refuse(Kind.UNRECORDED, 3, "the disk is full")
    assert {one.kind: one.level for one in found()} == {Kind.UNSIGNED: "danger", Kind.UNRECORDED: "danger"}
    key = refusals.key_of("r1")
    dispatch.broker().hset(key, "unsigned.at", float(str(dispatch.broker().hget(key, "unsigned.at"))) - 7300)
    works = Refusals()
    works.note_taken()
    works.publish(dispatch.broker(), "r1")
    (left,) = found()
    assert (left.kind, left.level, left.count) == (Kind.UNSIGNED, "warning", 2)
    assert "the last one 2 h ago" in left.sentence


def test_what_is_counted_while_redis_is_away_is_told_when_it_is_back(redis_server: RedisServer) -> None:
    counted = Refusals()
    counted.note(Kind.FORGED, "x")
    redis_server.stop()
    with pytest.raises(redis.RedisError):
        counted.publish(dispatch.broker(), "r1")
    counted.note(Kind.FORGED, "y")
    redis_server.start()
    counted.publish(dispatch.broker(), "r1")
    (told,) = found()
    assert (told.count, told.why) == (2, "y")


def found() -> tuple[refusals.Refused, ...]:
    return refusals.fetch(dispatch.broker(), ["r1", "r2"])
