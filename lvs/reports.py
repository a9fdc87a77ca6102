"""A router's report: what its worker read from pulse, kept in Redis under Redis' own clock.

The worker writes it every few seconds and the page reads it, so no page waits for a router and a hundred
open browsers cost a router nothing. Age is the difference of two readings of one clock, Redis': no router's
clock is believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis

INTERVAL = 2.0  # seconds between reports while somebody looks; also the beat that says "the worker lives"
SILENT_AFTER = 3 * INTERVAL  # a worker that misses three reports is said to be silent
FORGOTTEN_AFTER = 7 * 86_400
MANAGER = ":manager"  # the manager's own worker reports here; no router's name may begin with a colon


def connect(broker_url: str) -> redis.Redis:
    """A client for the broker's Redis that gives up after two seconds.

    broker_url: redis://, rediss:// or Celery's redis+socket://PATH?password=...
    """
    url = broker_url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=")
    return redis.Redis.from_url(
        url, socket_connect_timeout=2, socket_timeout=2, health_check_interval=0, decode_responses=True
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker last said. age: seconds; pulse: its status document, or None and why in problem."""

    name: str
    age: float
    pulse: Mapping[str, Any] | None = None
    problem: str | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the worker has not been heard for longer than it should be."""
        return self.age > SILENT_AFTER


def key_of(name: str) -> str:
    """The Redis key of a router's report."""
    return f"piranha:report:{name}"


def seconds(time: tuple[int, int]) -> float:
    """Redis' TIME answer (seconds, microseconds) as a number."""
    return time[0] + time[1] / 1e6


def publish(client: redis.Redis, name: str, pulse: Mapping[str, Any] | None, problem: str | None) -> None:
    """Writes the report of a router; redis.RedisError when Redis does not take it."""
    at = seconds(client.time())
    body = json.dumps({"at": at, "pulse": pulse, "problem": problem}, separators=(",", ":"))
    client.set(key_of(name), body, ex=FORGOTTEN_AFTER)


def fetch(client: redis.Redis, names: Iterable[str]) -> dict[str, Report]:
    """The reports of these routers; one that never reported is absent. RedisError: Redis is away."""
    wanted = list(names)
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    for name in wanted:
        pipeline.get(key_of(name))
    time, *bodies = pipeline.execute()
    now = seconds(time)
    reports = {}
    for name, body in zip(wanted, bodies, strict=True):
        if body is not None:
            said = json.loads(body)
            reports[name] = Report(
                name=name, age=max(0.0, now - said["at"]), pulse=said["pulse"], problem=said["problem"]
            )
    return reports
