"""HELP: what the panels are, in one page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from piranha_web.access.roles import VIEWER, needs


@needs(VIEWER)
@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """The introduction; each field has its own sentence where it stands."""
    return render(request, "help/page.html")
