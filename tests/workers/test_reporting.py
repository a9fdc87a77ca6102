"""What a router's worker asks of pulse and writes to Redis, with a pulse that counts the questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis

from lvs.errors import RouterError
from lvs.machines.redis_users import grant, revoke, user_of
from lvs.reported import rates, report_parts, reports
from lvs.reported.reporting import BATCH, SMALL, Reporter
from lvs.reported.sampling import EXPIRES, Sampler
from lvs.reported.traffic import SERVERS, SERVICES, key
from tests.conftest import RedisServer
from tests.web.reports import real_server, status


class Pulse:
    """Some virtual servers with real servers; asked: the names of each question for some of them."""

    def __init__(self, services: int, reals: int) -> None:
        self.parts: dict[str, dict[str, Any]] = {}
        self.marks: dict[str, int] = {}
        self.asked: list[str] = []
        self.refusal = ""
        self.connections = 1000
        for number in range(services):
            self.put(f"shop{number}", reals)

    def put(self, name: str, reals: int) -> None:
        servers = [real_server(f"web{each}", f"10.0.{each // 250}.{each % 250 + 1}") for each in range(reals)]
        part = status()["virtual_servers"][0]
        self.parts[name] = {**part, "name": name, "key": f"tcp {name}", "real_servers": servers}
        self.marks[name] = 0

    def fail(self, name: str, real: int = 0) -> None:
        old = self.parts[name]["real_servers"][real]
        failed = real_server(old["name"], old["address"], "failed", "connect: refused")
        self.parts[name]["real_servers"][real] = failed
        self.marks[name] += 1

    def status(self, servers: Sequence[str] | None = None) -> dict[str, Any]:
        if self.refusal:
            raise RouterError(self.refusal)
        head = status()
        del head["virtual_servers"], head["foreign"]
        if not servers:
            return {**head, "marks": dict(self.marks)}
        self.asked += servers
        return {**head, "virtual_servers": [self.parts[name] for name in servers if name in self.parts]}

    def counters(self) -> dict[str, Any]:
        return {
            "virtual_servers": {name: [self.connections, 2, 3, 4, 5] for name in self.parts},
            "foreign": [],
        }


class Clock:
    """Seconds that go on only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    made = reports.connect(redis_server.url)
    yield made
    made.close()


class Table:
    """A reporter with its pulse and its clock."""

    def __init__(self, client: redis.Redis, services: int, reals: int) -> None:
        self.client, self.clock, self.pulse = client, Clock(), Pulse(services, reals)
        self.reporter = Reporter(client, "r1", self.pulse, clock=self.clock)

    def report(self, seconds: float = reports.INTERVAL) -> list[str]:
        """One report, some seconds after the last; the virtual servers that pulse was asked for."""
        self.clock.now += seconds
        self.pulse.asked.clear()
        self.reporter.report()
        return list(self.pulse.asked)

    @property
    def said(self) -> dict[str, Any]:
        pulse = reports.fetch(self.client, ["r1"])["r1"].pulse
        assert pulse is not None
        return dict(pulse)


def test_a_small_cluster_is_in_the_report_whole(client: redis.Redis):
    table = Table(client, 3, 2)
    assert table.report() == ["shop0", "shop1", "shop2"]
    said = table.said
    assert [one["name"] for one in said["virtual_servers"]] == ["shop0", "shop1", "shop2"]
    assert said["summary"] == {
        "virtual_servers": 3,
        "real_servers": 6,
        "whole": True,
        "unread": 0,
        "counts": {"healthy": 6},
        "services": {"in_service": 3},
        "attention": 0,
    }
    assert reports.briefs(client, ["r1"])["r1"].role == "active"


def test_while_nobody_looks_pulse_is_asked_every_ten_seconds_and_for_what_changed_at_once(
    client: redis.Redis,
):
    table = Table(client, 3, 2)
    table.report()
    client.delete(report_parts.looked_at_all_key("r1"))
    assert table.report() == []
    table.pulse.fail("shop1")
    assert table.report() == ["shop1"]
    assert table.report(10) == ["shop0", "shop1", "shop2"]
    assert table.said["summary"]["counts"] == {"healthy": 5, "failed": 1}
    assert table.report() == ["shop0", "shop1", "shop2"], "a page looks now"


def test_a_large_cluster_is_asked_for_bit_by_bit(client: redis.Redis):
    table = Table(client, 120, 10)
    assert SMALL < 1200
    assert sorted(table.report()) == sorted(table.pulse.parts), "nothing was known before"
    first = table.report()
    assert len(first) == 5
    turns = first + [name for _ in range(23) for name in table.report()]
    assert sorted(turns) == sorted(table.pulse.parts), "each has its turn within the time of one"


