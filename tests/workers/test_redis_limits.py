"""A Redis that is full, and values in it of a hundred megabytes: what a router that was taken over can do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from lvs import dispatch, models, tasks
from lvs.machines import redis_words, refusals
from lvs.reported import answers, reading, report_parts, reports
from lvs.sent import asking
from piranha_web.worker import Repeater
from tests.conftest import RedisServer
from tests.workers.by_hand import pair, report

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024 * 1024
HUGE = 100 * MIB


@pytest.fixture
def cluster(redis_server: RedisServer) -> models.Cluster:
    """Two routers that have reported."""
    found = pair()
    for name in ("r1", "r2"):
        report(name, dispatch.apply(found, author="anna", message="") if name == "r1" else None)
    return found


@pytest.fixture
def client(cluster: models.Cluster) -> Iterator[redis.Redis]:
    """The manager's, of a Redis whose limit is put back."""
    found = dispatch.broker()
    yield found
    found.config_set("maxmemory", 0)


def sent(client: redis.Redis) -> int:
    """Bytes that Redis has sent to whomever."""
    return int(client.info("stats")["total_net_output_bytes"])


def test_a_value_of_a_hundred_megabytes_is_never_read_whole(client: redis.Redis) -> None:
    for key in (
        report_parts.report_key("r1"), reports.brief_key_of("r1"), report_parts.states_key("r1"),
        answers.key_of("r1", "t1"),
    ):  # fmt: skip
        client.delete(key)
        client.setrange(key, HUGE - 1, "x")
    client.delete(report_parts.servers_key("r1"), refusals.key_of("r1"))
    client.hset(report_parts.servers_key("r1"), mapping={"shop": b"x" * HUGE, "small": "{}"})
    client.hset(refusals.key_of("r1"), mapping={"forged": b"1" * HUGE, "late": "2", "late.at": "0"})

    steps = {
        "report": (lambda: reports.fetch(client, ["r1", "r2"]), reading.LARGEST_REPORT),
        "brief": (lambda: reports.briefs(client, ["r1", "r2"]), reading.LARGEST_BRIEF),
        "part": (lambda: report_parts.parts_of(client, "r1", ["shop", "small"]), 0),
        "refused": (lambda: refusals.fetch(client, ["r1", "r2"]), 0),
        "answer": (lambda: answers.take(client, "r1", "t1"), reading.LARGEST),
    }
    found = {}
    for name, (step, most) in steps.items():
        before = sent(client)
        found[name] = step()
        assert sent(client) - before < most + 256 * 1024, name

    assert not found["report"]["r1"].is_understood
    assert found["report"]["r2"].is_understood
    assert not found["brief"]["r1"].is_current
    assert found["part"] == {}
    assert [(one.kind, one.count) for one in found["refused"]] == [("late", 2)]
    assert found["answer"]["error"]["message"].startswith("what its worker answered is not understood")
    with pytest.raises(ValueError, match="it has more than 16 MiB"):
        report_parts.standings_of(client, "r1")


def test_many_fields_of_a_hash_together_have_a_limit_too(client: redis.Redis) -> None:
    client.hset("piranha:report:r1:servers", mapping={f"s{number}": b"x" * 1000 for number in range(10)})
    pipeline = client.pipeline(transaction=False)

    names = [f"s{number}" for number in range(11)]
    reading.ask_for_fields(pipeline, "piranha:report:r1:servers", names, most=1000, together=3500)

    assert pipeline.execute()[0] == [b"x" * 1000] * 3 + [1000] * 7 + [None]


def test_a_redis_without_memory_is_said_with_its_remedy_wherever_somebody_looks(
    client: redis.Redis, cluster: models.Cluster
) -> None:
    client.config_set("maxmemory", 1)

    now = dispatch.state(cluster)
    assert next(one.sentence for one in now.alarms) == f"{redis_words.FULL}."
    assert now.problem is None
    said = asking.ask_all(list(cluster.routers.order_by("name")), tasks.running, [], 5.0)
    assert {str(one) for one in said.values()} == {
        f"{name} cannot be asked: {redis_words.FULL}" for name in ("r1", "r2")
    }
    publish = Repeater("report", 1.0, lambda: reports.publish(client, "r1", None, None))
    assert publish.attempt() == redis_words.FULL

    client.config_set("maxmemory", 0)
    assert redis_words.FULL not in str(dispatch.state(cluster).alarms)
    assert publish.attempt() == ""
