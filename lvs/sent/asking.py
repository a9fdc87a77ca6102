"""Asking routers for what is for now or never: a task that is not answered in time is taken back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from celery import Task
from kombu.exceptions import KombuError

from lvs import dispatch, models
from lvs.errors import NotPossible
from lvs.machines.redis_words import in_words
from lvs.machines.signing import UnusableKey
from lvs.reported import answers, reports
from lvs.reported.answers import Answer
from lvs.sent import sending


@dataclass(frozen=True, slots=True)
class Told:
    """What a router told, in the shape of pulse's own answer (ARCHITECTURE.md), or why it did not."""

    document: Mapping[str, Any] | None = None
    problem: str | None = None


def ask(router: models.Router, task: Task, arguments: Sequence[object], limit: float) -> Answer:
    """What a router that is heard answers to a task within limit seconds, else NotPossible."""
    said = ask_all([router], task, arguments, limit)[router.name]
    if isinstance(said, NotPossible):
        raise said
    return said


def ask_all(
    routers: Sequence[models.Router], task: Task, arguments: Sequence[object], limit: float
) -> dict[str, Answer | NotPossible]:
    """The same of several routers at once, by their names; those that are not heard are not waited for."""
    client = dispatch.broker()
    said: dict[str, Answer | NotPossible] = {}
    asked: dict[str, str] = {}
    try:
        briefs = reports.briefs(client, [router.name for router in routers])
        for router in routers:
            brief = briefs.get(router.name)
            if brief is None or not brief.is_current:
                said[router.name] = NotPossible(
                    f"{router.name} cannot be asked: its worker or its pulse does not answer."
                )
                continue
            asked[router.name] = f"order-{uuid.uuid4().hex}"
            sending.send(client, router.name, task, arguments, asked[router.name], within=limit)
        found = dispatch.collect(asked, limit)
        for name, task_id in asked.items():
            answers.unwant(client, name, task_id)
    except (KombuError, redis.RedisError, OSError, UnusableKey) as error:
        why = in_words(error)
        return {router.name: NotPossible(f"{router.name} cannot be asked: {why}") for router in routers}
    for name in asked:
        said[name] = answers.fitting(found[name], task.name) if name in found else silent(name, limit)
    return said


def silent(name: str, limit: float) -> NotPossible:
    """What is said of a router that was asked and did not answer."""
    return NotPossible(
        f"{name} did not answer within {limit:.0f} s. Look at CONTROL/MONITORING for what it did."
    )


def told_by(
    routers: Sequence[models.Router], task: Task, arguments: Sequence[object], limit: float
) -> tuple[Told, ...]:
    """What routers tell that are asked now, at once."""
    said = ask_all(routers, task, arguments, limit)
    return tuple(told_in(router, said[router.name]) for router in routers)


def told_in(router: models.Router, said: Answer | NotPossible) -> Told:
    """A router's answer, or why there is none."""
    if isinstance(said, NotPossible):
        return Told(problem=str(said))
    return Told(said["result"]) if said["ok"] else Told(problem=f"{router.name}: {said['error']['message']}")
