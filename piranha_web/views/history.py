"""HISTORY: every revision, how its routers took it, what it changed; and the way back."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from lvs import models, store
from lvs.config import document
from lvs.config.diff import differences
from piranha_web.context import current_cluster, current_state
from piranha_web.views.review import revision_or_none, text_difference

PAGE = 50


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The revisions of the cluster, newest first."""
    cluster = cluster_or_404(request)
    revisions = cluster.revisions.order_by("-number").prefetch_related("deployments__router")
    page = Paginator(revisions, PAGE).get_page(request.GET.get("page"))
    return render(request, "history/list.html", {"page": page})


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
        "others": cluster.revisions.exclude(pk=shown.pk).order_by("-number")[:200],
        "changes": differences(old, document.from_document(shown.document)),
        "difference": text_difference(against.lvs_cf if against else "", shown.lvs_cf),
    }
    return render(request, "history/revision.html", context)


@require_safe
def deployments(request: HttpRequest, number: int) -> HttpResponse:
    """The live part of a revision's page alone, for htmx."""
    cluster = cluster_or_404(request)
    shown = get_object_or_404(cluster.revisions, number=number)
    return render(
        request,
        "history/_deployments.html",
        {**deployments_context(request, cluster, shown), "out_of_band": True},
    )


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
    store.take_back(shown)
    messages.success(
        request, f"Revision {shown.number} is the candidate now. Look at what would change, then apply it."
    )
    return redirect("review")


def deployments_context(
    request: HttpRequest, cluster: models.Cluster, shown: models.Revision
) -> dict[str, object]:
    """How each router took the revision, and what is known of the routers that still owe an answer."""
    rows = list(shown.deployments.select_related("router").order_by("position"))
    unfinished = any(row.is_unfinished for row in rows)
    now = current_state(request, cluster) if unfinished else None
    states = {one.router.pk: one for one in now.routers} if now else {}
    return {
        "revision": shown,
        "rows": [(row, states.get(row.router_id)) for row in rows],
        "unfinished": unfinished,
        "now": now,
    }


def cluster_or_404(request: HttpRequest) -> models.Cluster:
    """The cluster in view; where there is none yet there is no history."""
    cluster = current_cluster(request)
    if cluster is None:
        raise Http404("There is no cluster yet.")
    return cluster
