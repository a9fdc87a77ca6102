"""Whether the site is alive, and whether it can work: for whatever starts it again or sends people elsewhere.

Both are open without a login, behind the list of allowed networks, and say no more than which part fails:
why stands in the log. They take no session, so that they also answer where the database does not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import redis
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from lvs import dispatch, models, reports
from piranha_web.access.roles import VIEWER, needs

log = logging.getLogger("piranha.site")

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
    found = {name: why() for name, why in PARTS.items()}
    for name, trouble in found.items():
        if trouble:
            log.warning("not ready: %s: %s", name, trouble)
    lines = (f"{name} {'failed' if trouble else 'ok'}\n" for name, trouble in found.items())
    return HttpResponse("".join(lines), status=503 if any(found.values()) else 200, content_type=TEXT)


def of_database() -> str:
    """What is wrong with it; "": nothing. One whose tables are not there is of no use either."""
    try:
        models.Cluster.objects.exists()
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
