"""The first cluster, and which one is in view."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from lvs import models, store
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.context import SESSION_KEY
from piranha_web.forms.clusters import ClusterForm
from piranha_web.views.review import MOST_DIGITS


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
    """Which cluster the panels show in this session."""
    chosen = request.POST.get("cluster", "")
    is_number = chosen.isdecimal() and len(chosen) <= MOST_DIGITS
    cluster = get_object_or_404(models.Cluster, pk=int(chosen) if is_number else 0)
    request.session[SESSION_KEY] = cluster.pk
    return redirect("control")
