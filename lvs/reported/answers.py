"""What a router's task answered, kept in Redis under the task's id until its sender has looked; and whether
it is still wanted: a task may lie in the queue of a router that is down until another one has long done its
work and what it installs is out of date.

The keys have the router's name in them: its user of Redis reaches these alone (`lvs.machines.redis_users`).

Celery's own Redis result backend subscribes at every send and, when Redis is lost, blocks its caller for 20 s
of retries (celery.backends.redis, ResultConsumer); no page may wait like that. An answer here is one SET by
the worker and one GET by whoever asked, both with the two-second limits of `lvs.reported.reports.connect`.
"""

from __future__ import annotations

import json
from typing import Any

import redis

from lvs.reported import reading, report_shape
from lvs.reported.shape import Misshapen, fault

Answer = dict[str, Any]

NOT_UNDERSTOOD = "NotUnderstood"  # an error's kind that no router has
KEPT = 86_400  # seconds; the manager looks several times a second
WANTED = 30 * 86_400  # seconds that a task may wait for a router that is down


def key_of(router: str, task_id: str) -> str:
    """The Redis key of a task's answer."""
    return f"piranha:answer:{router}:{task_id}"


def give(client: redis.Redis, router: str, task_id: str, answer: Answer) -> None:
    """Writes the answer of a task; redis.RedisError when Redis does not take it."""
    client.set(key_of(router, task_id), json.dumps(answer, separators=(",", ":")), ex=KEPT)


def take(client: redis.Redis, router: str, task_id: str) -> Answer | None:
    """The answer of a task, None as long as there is none; redis.RedisError when Redis is away.

    What is no answer is as good as a refusal that says so.
    """
    found = reading.read(client, key_of(router, task_id))
    try:
        return reading.judged(found, report_shape.ANSWER)
    except Misshapen as error:
        return not_understood(str(error))


def fitting(answer: Answer, task: str) -> Answer:
    """The answer to that task, if its result has the shape that is read here; else a refusal that says so."""
    kind = report_shape.RESULTS.get(task)
    if not answer["ok"] or kind is None or kind(answer["result"]):
        return answer
    return not_understood(f"result{fault(kind, answer['result'])}")


def not_understood(why: str) -> Answer:
    """In place of an answer that is none."""
    message = f"what its worker answered is not understood ({why}): is it as new as this site?"
    return {"ok": False, "error": {"kind": NOT_UNDERSTOOD, "message": message, "problems": []}}


def wanted_key_of(router: str, task_id: str) -> str:
    """The Redis key that says that a task is wanted."""
    return f"piranha:wanted:{router}:{task_id}"


def want(client: redis.Redis, router: str, task_id: str, seconds: int = WANTED) -> None:
    """Notes, before a task is sent, that it may be carried out; redis.RedisError when Redis is away.

    seconds: for how long, by Redis' clock: no two machines' clocks are compared.
    """
    client.set(wanted_key_of(router, task_id), "1", ex=seconds)


def unwant(client: redis.Redis, router: str, task_id: str) -> None:
    """Takes that back: its answer has come, or another task is sent in its place."""
    client.delete(wanted_key_of(router, task_id))


def is_wanted(client: redis.Redis, router: str, task_id: str) -> bool:
    """Whether a task may be carried out. A Redis that lost its tasks has lost this with them."""
    return bool(client.exists(wanted_key_of(router, task_id)))
