"""How the manager gives a router a task: signed, with a serial number, into the router's queue."""

from __future__ import annotations

import math
from collections.abc import Sequence

import redis
from celery import Task
from django.conf import settings

from lvs.machines import serials, signing
from lvs.machines.signing import SignedTask
from lvs.machines.worker_file import queue_of
from lvs.reported import answers


def send(
    client: redis.Redis,
    router: str,
    task: Task,
    arguments: Sequence[object],
    task_id: str,
    within: float | None = None,
) -> None:
    """Has a router carry out a task, whose answer comes by `answers.take(client, router, task_id)`.

    within: seconds after which nobody waits for it any more, by Redis' clock; None: as long as it takes.
    redis.RedisError, KombuError, OSError: Redis does not take it; UnusableKey: it cannot be signed.
    """
    answers.want(client, router, task_id, answers.WANTED if within is None else math.ceil(within))
    put(router, task, arguments, task_id)


def put(router: str, task: Task, arguments: Sequence[object], task_id: str) -> None:
    """Signs a task and puts it into the router's queue."""
    signed = SignedTask(
        router=router,
        task=task.name,
        task_id=task_id,
        arguments=arguments,
        serial=serials.next_serial(settings.VAR),
    )
    task.app.send_task(
        task.name,
        list(signing.seal(signing.manager_key(settings.VAR), signed)),
        queue=queue_of(router),
        task_id=task_id,
        retry=False,
        argsrepr="(…)",  # keys are among them: nothing that shows tasks may show these
    )
