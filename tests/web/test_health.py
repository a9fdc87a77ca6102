"""/healthz and /readyz: open to the allowed networks, silent about what only administrators should know."""

from __future__ import annotations

from typing import Any, Never

import pytest
from django.db import OperationalError, connection
from django.test import Client

from lvs import dispatch
from lvs.reported import reports
from piranha_web.views import health
from tests.conftest import RedisServer


def refused(*_words: Any) -> Never:
    raise OperationalError("could not connect to db.secret.example as piranha")


def manager_reports() -> None:
    reports.publish(dispatch.broker(), reports.MANAGER, None, None)


def test_it_is_alive_without_the_database_and_without_redis(
    anonymous: Client, redis_server: RedisServer
) -> None:
    redis_server.stop()
    with connection.execute_wrapper(refused):
        response = anonymous.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok\n")
    assert "Set-Cookie" not in response.headers
    assert response["Cache-Control"] == "no-store"


def test_it_is_ready_when_database_redis_and_the_managers_worker_are(
    anonymous: Client, redis_server: RedisServer
) -> None:
    manager_reports()

    response = anonymous.get("/readyz")

    assert (response.status_code, response.content) == (200, b"database ok\nredis ok\nmanager ok\n")


def test_without_the_managers_worker_it_is_not_ready(anonymous: Client, redis_server: RedisServer) -> None:
    response = anonymous.get("/readyz")

    assert (response.status_code, response.content) == (503, b"database ok\nredis ok\nmanager failed\n")


def test_without_redis_it_is_not_ready(anonymous: Client, redis_server: RedisServer) -> None:
    redis_server.stop()

    response = anonymous.get("/readyz")

    assert (response.status_code, response.content) == (503, b"database ok\nredis failed\nmanager failed\n")


def test_without_the_database_it_says_so_and_no_word_of_where_that_is(
    anonymous: Client, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    manager_reports()
    with connection.execute_wrapper(refused):
        response = anonymous.get("/readyz")

    assert (response.status_code, response.content) == (503, b"database failed\nredis ok\nmanager ok\n")
    assert "db.secret.example" in caplog.text


def test_however_many_ask_it_asks_once_a_second_and_logs_what_changes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now, asked, trouble = [100.0], [0], [""]

    def why() -> str:
        asked[0] += 1
        return trouble[0]

    monkeypatch.setattr(health, "PARTS", {"redis": why})
    readiness = health.Readiness(lambda: now[0])

    def after(seconds: float, said: str) -> tuple[frozenset[str], int]:
        now[0] += seconds
        trouble[0] = said
        return readiness.failed(), asked[0]

    assert [after(0, ""), after(0.5, "gone"), after(0.6, "gone")] == [
        (frozenset(), 1),
        (frozenset(), 1),
        (frozenset({"redis"}), 2),
    ]
    assert after(1, "gone for 2 s\n\x1b[2J") == (frozenset({"redis"}), 3)
    assert after(1, "") == (frozenset(), 4)
    assert [one.getMessage() for one in caplog.records] == ["not ready: redis: gone", "ready again: redis"]


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_who_may_not_reach_the_site_gets_neither(stranger: Client, address: str) -> None:
    assert stranger.get(address).status_code == 403
    assert stranger.post(address).status_code == 403


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_nothing_but_reading_is_taken(anonymous: Client, address: str) -> None:
    assert anonymous.post(address).status_code == 405
