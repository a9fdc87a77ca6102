"""What a worker holds when its connection to Redis is lost."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection

from lvs.machines.doorway import message_of
from lvs.machines.signing import SignedTask
from piranha_web.celery import PatientChannel, app
from tests.conftest import RedisServer


class OpenDoor:
    """Lets in whatever comes."""

    def admit(self, raw: object) -> dict[str, Any]:
        task = SignedTask(router="r1", task="piranha.plan", task_id="t", arguments=[], serial=1)
        return message_of(task)


def test_a_task_that_is_not_acknowledged_when_redis_is_lost_does_not_end_the_worker(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientChannel, "doorway", OpenDoor())
    with Connection(redis_server.url, transport_options=app.conf.broker_transport_options) as connection:
        channel = connection.channel()
        with connection.SimpleQueue("router.r1") as queue:
            queue.put({"any": "task"})
        channel.queue_declare("router.r1")
        assert channel.basic_get("router.r1") is not None
        channel.connection.client = None  # as after a connection that was closed
        channel.close()
