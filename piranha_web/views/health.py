"""Whether the site is alive, and whether it can work: for whatever starts it again or sends people elsewhere.

Both are open without a login, behind the list of allowed networks, and say no more than which part fails:
why stands in the log. They take no session, so that they also answer where the database does not. However
many ask, database and Redis are asked once a second by each process, and the log has what changes.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

import redis
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from lvs import dispatch, models
from lvs.reported import reports
from lvs.rows.audit import harmless
from piranha_web.access.roles import VIEWER, needs
from piranha_web.databases.room import must_take_changes

log = logging.getLogger("piranha.site")

KEPT_SECONDS = 1.0  # of an answer
TEXT = "text/plain; charset=utf-8"
everybody = needs(VIEWER, everywhere=True, always=True, polls=True)


@everybody
@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; it asks nobody."""
    return HttpResponse("ok\n", content_type=TEXT)


@everybody
@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """What the site needs, a line each: the database, Redis, the manager's worker. 503 where one fails."""
    failed = READINESS.failed()
    lines = (f"{name} {'failed' if name in failed else 'ok'}\n" for name in PARTS)
    return HttpResponse("".join(lines), status=503 if failed else 200, content_type=TEXT)


def of_database() -> str:
    """What is wrong with it; "": nothing. One without its tables, or that only reads, is of no use."""
    try:
        models.Cluster.objects.exists()
        must_take_changes(connection)
    except DatabaseError as error:
        return str(error)
    return ""


def of_redis() -> str:
    """The same of Redis."""
    try:
        dispatch.broker().ping()
    except redis.RedisError as error:
        return str(error)
    return ""


def of_manager() -> str:
    """The same of the manager's worker, by its report."""
    try:
        found = reports.fetch(dispatch.broker(), [reports.MANAGER])
    except redis.RedisError as error:
        return str(error)
    return dispatch.problem_of(found.get(reports.MANAGER)) or ""


PARTS: dict[str, Callable[[], str]] = {"database": of_database, "redis": of_redis, "manager": of_manager}


class Readiness:
    """Which parts fail, asked anew once a second. One asks at a time; the others get its answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """As if nobody had asked yet."""
        self._failed: frozenset[str] = frozenset()
        self._until = -math.inf

    def failed(self) -> frozenset[str]:
        """The names of the parts that fail."""
        with self._lock:
            if self._clock() >= self._until:
                self._failed = self._asked()
                self._until = self._clock() + KEPT_SECONDS
            return self._failed

    def _asked(self) -> frozenset[str]:
        found = {name: trouble for name, why in PARTS.items() if (trouble := why())}
        for name in PARTS:
            if name in found and name not in self._failed:
                log.warning("not ready: %s: %s", name, harmless(found[name]))
            elif name in self._failed and name not in found:
                log.warning("ready again: %s", name)
        return frozenset(found)


READINESS = Readiness()
