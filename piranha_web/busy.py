"""What the browser gets when the database does not take a change within its time limit."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse

log = logging.getLogger("piranha.web")

TEXT = (
    "Nothing was saved: the database is busy, another program has held it too long ({error}). The routers "
    "go on as they are. Go back in your browser, where the form is as you left it, and send it again.\n"
)


class BusyDatabaseMiddleware:
    """Answers 503 with what to do, in place of a page that says only that something failed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django calls this with what a view raised; None: it is somebody else's."""
        if not isinstance(error, OperationalError):
            return None
        log.error("%s %s: the database refused: %s", request.method, request.path, error)
        return HttpResponse(TEXT.format(error=error), status=503, content_type="text/plain; charset=utf-8")
