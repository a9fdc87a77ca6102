"""Has the router on this machine guard the panel's port, as PIRANHA_GUARD says: who may not reach the site
does not reach its port. The site's own list stays in front, for whatever gets through.

Theory. What a router guards is what it reports. `advance`, called several times a second by the manager's
worker, compares that with what is wanted, and sends the router a task where they differ; both not more often
than every LOOK_SECONDS, and at once when what is wanted has changed. Nothing is kept but what is under way:
a worker that begins anew asks anew. pulse refuses a guard that would cut somebody's connection, and what it
refuses is `problem`, for log and pages, until it is mended.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

import redis
from kombu.exceptions import KombuError

from lvs import tasks
from lvs.errors import LvsError
from lvs.machines.signing import UnusableKey
from lvs.reported import answers, reports
from lvs.router.guards import document_of, read_document
from lvs.router.state import Guard
from lvs.sent import sending

LOOK_SECONDS = 10.0  # between two looks at what the router reports
OVERDUE_SECONDS = tasks.GUARD_SECONDS + 10.0  # after this an answer will not come any more

log = logging.getLogger("piranha.guarding")


class Warden:
    """Sees to it that a router guards the panel's port so. problem: why it does not, in a sentence.

    wanted: is asked at every step, for the list of who may reach the site changes while this runs.
    """

    def __init__(
        self,
        client: redis.Redis,
        router: str,
        wanted: Callable[[], Guard],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._router = router
        self._wanted = wanted
        self._guard = self._asked_for = wanted()
        self._clock = clock
        self._look_at = clock()
        self._asked: str | None = None  # the task whose answer is waited for
        self._asked_at = 0.0
        self._unheard = 0  # looks in a row at which the router was not heard
        self.problem: str | None = None

    def advance(self) -> None:
        """One step on. redis.RedisError while Redis is away."""
        if (wanted := self._wanted()) != self._guard:
            self._guard, self._look_at = wanted, self._clock()
        if self._asked is not None:
            self._take_answer(self._asked)
        elif self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_SECONDS
            self._look()

    def _look(self) -> None:
        brief = reports.briefs(self._client, [self._router]).get(self._router)
        if brief is None or not brief.is_current:
            self._unheard += 1
            if self._unheard > 1:  # a machine that boots may begin with the manager's worker
                self._say(f"router {self._router} is not heard, or its pulse does not answer")
            return
        self._unheard = 0
        if self._is_as_wanted(brief):
            self._say(None)
        else:
            self._ask()

    def _is_as_wanted(self, brief: reports.Brief) -> bool:
        try:
            return read_document(brief.guard) == self._guard
        except (LvsError, KeyError, TypeError):  # of another version: it is told what is wanted here
            return False

    def _ask(self) -> None:
        task_id = f"guard-{uuid.uuid4().hex}"
        wanted = document_of(self._guard) or {}
        arguments = [wanted["port"], wanted["networks"]]
        try:
            sending.send(self._client, self._router, tasks.guard, arguments, task_id, within=OVERDUE_SECONDS)
        except (KombuError, OSError, UnusableKey) as error:
            self._say(f"router {self._router} cannot be asked: {error}")
            return
        self._asked, self._asked_at, self._asked_for = task_id, self._clock(), self._guard

    def _take_answer(self, task_id: str) -> None:
        answer = answers.take(self._client, self._router, task_id)
        if answer is None:
            if self._clock() - self._asked_at < OVERDUE_SECONDS:
                return
            self._say(f"router {self._router} did not answer")
        else:
            self._say(
                None if answer["ok"] else f"router {self._router} refuses: {answer['error']['message']}"
            )
        answers.unwant(self._client, self._router, task_id)
        self._asked = None
        if self._asked_for == self._guard:
            self._look_at = self._clock() + LOOK_SECONDS  # by then it has reported what it guards

    def _say(self, reason: str | None) -> None:
        problem = (
            None if reason is None else f"Port {self._guard.port} of this panel is not guarded: {reason}"
        )
        if problem != self.problem:
            log.warning("%s", problem or f"Port {self._guard.port} of this panel is guarded.")
        self.problem = problem
