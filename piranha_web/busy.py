"""What the browser gets when the database does not take a change: in time, at all, or as it is."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

log = logging.getLogger("piranha.web")

PLAIN = "text/plain; charset=utf-8"
TEXT = (
    "Nothing was saved: the database is busy, another program has held it too long, or it cannot be reached "
    "({error}). The routers go on as they are. Go back in your browser, where the form is as you left it, "
    "and send it again.\n"
)
# PostgreSQL keeps to the lengths and ranges of its columns; SQLite takes whatever comes.
UNFIT = (
    "Nothing was saved: the database does not take one of the values ({error}). Go back in your browser, "
    "where the form is as you left it, and write a shorter text or a smaller number.\n"
)


class BusyDatabaseMiddleware:
    """Answers with what to do, in place of a page that says only that something failed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django calls this with what a view raised; None: it is somebody else's."""
        return answer_to(request, error)


def answer_to(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """The page for what the database refused; None: it was something else."""
    if isinstance(error, DataError):
        log.error("%s %s: the database does not take a value: %s", request.method, request.path, error)
        return HttpResponse(UNFIT.format(error=first_line(error)), status=400, content_type=PLAIN)
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    log.error("%s %s: the database refused: %s", request.method, request.path, error)
    return HttpResponse(TEXT.format(error=first_line(error)), status=503, content_type=PLAIN)


def first_line(error: BaseException) -> str:
    """What it says; PostgreSQL adds the statement below."""
    return next(iter(str(error).splitlines()), type(error).__name__)
