"""The guide: the pages that `make guide` built, in the application's own frame."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from piranha_web.access.roles import VIEWER, needs
from piranha_web.guide import built
from piranha_web.views.help import LONGEST_QUESTION


@needs(VIEWER)
@require_safe
def guide(request: HttpRequest, name: str = built.FIRST_PAGE) -> HttpResponse:
    """A page of the guide, or one of the files that its pages need; where it was not built, how to."""
    root = built.folder()
    if root is None:
        return render(request, "guide/missing.html", status=404)
    if name == built.SEARCH_PAGE:
        question = request.GET.get("q", "").strip()[:LONGEST_QUESTION]
        found = built.search(root, question) if question else ()
        return render(request, "guide/search.html", {"question": question, "found": found})
    path = built.file_of(root, name)
    if path is None:
        raise Http404(name)
    if path.suffix == ".html":
        page = built.framed(path)
        if page is None:
            raise Http404(name)
        return render(request, "guide/page.html", {"guide": page})
    return HttpResponse(path.read_bytes(), content_type=built.TYPES[path.suffix])