def test_what_a_page_shows_is_asked_for_each_time(client: redis.Redis):
    table = Table(client, 120, 10)
    table.report()
    table.report()
    parts = report_parts.parts_of(client, "r1", ["shop77", "shop5", "nobody"])
    assert parts.keys() == {"shop77", "shop5"}
    assert {"shop77", "shop5"} <= set(table.report())
    assert {"shop77", "shop5"} <= set(table.report())
    assert "nobody" not in table.report()


def test_the_report_of_a_large_cluster_tells_of_the_worst(client: redis.Redis):
    table = Table(client, 120, 10)
    table.report()
    for each in range(10):
        table.pulse.fail("shop99", each)
    table.pulse.fail("shop50")
    table.report()
    said = table.said
    names = [one["name"] for one in said["virtual_servers"]]
    assert names[:2] == ["shop99", "shop50"]
    assert len(names) == 10
    assert not said["summary"]["whole"]
    assert said["summary"]["services"] == {"in_service": 119, "unserved": 1}
    assert said["summary"]["counts"] == {"healthy": 1189, "failed": 11}
    assert said["summary"]["attention"] == 12
    standings = report_parts.standings_of(client, "r1")
    assert list(standings) == list(table.pulse.parts)
    assert standings["shop99"].state == "unserved"
    assert standings["shop50"].counts == {"healthy": 9, "failed": 1}


def test_the_time_for_questions_is_limited_and_the_rest_comes_next_time(client: redis.Redis):
    table = Table(client, 120, 10)
    slow = table.pulse.status

    def status_slowly(servers: Sequence[str] | None = None) -> dict[str, Any]:
        table.clock.now += 2.0 if servers else 0.0
        return slow(servers)

    table.pulse.status = status_slowly  # type: ignore[method-assign]
    assert len(table.report()) == BATCH
    assert table.said["summary"]["unread"] == 120 - BATCH
    assert not table.said["summary"]["whole"]
    table.report()
    table.report()
    assert table.said["summary"]["unread"] == 0


def test_only_what_changed_is_written(client: redis.Redis):
    table = Table(client, 3, 2)
    table.report()
    client.hset(report_parts.servers_key("r1"), "shop0", "{}")
    table.pulse.fail("shop1")
    table.report()
    assert client.hget(report_parts.servers_key("r1"), "shop0") == "{}", "it was not written again"
    found = json.loads(str(client.hget(report_parts.servers_key("r1"), "shop1")))
    assert found["real_servers"][0]["health"] == "failed"
    assert "checked_at" not in found["real_servers"][0]


def test_a_redis_that_has_lost_everything_gets_it_again(client: redis.Redis):
    table = Table(client, 3, 2)
    table.report()
    client.flushall()
    assert table.report() == ["shop0", "shop1", "shop2"]
    assert client.hlen(report_parts.servers_key("r1")) == 3
    assert report_parts.standings_of(client, "r1").keys() == {"shop0", "shop1", "shop2"}


def test_virtual_servers_that_are_out_of_service_leave_the_report(client: redis.Redis):
    table = Table(client, 3, 2)
    table.report()
    del table.pulse.parts["shop1"], table.pulse.marks["shop1"]
    table.report()
    assert set(client.hkeys(report_parts.servers_key("r1"))) == {"shop0", "shop2"}
    assert [one["name"] for one in table.said["virtual_servers"]] == ["shop0", "shop2"]
    table.pulse.parts.clear()
    table.pulse.marks.clear()
    table.report()
    table.report()
    assert table.said["virtual_servers"] == []
    assert table.said["summary"]["whole"]


def test_why_pulse_does_not_answer_is_reported_and_its_parts_stay(client: redis.Redis):
    table = Table(client, 3, 2)
    table.report()
    table.pulse.refusal = "it is away"
    table.report()
    found = reports.fetch(client, ["r1"])["r1"]
    assert (found.pulse, found.problem) == (None, "it is away")
    assert client.hlen(report_parts.servers_key("r1")) == 3
    table.pulse.refusal = ""
    table.report()
    assert table.said["summary"]["whole"]


def test_a_pulse_from_before_the_marks_is_reported_whole(client: redis.Redis):
    table = Table(client, 3, 2)
    whole = status()
    table.pulse.status = lambda servers=None: whole  # type: ignore[method-assign,assignment]
    table.report()
    assert [one["name"] for one in table.said["virtual_servers"]] == ["shop"]
    assert table.said["summary"]["whole"]


def test_problems_that_only_the_reading_of_the_table_shows_stay_until_the_next_reading(client: redis.Redis):
    table = Table(client, 3, 2)
    plain = table.pulse.status

    def without_a_table(servers: Sequence[str] | None = None) -> dict[str, Any]:
        said = plain(servers)
        return {**said, "problems": ["the table cannot be read"]} if servers else said

    table.pulse.status = without_a_table  # type: ignore[method-assign]
    table.report()
    client.delete(report_parts.looked_at_all_key("r1"))
    assert table.report() == []
    assert table.said["problems"] == ["the table cannot be read"]
    table.pulse.status = plain  # type: ignore[method-assign]
    table.report(10)
    assert table.said["problems"] == []


