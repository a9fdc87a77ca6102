"""HISTORY: every revision, how its routers took it, what it changed; and the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.db.models import Count, Prefetch, Q, QuerySet, Window
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.utils.timezone import localtime
from django.views.decorators.http import require_POST, require_safe

from lvs import models, store
from lvs.config import document
from lvs.config.diff import differences, text_difference
from lvs.errors import LvsError
from lvs.sent import orders
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, OPERATOR, VIEWER, needs
from piranha_web.context import cluster_of, current_cluster, current_state, current_waiting
from piranha_web.views.review import revision_or_none

PAGE = 50
MOST_DIGITS = 9  # of the number of a page
LONGEST_WORDS = 200  # of a search
AROUND = timedelta(minutes=1)  # the audit log's fields know minutes
State = models.Deployment.State
TAKEN = (State.WAITING, State.CONFIRMING, State.APPLIED, State.PUTTING_BACK, State.ROLLED_BACK)
# Where and how each revision was taken, in one query for the page.
WITH_ROUTERS = Prefetch("deployments", models.Deployment.objects.select_related("router"))
ERRANDS = 20  # what routers were given besides new revisions, on the history's page


def page_of(revisions: QuerySet[models.Revision], asked: str) -> Page[models.Revision]:
    """The page that is asked for, else the nearest; how many there are comes along with its rows."""
    paginator = Paginator(revisions, PAGE)
    number = int(asked) if asked.isdecimal() and 0 < len(asked) < MOST_DIGITS else 1
    rows = list(revisions.annotate(all=Window(Count("pk")))[max(number - 1, 0) * PAGE :][:PAGE])
    if rows:
        paginator.count = rows[0].all
        return Page(rows, max(number, 1), paginator)
    return paginator.get_page(asked)


@needs(VIEWER)
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The revisions of the cluster, newest first; those with the words in message, author or number."""
    cluster = cluster_of(request)
    if cluster is None:
        raise Http404("There is no cluster yet.")
    words = request.GET.get("q", "").strip()[:LONGEST_WORDS]
    # A revision's texts have megabytes: nothing of them is shown here.
    revisions = cluster.revisions.defer("document", "lvs_cf").order_by("-number")
    if words:
        said = Q(message__icontains=words) | Q(author__icontains=words)
        alike = revision_or_none(cluster, words)
        revisions = revisions.filter(said | Q(pk=alike.pk) if alike else said)
    revisions = revisions.prefetch_related(WITH_ROUTERS)
    context = {
        "page": page_of(revisions, request.GET.get("page", "1")),
        "words": words,
        "query": urlencode({"q": words}) if words else "",
        "errands": list(orders.errands(cluster)[:ERRANDS]),
        "outside": [one for one in current_state(request, cluster).routers if one.is_outside],
    }
    return render(request, "history/list.html", context)


@needs(VIEWER)
@require_safe
def revision(request: HttpRequest, number: int) -> HttpResponse:
    """One revision: its deployments, live until they end, and its difference to another one."""
    cluster = cluster_or_404(request)
    shown = get_object_or_404(cluster.revisions, number=number)
    against = revision_or_none(cluster, request.GET.get("against")) or shown.before()
    old = document.from_document(against.document) if against else store.empty()
    context = {
        **deployments_context(request, cluster, shown),
        "against": against,
        "made": made_query(shown),
        "others": cluster.revisions.exclude(pk=shown.pk).order_by("-number")[:200],
        "changes": differences(old, document.from_document(shown.document)),
        "difference": text_difference(against.lvs_cf if against else "", shown.lvs_cf),
    }
    return render(request, "history/revision.html", context)


def made_query(shown: models.Revision) -> str:
    """What the audit log is asked for what led to a revision: all between the one before and this one."""
    before = shown.before()
    moments = {"since": before.created_at if before else None, "until": shown.created_at + AROUND}
    texts = {name: f"{localtime(at):%Y-%m-%dT%H:%M}" for name, at in moments.items() if at}
    return urlencode(texts)


@needs(VIEWER, polls=True)
@require_safe
def deployments(request: HttpRequest, number: int) -> HttpResponse:
    """The live part of a revision's page alone, for htmx."""
    cluster = cluster_or_404(request)
    shown = get_object_or_404(cluster.revisions, number=number)
    context = deployments_context(request, cluster, shown)
    # The two buttons are replaced only when they come or go, never under somebody's finger.
    buttons_shown = request.GET.get("verdict") == "open"
    context |= {"out_of_band": True, "verdict_changed": buttons_shown != (context["waiting"] is not None)}
    return render(request, "history/_deployments.html", context)


