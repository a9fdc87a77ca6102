"""SESSIONS: where one is logged in, and the way to end that."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from piranha_web import audit
from piranha_web.access import sessions
from piranha_web.access.roles import VIEWER, needs

OTHERS = "others"


@needs(VIEWER, always=True)
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """The sessions of whoever asks."""
    context = {
        "sessions": list(sessions.of(request)),
        "own": sessions.own_id(request),
        "idle": sessions.hours(settings.PIRANHA_SESSION_IDLE),
        "longest": sessions.hours(settings.PIRANHA_SESSION_LONGEST),
    }
    return render(request, "account/sessions.html", context)


@needs(VIEWER, always=True)
@require_POST
def session_end(request: HttpRequest) -> HttpResponse:
    """Ends one of them, or all others."""
    named = request.POST.get("session", "")
    if named == OTHERS:
        count = sessions.end_others(request)
        audit.record(request, audit.Action.LOGOUT, f"ended {count} other session{'s' if count != 1 else ''}")
        messages.success(request, f"Ended {count} other session{'s' if count != 1 else ''}.")
    elif sessions.end(request, named):
        audit.record(request, audit.Action.LOGOUT, "ended another session")
        messages.success(request, "The session is ended.")
    else:
        messages.info(request, "That session was over already.")
    return redirect("session-list")
