"""The thread beside a worker outlives whatever goes wrong once, and the manager's is the only one."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import OperationalError

from lvs import dispatch, models
from lvs.machines import signing
from lvs.sent import deploy, orders
from piranha_web.worker import Repeater, alone, telling
from tests.conftest import RedisServer
from tests.workers.by_hand import pair, report


@pytest.mark.parametrize(
    "error", [redis.ConnectionError("away"), OperationalError("database is locked"), KeyError("result")]
)
def test_the_thread_goes_on_after_whatever_its_work_raises(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    worked = threading.Event()
    left = [error]

    def work() -> None:
        if left:
            raise left.pop()
        worked.set()

    with caplog.at_level(logging.WARNING, "piranha.worker"):
        repeater = Repeater("deploy", 0.001, work)
        repeater.start()
        assert worked.wait(10)
        repeater.stop()
        repeater.join(10)
    assert str(error) in caplog.text


def test_what_goes_wrong_again_and_again_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    enough = threading.Event()
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        if len(calls) == 5:
            enough.set()
        raise ValueError("broken")

    with caplog.at_level(logging.WARNING, "piranha.worker"):
        repeater = Repeater("deploy", 0.001, work)
        repeater.start()
        assert enough.wait(10)
        repeater.stop()
        repeater.join(10)
    assert caplog.text.count("unexpected error") == 1


def test_a_redis_that_is_full_is_logged_once_and_nothing_of_what_was_to_be_written(
    redis_server: RedisServer,
) -> None:
    client = dispatch.broker()
    numbers = iter(range(100))

    def work() -> None:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.set("piranha:report::manager", f"what was to be written\n{next(numbers)}")
            pipeline.execute()

    client.config_set("maxmemory", 1)
    try:
        repeater = Repeater("deploy", 0.001, work)
        said = {repeater.attempt() for _ in range(3)}
    finally:
        client.config_set("maxmemory", 0)
    (only,) = said
    assert "maxmemory" in only
    assert "written" not in only


@pytest.mark.django_db
def test_a_manager_that_cannot_sign_says_so_in_control_and_to_whoever_asks_a_router(
    redis_server: RedisServer, tmp_path: Path, settings: Any
) -> None:
    cluster = pair()
    settings.VAR = tmp_path
    (tmp_path / signing.KEY_FILE).write_text("no key")
    report("r1", None)
    outcome = orders.hand_over(models.Router.objects.get(name="r1"))
    assert "r1 cannot be asked" in outcome.sentence
    assert "put it back from a backup" in outcome.sentence
    dispatch.apply(cluster, author="anna", message="")
    with pytest.raises(signing.UnusableKey):
        telling(dispatch.broker(), deploy.advance)
    problem = dispatch.state(cluster).manager_problem
    assert problem is not None
    assert "put it back from a backup" in problem
    assert dispatch.broker().keys("router.*") == []


def test_there_is_one_worker_of_the_manager_at_a_time(tmp_path: Path) -> None:
    first = alone(tmp_path / "var" / "manager.lock")
    assert first is not None
    assert alone(tmp_path / "var" / "manager.lock") is None
    first.close()
    second = alone(tmp_path / "var" / "manager.lock")
    assert second is not None
    second.close()
