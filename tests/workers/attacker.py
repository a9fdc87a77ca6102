"""Somebody who can write to Redis, and a router whose worker takes from it."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from lvs.machines import refusals, serials, signing
from lvs.machines.refusals import Kind
from lvs.machines.signing import SignedTask
from lvs.machines.worker_file import queue_of
from lvs.reported import answers, reports
from tests.conftest import eventually
from tests.unit.pulse.world import lvs_cf
from tests.workers.conftest import RouterProcesses

QUEUE = queue_of("r1")
LIMIT = 60.0  # seconds that a worker on a busy machine may take to start and answer
NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class Attack:
    """Attacks on r1. What is signed for them is what the manager itself might sign."""

    def __init__(self, router: RouterProcesses, folder: Path) -> None:
        self.router = router
        self.redis: redis.Redis = reports.connect(router.broker_url)
        self.trace = folder / "trace"

    def message(self, task: str, arguments: Any, **changes: Any) -> tuple[str, dict[str, Any]]:
        """A message as Celery writes it, without a signature, and its id; the task is wanted."""
        number = uuid.uuid4().hex
        answers.want(self.redis, "r1", number)
        return number, {**enveloped(number, task, arguments), **changes}

    def put(self, message: object) -> None:
        self.redis.lpush(QUEUE, message if isinstance(message, str) else json.dumps(message))

    def send(self, task: str, arguments: Any, **changes: Any) -> str:
        """Puts a task without a signature into the queue."""
        number, message = self.message(task, arguments, **changes)
        self.put(message)
        return number

    def signed(
        self,
        task: str,
        arguments: Any,
        *,
        router: str = "r1",
        key: Ed25519PrivateKey | None = None,
        serial: int | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """A message that is signed, and its id; the task is wanted. key: of the manager, if nobody else's."""
        number = uuid.uuid4().hex
        answers.want(self.redis, "r1", number)
        signed = SignedTask(
            router=router,
            task=task,
            task_id=number,
            arguments=arguments,
            serial=serials.next_serial(settings.VAR) if serial is None else serial,
        )
        sealed = signing.seal(key or signing.manager_key(settings.VAR), signed)
        return number, enveloped(number, task, list(sealed))

    def order(self, task: str, arguments: Any, **how: Any) -> str:
        """Puts a task of the manager into the queue."""
        number, message = self.signed(task, arguments, **how)
        self.put(message)
        return number

    def answer(self, number: str) -> answers.Answer:
        """What the worker answers."""
        found: list[answers.Answer] = []

        def there() -> bool:
            answer = answers.take(self.redis, "r1", number)
            if answer is not None:
                found.append(answer)
            return answer is not None

        eventually(there, f"the task {number} is answered", LIMIT)
        return found[0]

    def is_answered(self, number: str) -> bool:
        return answers.take(self.redis, "r1", number) is not None

    def is_harmless(self) -> bool:
        """Whether the same worker does the next honest task, and pulse runs what it ran before."""
        answer = self.answer(self.order("piranha.running", []))
        return (
            bool(answer["ok"])
            and answer["result"]["lvs_cf"] == lvs_cf(3)
            and self.router.processes["worker"].poll() is None
            and not self.trace.exists()
        )

    def refused(self) -> dict[Kind, int]:
        """What the worker has said that it refused since the beginning."""
        return {one.kind: one.count for one in refusals.fetch(self.redis, ["r1"])}

    def is_refused(self, kind: Kind, before: dict[Kind, int], times: int = 1) -> None:
        """Waits until the worker has said so."""
        wanted = before.get(kind, 0) + times
        eventually(lambda: self.refused().get(kind, 0) == wanted, f"{wanted} are refused as {kind}", LIMIT)


def enveloped(number: str, task: str, arguments: Any) -> dict[str, Any]:
    """A message in kombu's form with these arguments."""
    body = json.dumps([arguments, {}, NOTHING])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": number, "root_id": number, "parent_id": None},
        "properties": {
            "correlation_id": number,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": uuid.uuid4().hex,
        },
    }
