"""lvs.cf in and out: import into the candidate, download of the candidate and of revisions."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from lvs import models, store
from lvs.config import writer
from lvs.config.check import check, check_bytes
from lvs.config.diff import differences
from lvs.config.marks import joined
from lvs.config.model import Severity
from lvs.config.reader import Reading, decode
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.forms.files import ImportForm
from piranha_web.views.panel import panel


@needs(ADMINISTRATOR)
@panel
def import_file(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The first step: the report on a file. It is not yet taken."""
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "files/import.html", {"form": form})
    file, text = form.cleaned_data["file"], form.cleaned_data["text"]
    if file is None:
        return report(request, cluster, text, check(text))
    raw = file.read()
    return report(request, cluster, decode(raw)[0], check_bytes(raw))


@needs(ADMINISTRATOR)
@require_POST
@panel
def import_confirm(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The second step: the file as it was shown, or as it was mended on that page, becomes the candidate."""
    text = request.POST.get("text", "")
    reading = check(text)
    if request.POST.get("verb") == "join" and reading.complete:
        return join(request, cluster, reading)
    seen = request.POST.get("edition") == str(cluster.edition)
    if not seen:
        messages.warning(
            request,
            "Somebody changed the configuration meanwhile. Nothing was replaced: look at the differences "
            "again.",
        )
    if not seen or not reading.ok or request.POST.get("verb") != "replace":
        return report(request, cluster, text, reading)
    audit.call_change(request, audit.Action.IMPORT, "imported an lvs.cf")
    store.save(cluster, reading.config)
    count = len(reading.config.virtual_servers)
    messages.success(
        request,
        f"Imported {count} virtual server{'s' if count != 1 else ''}. Nothing reaches a router before you "
        f"apply.",
    )
    return redirect("virtual-server-list")


def join(request: HttpRequest, cluster: models.Cluster, reading: Reading) -> HttpResponse:
    """The file with the virtual servers that share a firewall mark made one, to be looked at and taken."""
    found = joined(reading.config)
    text = writer.write(found.config)
    return report(request, cluster, text, check(text), done=found.joined)


def report(
    request: HttpRequest, cluster: models.Cluster, text: str, reading: Reading, done: Sequence[str] = ()
) -> HttpResponse:
    """What is wrong with the text, line by line, and what it would change.

    done: what was joined to make it, in sentences.
    """
    joining = joined(reading.config)
    context = {
        "joined": done,
        # What could not be read is not in the values, and would be lost by writing them anew.
        "joinable": joining.joined if reading.complete else (),
        "apart": joining.refused,
        "text": text,
        "reading": reading,
        "errors": [problem for problem in reading.problems if problem.severity is Severity.ERROR],
        "warnings": [problem for problem in reading.problems if problem.severity is Severity.WARNING],
        "changes": differences(store.load(cluster), reading.config) if reading.ok else (),
        "edition": cluster.edition,
    }
    return render(request, "files/report.html", context)


@needs(VIEWER)
@require_safe
@panel
def download(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The candidate as lvs.cf."""
    return as_file(writer.write(store.load(cluster)), "lvs.cf")


@needs(VIEWER)
@require_safe
@panel
def download_revision(request: HttpRequest, cluster: models.Cluster, number: int) -> HttpResponse:
    """The lvs.cf of a revision, as the routers got it."""
    revision = get_object_or_404(cluster.revisions, number=number)
    return as_file(revision.lvs_cf, f"lvs.cf.{number}")


def as_file(text: str, name: str, kind: str = "text/plain") -> HttpResponse:
    """A text that the browser saves."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type=f"{kind}; charset=utf-8", headers=headers)
