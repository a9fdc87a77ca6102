"""What somebody sees who asked for what there is not, may not, or should not."""

from __future__ import annotations

import sys

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from piranha_web import audit
from piranha_web.busy import answer_to


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that did not come from a page of this site, or from one that was open for too long."""
    audit.refused(request, audit.Action.FOREIGN_FORM, "sent a form that is of no page of this site")
    return render(request, "errors/csrf.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Nothing is there: perhaps somebody deleted it."""
    return render(request, "errors/404.html", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    """A fault of ours, or a database that was away before any view was asked. It uses nothing that could fail
    again."""
    answer = answer_to(request, sys.exc_info()[1])
    return answer or HttpResponse(
        "Piranha Web failed to answer; the routers go on as they are. The cause is in the web server's "
        "log.\n",
        status=500,
        content_type="text/plain; charset=utf-8",
    )
