"""The one way into a router's worker: nothing that Celery sees has not come through here.

Theory. What is in the router's queue may be anybody's. `admit` is called with each message before Celery
looks at it. It finds the signed text and the signature, verifies (`lvs.machines.signing`), makes sure that
the task is for this router, has its serial number written down (`lvs.machines.serials`), and gives a message
made anew of what was signed. So no header, no option and no callback that somebody added to a message is ever
looked at, and a task that is added to `lvs.tasks` cannot forget any of this. What is refused has no answer;
it is counted (`lvs.machines.refusals`).
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lvs.errors import LvsError
from lvs.machines import signing
from lvs.machines.refusals import Kind, Refusals
from lvs.machines.serials import Late, Replayed, SeenSerials, Unrecorded
from lvs.machines.signing import Forged, SignedTask, Unsigned
from lvs.machines.worker_file import queue_of

UNKNOWN = "piranha.unknown"  # the task that answers for those that this worker does not have
KINDS = {
    Unsigned: Kind.UNSIGNED,
    Forged: Kind.FORGED,
    Replayed: Kind.REPLAYED,
    Late: Kind.LATE,
    Unrecorded: Kind.UNRECORDED,
}


class Refused(LvsError):
    """A message that goes no further."""


class Doorway:
    """Lets in what the manager sent to this router, once."""

    def __init__(
        self,
        router: str,
        keys: Sequence[Ed25519PublicKey],
        seen: SeenSerials,
        refusals: Refusals,
        known: Container[str] = frozenset(),
    ) -> None:
        """known: the names of the tasks that this worker has; of others UNKNOWN is told the name."""
        self._router = router
        self._known = known
        self._keys = tuple(keys)
        self._seen = seen
        self.refusals = refusals

    def admit(self, raw: object) -> dict[str, Any]:
        """The message for Celery that says what the manager signed. Refused: there is none."""
        try:
            text, signature = parts_of(raw)
            task = signing.unseal(text, signature, self._keys)
            if task.router != self._router:
                raise self.refused(Kind.FOREIGN, f"it is for {task.router!r}")
            self._seen.take(task.serial)
        except tuple(KINDS) as error:
            raise self.refused(KINDS[type(error)], str(error)) from error
        self.refusals.note_taken()
        if task.task not in self._known:
            task = replace(task, task=UNKNOWN, arguments=[task.task])
        return message_of(task)

    def refused(self, kind: Kind, why: str) -> Refused:
        """Counts a refusal; the error to raise."""
        self.refusals.note(kind, why)
        return Refused(f"{kind}: {why}")


def parts_of(raw: object) -> tuple[object, object]:
    """The text and the signature of a message as Celery writes it; Unsigned: they are not there."""
    try:
        body = raw["body"]  # type: ignore[index]  # whatever it is
        text, signature = json.loads(base64.b64decode(body, validate=True))[0]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise Unsigned("it is no task of a manager") from error
    return text, signature


def message_of(task: SignedTask) -> dict[str, Any]:
    """A task as Celery's protocol 2 has it, in kombu's form: what Celery is given instead of the message."""
    nothing = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return {
        "body": json.dumps([task.arguments, {}, nothing]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": task.task,
            "id": task.task_id,
            "root_id": task.task_id,
            "parent_id": None,
            "argsrepr": "(…)",  # keys may be among them: no log shows them
            "kwargsrepr": "{}",
        },
        "properties": {
            "correlation_id": task.task_id,
            "delivery_info": {"exchange": "", "routing_key": queue_of(task.router)},
            "delivery_mode": 2,
            "delivery_tag": uuid.uuid4().hex,
            "priority": 0,
            "body_encoding": None,
        },
    }
