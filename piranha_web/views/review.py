"""What is pending: the changes in words, the difference of lvs.cf, what each router would do; and Apply."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from lvs import dispatch, models, store
from lvs.config import rules, writer
from lvs.config.diff import Difference, text_difference
from lvs.config.model import Severity
from lvs.config.partly import restored, takes_back
from lvs.config.sentences import place_name
from lvs.errors import InvalidConfig
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.context import current_cluster, current_state
from piranha_web.looking import looks

MESSAGE_LENGTH = 200
CONFIRM_SECONDS = 60  # offered for a change that rolls itself back
SHORTEST_WAIT, LONGEST_WAIT = 5, 3600  # seconds
MOST_SINGLE = 100  # changes that can be taken back one by one on the page
MOST_DIGITS = 18  # of a number in the database; Python refuses to read thousands of them


@needs(VIEWER)
@require_safe
def review(request: HttpRequest) -> HttpResponse:
    """The candidate against what was applied last."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("control")
    candidate = store.load(cluster)
    problems = rules.problems(candidate)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    newest = cluster.standing_revision()
    pending = store.pending(cluster)
    roles = {one.router.pk: one.role for one in current_state(request, cluster).routers if one.is_current}
    runs = dispatch.dry_runs(cluster, candidate) if pending and not errors else ()
    asked = "check" in request.GET and pending and not errors
    context = {
        "looks": looks(cluster) if asked else (),
        "cluster": cluster,
        "order": dispatch.standby_first(cluster),
        "pending": pending,
        "lines": lines_of(pending if newest else ()) or [(one, "", 0) for one in pending],
        "newest": newest,
        "errors": errors,
        "warnings": [problem for problem in problems if problem.severity is Severity.WARNING],
        "dry_runs": [(run, roles.get(run.router.pk)) for run in runs],
        "difference": text_difference(newest.lvs_cf if newest else "", writer.write(candidate)),
        "message_length": MESSAGE_LENGTH,
        "confirmed": request.session.get("confirmed", False),
        "confirm_within": request.session.get("confirm_within", CONFIRM_SECONDS),
        "shortest_wait": SHORTEST_WAIT,
        "longest_wait": LONGEST_WAIT,
        "silent": [one for one in current_state(request, cluster).routers if not one.is_current],
    }
    return render(request, "review/page.html", context)


@needs(ADMINISTRATOR)
@require_POST
@transaction.atomic  # nobody changes in between what is compared here, and a double click applies once
def apply(request: HttpRequest) -> HttpResponse:
    """Freezes what the administrator has seen, and nothing else."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("control")
    if request.POST.get("edition") != str(cluster.edition):
        messages.warning(
            request,
            "Somebody changed the configuration after this page was shown. Nothing was applied: look again.",
        )
        return redirect("review")
    changes = store.pending(cluster)
    if not changes:
        messages.info(
            request, "There is nothing to apply: the routers were given this configuration already."
        )
        return redirect("review")
    message = request.POST.get("message", "").strip()[:MESSAGE_LENGTH]
    try:
        wait = asked_wait(request)
    except ValueError:
        messages.error(
            request,
            f"Nothing was applied: write within how many seconds you will confirm, {SHORTEST_WAIT} to "
            f"{LONGEST_WAIT}.",
        )
        return redirect("review")
    try:
        revision = dispatch.apply(
            cluster, author=request.user.get_username(), message=message, confirm_within=wait
        )
    except InvalidConfig as error:
        messages.error(request, f"Nothing was applied: {error}")
        return redirect("review")
    audit.applied(request, revision, changes)
    return redirect("revision", number=revision.number)


def asked_wait(request: HttpRequest) -> int | None:
    """Within how many seconds the change is to be confirmed, None: it is not; ValueError for no such number.

    The choice is kept for the session's next Apply.
    """
    request.session["confirmed"] = request.POST.get("confirmed") == "on"
    if not request.session["confirmed"]:
        return None
    seconds = int(request.POST.get("confirm_within", "")[:MOST_DIGITS])
    if not SHORTEST_WAIT <= seconds <= LONGEST_WAIT:
        raise ValueError(seconds)
    request.session["confirm_within"] = seconds
    return seconds


@needs(ADMINISTRATOR)
@require_POST
@transaction.atomic  # as for apply
def discard(request: HttpRequest) -> HttpResponse:
    """Puts the candidate, or the object at `place`, back to what was applied last."""
    cluster = current_cluster(request)
    newest = cluster.standing_revision() if cluster else None
    if cluster is None or newest is None:
        messages.info(request, "There is no applied revision to go back to.")
        return redirect("review")
    if request.POST.get("edition") != str(cluster.edition):
        messages.warning(
            request, "Somebody changed the configuration meanwhile. Nothing was discarded: look again."
        )
        return redirect("review")
    if "place" in request.POST:
        return discard_one(request, cluster, newest, request.POST["place"])
    done = f"discarded the changes since revision {newest.number}"
    with audit.watched(request, cluster, audit.Action.DISCARD, done):
        store.take_back(newest)
    messages.success(
        request, f"The pending changes are discarded: the candidate is revision {newest.number} again."
    )
    return redirect("review")


def lines_of(pending: Sequence[Difference]) -> list[tuple[Difference, str, int]]:
    """The changes; the first of each object with the place that takes it back alone and how many it has."""
    if len(pending) > MOST_SINGLE:
        return []
    of_object: dict[tuple[str, ...], list[Difference]] = {}
    for one in filter(takes_back, pending):
        of_object.setdefault(one.place, []).append(one)
    return [
        (one, json.dumps(one.place), len(found)) if found[:1] == [one] else (one, "", 0)
        for one in pending
        for found in [of_object.get(one.place, [])]
    ]


def discard_one(
    request: HttpRequest, cluster: models.Cluster, newest: models.Revision, place: str
) -> HttpResponse:
    """Puts what is pending at one place back; the rest stays pending."""
    found = {json.dumps(one.place): one for one in store.pending(cluster) if takes_back(one)}
    change = found.get(place)
    if change is None:
        messages.warning(request, "That is not pending (any more). Nothing was discarded: look again.")
        return redirect("review")
    what = place_name(change.place) or "the global settings and the redundancy"
    done = f"discarded the changes of {what} since revision {newest.number}"
    with audit.watched(request, cluster, audit.Action.DISCARD, done):
        store.save(cluster, restored(store.load(cluster), store.config_of(newest), change.place))
    messages.success(request, f"Discarded: {what} is as in revision {newest.number} again.")
    return redirect("review")


def revision_or_none(cluster: models.Cluster, number: str | None) -> models.Revision | None:
    """The revision of that number, None for words that are no number or name none."""
    if not number or not number.isdecimal() or len(number) > MOST_DIGITS:
        return None
    return cluster.revisions.filter(number=int(number)).first()
