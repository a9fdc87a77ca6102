"""What the browser gets when the database does not answer: in time, at all, or not to that value."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DataError
from django.http import HttpRequest, HttpResponse

from piranha_web.databases.advice import advice, first_line, is_of_the_database

log = logging.getLogger("piranha.web")

PLAIN = "text/plain; charset=utf-8"
NOT_SAVED = (
    "Nothing was saved: the database did not take it ({error}). {advice} The routers go on as they are. Then "
    "go back in your browser, where the form is as you left it, and send it again.\n"
)
NOT_SHOWN = (
    "This page cannot be shown: the database does not answer ({error}). {advice} The routers go on as they "
    "are. Then load the page again.\n"
)
# PostgreSQL keeps to the lengths and ranges of its columns; SQLite takes whatever comes.
UNFIT = (
    "Nothing was saved: the database does not take one of the values ({error}). Go back in your browser, "
    "where the form is as you left it, and write a shorter text or a smaller number.\n"
)
READING = ("GET", "HEAD", "OPTIONS")


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
    if error is None or not is_of_the_database(error):
        return None
    log.error("%s %s: the database refused: %s", request.method, request.path, first_line(error))
    text = NOT_SHOWN if request.method in READING else NOT_SAVED
    said = text.format(error=first_line(error), advice=advice(error))
    return HttpResponse(said, status=503, content_type=PLAIN)


class SaidInOneLine(logging.Filter):
    """Keeps Django from adding a stack of calls to what `answer_to` has said: with a database that is away
    for an hour each page that somebody has open would fill the journal."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is None or not is_of_the_database(error)
