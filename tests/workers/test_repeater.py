"""The thread beside a worker outlives whatever goes wrong once, and the manager's is the only one."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
import redis
from django.db import OperationalError

from piranha_web.worker import Repeater, alone


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


def test_there_is_one_worker_of_the_manager_at_a_time(tmp_path: Path) -> None:
    first = alone(tmp_path / "var" / "manager.lock")
    assert first is not None
    assert alone(tmp_path / "var" / "manager.lock") is None
    first.close()
    second = alone(tmp_path / "var" / "manager.lock")
    assert second is not None
    second.close()