def raw(client: redis.Redis, name: str) -> bytes:
    found = client.execute_command("GET", name, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
    return bytes(found)


def test_samples_are_written_where_their_time_is(client: redis.Redis):
    clock, pulse = Clock(), Pulse(1, 2)
    sampler = Sampler("r1", clock=clock)
    for step in range(4):
        sampler.begin(100_000.0 + 10 * step, "active")
        sampler.take_parts(pulse.parts.values())
        assert sampler.is_due
        sampler.take_services(pulse.counters()["virtual_servers"])
        assert not sampler.is_due
        pipeline = client.pipeline()
        sampler.write(pipeline)
        pipeline.execute()
        pulse.connections += 50
        clock.now += 10
    ring = raw(client, key("r1", "shop0"))
    assert len(ring) == SERVICES.length
    found = SERVICES.series(ring, SERVICES.tick(100_030.0), "connections")
    assert found[:-4] == [None] * 356
    assert found[-4] is None, "one reading says nothing of a rate"
    assert found[-3:] == pytest.approx([5.0, 5.0, 5.0], rel=0.001)
    assert SERVICES.series(ring, SERVICES.tick(100_030.0), "active")[-4:] == pytest.approx([6] * 4, rel=0.001)
    assert raw(client, key("r1")) == ring, "of one virtual server all is the same"
    assert 3600 < client.ttl(key("r1")) <= EXPIRES
    assert rates.read(client, ["r1"]) == {}, "that was said long ago"
    said = json.loads(str(client.get(rates.key("r1"))))
    assert said == {"at": 100_030.0, "rates": {"shop0": [5.0, 6]}}
    server = SERVERS.series(raw(client, key("r1", "shop0", "web1")), SERVERS.tick(100_030.0), "active")
    assert server[-1] == pytest.approx(3, rel=0.001)


def test_a_standby_that_sees_nothing_writes_nothing(client: redis.Redis):
    clock, pulse = Clock(), Pulse(1, 2)
    for part in pulse.parts.values():
        for one in part["real_servers"]:
            one["counters"] = {**one["counters"], "active": 0, "inactive": 0}
    sampler = Sampler("r2", clock=clock)
    for step in range(3):
        sampler.begin(100_000.0 + 10 * step, "standby")
        sampler.take_parts(pulse.parts.values())
        sampler.take_services(pulse.counters()["virtual_servers"])
        pipeline = client.pipeline()
        sampler.write(pipeline)
        pipeline.execute()
        clock.now += 10
    assert client.keys("piranha:traffic:*") == []
    assert client.get(rates.key("r2")) is None


def test_a_worker_that_begins_anew_leaves_what_was_there_until_it_knows_better(client: redis.Redis):
    Table(client, 120, 10).report()
    table = Table(client, 120, 10)
    table.pulse.fail("shop3")
    del table.pulse.parts["shop119"], table.pulse.marks["shop119"]
    plain = table.pulse.status

    def status_slowly(servers: Sequence[str] | None = None) -> dict[str, Any]:
        table.clock.now += 2.0 if servers else 0.0
        return plain(servers)

    table.pulse.status = status_slowly  # type: ignore[method-assign]
    table.report()
    assert client.hlen(report_parts.servers_key("r1")) == 119
    assert len(report_parts.standings_of(client, "r1")) == 120, "of before"
    table.report()
    table.report()
    standings = report_parts.standings_of(client, "r1")
    assert len(standings) == 119
    assert standings["shop3"].counts == {"healthy": 9, "failed": 1}
    assert "shop119" not in standings


def test_a_routers_own_user_of_redis_may_do_all_that(client: redis.Redis, redis_server: RedisServer):
    password = grant(client, "r1")
    own = redis.Redis(
        unix_socket_path=str(redis_server.socket),
        username=user_of("r1"),
        password=password,
        decode_responses=True,
    )
    try:
        table = Table(own, 3, 2)
        table.report()
        report_parts.parts_of(client, "r1", ["shop0"])
        del table.pulse.parts["shop1"], table.pulse.marks["shop1"]
        table.pulse.fail("shop2")
        table.report()
        table.pulse.refusal = "it is away"
        table.report()
        assert reports.fetch(client, ["r1"])["r1"].problem == "it is away"
        assert report_parts.standings_of(client, "r1").keys() == {"shop0", "shop2"}
        assert client.exists(key("r1", "shop0", "web1"))
    finally:
        own.close()
        revoke(client, "r1")  # which clears away what it wrote
