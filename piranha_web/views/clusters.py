"""All clusters on one page, what is found in any of them, the first one, and which one is in view."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lvs import models, store
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.context import SESSION_KEY, cluster_of, clusters_of
from piranha_web.forms.clusters import ClusterForm
from piranha_web.overview import MOST_FOUND, overview, search_all
from piranha_web.searching import cut
from piranha_web.views.panel import back
from piranha_web.views.review import MOST_DIGITS

LIVE_SECONDS = 10  # between two looks at the routers' reports


@needs(ADMINISTRATOR, everywhere=True)
@require_http_methods(["GET", "HEAD", "POST"])
def cluster_create(request: HttpRequest) -> HttpResponse:
    """A new cluster and its routers; GLOBAL SETTINGS is the next step."""
    form = ClusterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        names = form.cleaned_data
        with transaction.atomic():
            cluster = store.create_cluster(names["name"], names["primary"], names["backup"])
            routers = " and ".join(one.name for one in cluster.routers_in_order()[::-1])
            done = f"made the cluster {cluster.name} of {routers}"
            audit.record(request, audit.Action.CLUSTER, done, cluster=cluster, target=cluster.name)
        request.session[SESSION_KEY] = cluster.pk
        messages.success(
            request, f"Created the cluster {cluster.name}. Say here what its routers' addresses are."
        )
        return redirect("global-settings")
    return render(request, "clusters/create.html", {"form": form})


@needs(VIEWER)
@require_POST
def cluster_choose(request: HttpRequest) -> HttpResponse:
    """Which cluster the panels show in this session; then the page that was asked for, or CONTROL."""
    chosen = request.POST.get("cluster", "")
    is_number = chosen.isdecimal() and len(chosen) <= MOST_DIGITS
    cluster = get_object_or_404(models.Cluster, pk=int(chosen) if is_number else 0)
    if request.session.get(SESSION_KEY) != cluster.pk:
        request.session[SESSION_KEY] = cluster.pk
        messages.info(request, f"The pages show the cluster {cluster.name} now.")
    return back(request, request.POST.get("next", ""))


@needs(VIEWER)
@require_safe
def cluster_list(request: HttpRequest) -> HttpResponse:
    """Every cluster in a line, worst first."""
    return render(request, "clusters/list.html", overview_context(request))


@needs(VIEWER, polls=True)
@require_safe
def cluster_list_live(request: HttpRequest) -> HttpResponse:
    """The lines as they are now, for htmx."""
    context = overview_context(request) | {"out_of_band": cluster_of(request) is not None}
    return render(request, "clusters/_live.html", context)


def overview_context(request: HttpRequest) -> dict[str, Any]:
    """What the overview shows."""
    rows = overview(clusters_of(request))
    return {"rows": rows, "in_view": cluster_of(request), "live_seconds": LIVE_SECONDS}


@needs(VIEWER)
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Virtual and real servers of all clusters by name, address or port."""
    sought = cut(request.GET.get("q", ""))
    in_view = cluster_of(request)
    found = search_all(sought, clusters_of(request)) if sought else []
    found.sort(key=lambda one: one.cluster != in_view)
    context = {"sought": sought, "found": found, "in_view": in_view, "most": MOST_FOUND}
    return render(request, "clusters/search.html", context)
