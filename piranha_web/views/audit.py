"""AUDIT: who did what, and what somebody was refused; to look through, and to take away as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from lvs import models
from piranha_web.access.roles import ADMINISTRATOR, needs
from piranha_web.audit import Action, record
from piranha_web.forms.audit import AuditForm
from piranha_web.views.review import MOST_DIGITS

PAGE = 100
BATCH = 500  # rows that an export reads at once
COLUMNS = ("id", "at", "user", "address", "cluster", "action", "target", "outcome", "text", "details")
# A spreadsheet takes what begins so for a formula; the wide ones are what some keyboards write for them.
FORMULA = tuple("=+-@＝＋－＠")


@needs(ADMINISTRATOR, everywhere=True)
@require_safe
def audit_log(request: HttpRequest) -> HttpResponse:
    """The newest entries first; before and after are entries' numbers, from which the other pages go on."""
    form = AuditForm(request.GET)
    entries = form.entries()
    before, after = number(request.GET.get("before")), number(request.GET.get("after"))
    if after is not None:
        # The page above: the nearest of the newer ones, turned round.
        found = list(entries.filter(pk__gt=after).order_by("pk")[: PAGE + 1])
        is_older, is_newer = True, len(found) > PAGE
        found = found[:PAGE][::-1]
    else:
        found = list((entries.filter(pk__lt=before) if before is not None else entries)[: PAGE + 1])
        is_older, is_newer = len(found) > PAGE, before is not None
        found = found[:PAGE]
    context = {
        "form": form,
        "entries": found,
        "older": found[-1].pk if found and is_older else None,
        "newer": found[0].pk if found and is_newer else None,
        "sought": bool(form.query),
    }
    return render(request, "audit/page.html", context)


def number(text: str | None) -> int | None:
    """An entry's number; None for other words."""
    return int(text) if text and text.isdecimal() and len(text) <= MOST_DIGITS else None


@needs(ADMINISTRATOR, everywhere=True)
@require_safe
def audit_export(request: HttpRequest) -> HttpResponseBase:
    """What is found, whole, as CSV or as JSON lines; that it was taken away is an entry too."""
    form = AuditForm(request.GET)
    kind = "csv" if request.GET.get("form") == "csv" else "jsonl"
    if not form.is_valid():
        return redirect(f"{request.path.removesuffix('/export')}?{form.query}")
    # Counted from here, so that the entry about the export is not in it.
    entries = form.entries().filter(pk__lte=newest())
    what = f": only {form.query}" if form.query else ""
    record(request, Action.EXPORT, f"exported the audit log as {kind}{what}")
    rows = entries.iterator(chunk_size=BATCH)
    content, media = (as_csv(rows), "text/csv") if kind == "csv" else (as_lines(rows), "application/jsonl")
    headers = {"Content-Disposition": f'attachment; filename="piranha-audit.{kind}"'}
    return StreamingHttpResponse(content, content_type=f"{media}; charset=utf-8", headers=headers)


def newest() -> int:
    """The number of the newest entry; 0: there is none."""
    return models.AuditEntry.objects.values_list("pk", flat=True).first() or 0


def as_document(entry: models.AuditEntry) -> dict[str, Any]:
    """An entry with every column, its time with the zone."""
    return {name: getattr(entry, name) for name in COLUMNS} | {"at": entry.at.isoformat()}


def as_lines(entries: Iterable[models.AuditEntry]) -> Iterator[str]:
    """One JSON object a line."""
    for entry in entries:
        yield json.dumps(as_document(entry), ensure_ascii=False) + "\n"


def as_csv(entries: Iterable[models.AuditEntry]) -> Iterator[str]:
    """A head and a row for each, every cell quoted (RFC 4180), none a formula."""
    yield row(COLUMNS)
    for entry in entries:
        document = as_document(entry) | {"details": json.dumps(entry.details, ensure_ascii=False)}
        yield row(unformulated(str(document[name])) for name in COLUMNS)


def row(cells: Iterable[str]) -> str:
    """One row of a CSV file."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()


def unformulated(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{cell}" if cell.lstrip().startswith(FORMULA) else cell
