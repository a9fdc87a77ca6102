"""HELP and INTRODUCTION: the contents, the pages, the search."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from piranha_web.access.roles import VIEWER, needs
from piranha_web.guide.context import context_of
from piranha_web.guide.further import FURTHER
from piranha_web.guide.pages import BY_NAME, PARTS, beside
from piranha_web.guide.search import search

LONGEST_QUESTION = 200


@needs(VIEWER)
@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """The contents; with `q` what was found in all pages."""
    question = request.GET.get("q", "").strip()[:LONGEST_QUESTION]
    context = {"parts": PARTS, "question": question, "found": search(question) if question else ()}
    return render(request, "help/page.html", context)


@needs(VIEWER)
@require_safe
def help_topic(request: HttpRequest, name: str) -> HttpResponse:
    """One page, with the contents beside it."""
    page = BY_NAME.get(name)
    if page is None:
        raise Http404(name)
    before, after = beside(page)
    context = {**context_of(page), "parts": PARTS, "before": before, "after": after}
    context["further"] = FURTHER.get(name, ())
    return render(request, "help/topic.html", context)