@needs(VIEWER, polls=True)
@require_safe
def confirmation(request: HttpRequest) -> HttpResponse:
    """The bar that counts down on every page; with `of` the seconds of that revision alone.

    The two buttons are replaced only when they come or go, never under somebody's finger.
    """
    cluster = cluster_or_404(request)
    waiting = current_waiting(request, cluster)
    asked = request.GET.get("of")
    if waiting is not None and asked == str(waiting.revision.number):
        return render(request, "_confirm_left.html")
    shown = revision_or_none(cluster, asked) if waiting is None else None
    ended = {"ended": how_it_ended(shown), "ended_number": shown.number} if shown else {}
    answer = render(request, "_confirm_bar.html", ended)
    answer["HX-Retarget"], answer["HX-Reswap"] = "#confirm-bar", "outerHTML"
    return answer


def how_it_ended(shown: models.Revision) -> str:
    """What became of a revision that waited for its confirmation, in a sentence."""
    verdict = shown.verdict
    if verdict is not None:
        done = "was kept" if verdict.keep else "is being rolled back: so said"
        return f"Revision {shown.number} {done} {'by ' if verdict.keep else ''}{verdict.by}."
    rows = list(shown.deployments.select_related("router").order_by("position"))
    if put_back_by_itself(shown, rows):
        return (
            f"Nobody kept revision {shown.number} in time: it is rolled back, its changes are pending again."
        )
    return f"Revision {shown.number} does not wait for a confirmation any more."


@needs(ADMINISTRATOR)
@require_POST
@transaction.atomic  # what is taken back replaces what was looked at, and nothing newer
def take_back(request: HttpRequest, number: int) -> HttpResponse:
    """Makes a revision the candidate; nothing reaches a router before Apply."""
    cluster = cluster_or_404(request)
    shown = get_object_or_404(cluster.revisions, number=number)
    if request.POST.get("edition") != str(cluster.edition):
        messages.warning(
            request, "Somebody changed the configuration after this page was shown. Nothing was taken back."
        )
        return redirect("revision", number=number)
    done = f"took revision {shown.number} back into the candidate"
    with audit.watched(request, cluster, audit.Action.TAKE_BACK, done):
        store.take_back(shown)
    messages.success(
        request, f"Revision {shown.number} is the candidate now. Look at what would change, then apply it."
    )
    return redirect("review")


@needs(OPERATOR)
@require_POST
def confirm(request: HttpRequest, number: int) -> HttpResponse:
    """Keep it: the revision that waits stays."""
    return judged(request, number, orders.confirm, audit.Action.CONFIRM, f"Revision {number} stays.")


@needs(OPERATOR)
@require_POST
def roll_back(request: HttpRequest, number: int) -> HttpResponse:
    """Roll back now: nobody need wait for the routers' own clocks."""
    done = f"Revision {number} is being rolled back; your changes stay pending."
    return judged(request, number, orders.take_back_now, audit.Action.ROLL_BACK, done)


def judged(
    request: HttpRequest,
    number: int,
    judge: Callable[[models.Revision, str], None],
    action: audit.Action,
    done: str,
) -> HttpResponse:
    """The user's verdict on a revision that waits for one, and back to its page."""
    cluster = cluster_or_404(request)
    shown = get_object_or_404(cluster.revisions, number=number)
    target = f"revision {number}"
    words = f"{'kept' if action is audit.Action.CONFIRM else 'rolled back'} {target}"
    try:
        with audit.attempted(request, action, words, cluster=cluster, target=target):
            judge(shown, request.user.get_username())
    except LvsError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("revision", number=number)


def deployments_context(
    request: HttpRequest, cluster: models.Cluster, shown: models.Revision
) -> dict[str, object]:
    """How each router took the revision, and what is known of the routers that still owe an answer."""
    rows = list(shown.deployments.select_related("router").order_by("position"))
    waiting = current_waiting(request, cluster)
    waiting = waiting if waiting and waiting.revision.pk == shown.pk else None
    unfinished = waiting is not None or any(row.is_unfinished for row in rows)
    now = current_state(request, cluster) if unfinished else None
    states = {one.router.pk: one for one in now.routers} if now else {}
    return {
        "revision": shown,
        "rows": [(row, states.get(row.router_id), row.state in TAKEN) for row in rows],
        "unfinished": unfinished,
        "waiting": waiting,
        "standing": cluster.standing_revision(),
        "put_back_by_itself": put_back_by_itself(shown, rows),
        "now": now,
    }


def put_back_by_itself(shown: models.Revision, rows: list[models.Deployment]) -> str:
    """The routers that put a revision back because nobody kept it in time, for a sentence; "": none did."""
    if shown.confirm_within is None or shown.verdict is not None:
        return ""
    if any(row.state == State.FAILED for row in rows):
        return ""
    return " and ".join(row.router.name for row in rows if row.state == State.ROLLED_BACK)


def cluster_or_404(request: HttpRequest) -> models.Cluster:
    """The cluster in view; where there is none yet there is no history."""
    cluster = current_cluster(request)
    if cluster is None:
        raise Http404("There is no cluster yet.")
    return cluster
