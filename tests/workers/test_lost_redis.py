"""What a worker holds when its connection to Redis is lost."""

from __future__ import annotations

from kombu import Connection

from piranha_web.celery import app
from tests.conftest import RedisServer


def test_a_task_that_is_not_acknowledged_when_redis_is_lost_does_not_end_the_worker(
    redis_server: RedisServer,
) -> None:
    with Connection(redis_server.url, transport_options=app.conf.broker_transport_options) as connection:
        channel = connection.channel()
        with connection.SimpleQueue("router.r1") as queue:
            queue.put({"any": "task"})
        channel.queue_declare("router.r1")
        assert channel.basic_get("router.r1") is not None
        channel.connection.client = None  # as after a connection that was closed
        channel.close()
