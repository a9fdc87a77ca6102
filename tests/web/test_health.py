"""/healthz and /readyz: open to the allowed networks, silent about what only administrators should know."""

from __future__ import annotations

from typing import Any, Never

import pytest
from django.db import OperationalError, connection
from django.test import Client

from lvs import dispatch, reports
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


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_who_may_not_reach_the_site_gets_neither(stranger: Client, address: str) -> None:
    assert stranger.get(address).status_code == 403
    assert stranger.post(address).status_code == 403


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_nothing_but_reading_is_taken(anonymous: Client, address: str) -> None:
    assert anonymous.post(address).status_code == 405
