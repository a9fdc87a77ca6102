"""Reports and their briefs: what is kept, how old it is, and how little is read for the age alone."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import redis

from lvs import dispatch
from lvs.reported import reports
from tests.conftest import RedisServer
from tests.web.redundant import KEY, redundant
from tests.web.reports import status


def keep(name: str, pulse: dict[str, Any] | None, problem: str | None = None) -> None:
    reports.publish(dispatch.broker(), name, pulse, problem)


def test_a_brief_has_what_the_manager_asks_for(redis_server: RedisServer) -> None:
    waits = {"serial": 3, "seconds_left": 9.5, "back_to": 2}
    keep("r1", redundant("active", serial=3, unconfirmed=waits))
    brief = reports.briefs(dispatch.broker(), ["r1", "r2"])["r1"]
    assert brief == reports.Brief(
        name="r1",
        age=brief.age,
        answers=True,
        role="active",
        serial=3,
        sha256="0" * 64,
        knows_confirmation=True,
        unconfirmed=3,
        key=KEY,
    )
    assert brief.age < 5
    assert brief.is_current


def test_a_pulse_without_a_heart_has_a_brief_without_a_key(redis_server: RedisServer) -> None:
    keep("r1", status())
    brief = reports.briefs(dispatch.broker(), ["r1"])["r1"]
    assert (brief.key, brief.unconfirmed, brief.knows_confirmation) == (None, None, False)


def test_a_pulse_that_does_not_answer_makes_a_brief_that_is_not_current(redis_server: RedisServer) -> None:
    keep("r1", None, "pulse does not answer")
    brief = reports.briefs(dispatch.broker(), ["r1"])["r1"]
    assert not brief.is_silent
    assert not brief.is_current


def test_a_brief_stays_small_however_large_the_report_is(redis_server: RedisServer) -> None:
    keep("r1", redundant("active", events=[{"at": 0, "level": "info", "text": "x" * 1000}] * 1000))
    assert len(str(dispatch.broker().get(reports.brief_key_of("r1")))) < 400


def test_words_that_a_newer_worker_adds_to_a_brief_are_left_out(redis_server: RedisServer) -> None:
    brief = json.dumps({"at": 0, "answers": True, "word_of_tomorrow": 1})
    dispatch.broker().set(reports.brief_key_of("r1"), brief)
    assert reports.briefs(dispatch.broker(), ["r1"])["r1"].is_silent


def test_a_process_has_one_client_for_its_broker(redis_server: RedisServer) -> None:
    assert dispatch.broker() is dispatch.broker()
    before = clients(redis_server)
    for _ in range(20):
        reports.briefs(dispatch.broker(), ["r1"])
    assert clients(redis_server) <= before + 1


def test_threads_share_the_client(redis_server: RedisServer) -> None:
    keep("r1", status())
    found: list[reports.Brief] = []
    threads = [
        threading.Thread(target=lambda: found.append(reports.briefs(dispatch.broker(), ["r1"])["r1"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [brief.serial for brief in found] == [1] * 8


def test_a_forked_process_speaks_over_a_connection_of_its_own(redis_server: RedisServer) -> None:
    client = dispatch.broker()
    client.set("who", "parent")
    own = client.client_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(client.client_id()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) not in (b"", str(own).encode())
    os.close(reading)
    os.close(writing)
    assert client.get("who") == "parent"


def test_the_client_finds_redis_again_after_it_was_restarted(redis_server: RedisServer) -> None:
    keep("r1", status())
    redis_server.stop()
    redis_server.start()
    assert reports.briefs(dispatch.broker(), ["r1"]) == {}


def clients(server: RedisServer) -> int:
    with redis.Redis(unix_socket_path=str(server.socket)) as own:
        return len(own.client_list()) - 1
