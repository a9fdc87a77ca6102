"""REAL SERVER: the machines behind a virtual server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from lvs import dispatch, models, store
from piranha_web import servers
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.context import current_state
from piranha_web.forms.real_servers import NEW, RealServerForm, with_real_server
from piranha_web.hands import VERBS
from piranha_web.views.panel import is_sound, panel, say_saved
from piranha_web.views.virtual_servers import value_of

LIVE_SECONDS = 5  # between two looks at the routers' reports
ROWS_A_SECOND = 50  # that a long list waits longer for, as it costs more to make


@needs(VIEWER)
@require_safe
@panel
def real_server_list(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The real servers of a virtual server: how they are now, and what can be done with them."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    return render(request, "real_servers/list.html", live_context(request, cluster, row))


@needs(VIEWER, polls=True)
@require_safe
@panel
def real_server_list_live(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The table alone, for htmx."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    context = live_context(request, cluster, row) | {"out_of_band": True}
    return render(request, "real_servers/_live.html", context)


def live_context(request: HttpRequest, cluster: models.Cluster, row: models.VirtualServer) -> dict[str, Any]:
    """The candidate's rows beside what the active router says of each."""
    now = current_state(request, cluster)
    places = servers.found(now)
    speaker = dispatch.speaking(now)
    heard = [one.age for one in now.routers if one.age is not None]
    rows = [
        (one, servers.target_text((row.name, one.name)), places.get((row.name, one.name)))
        for one in row.real_servers.all()
    ]
    return {
        "virtual_server": row,
        "rows": rows,
        "departing": [one for one in servers.departing(speaker) if one.virtual_server == row.name]
        if speaker
        else [],
        "trouble": next((one for one in servers.troubled(speaker) if one.virtual_server == row.name), None)
        if speaker
        else None,
        "changed": changed_real_servers(cluster, row.name),
        "is_known": speaker is not None,
        "speaker": speaker,
        "silence": min(heard) if heard else None,
        "verbs": VERBS.values(),
        "tab": "real",
        "here": reverse("real-server-list", args=[row.pk]),
        "live_seconds": LIVE_SECONDS + len(rows) // ROWS_A_SECOND,
    }


def changed_real_servers(cluster: models.Cluster, virtual_server: str) -> frozenset[str]:
    """The real servers of a virtual server that the next revision would change."""
    places = (difference.place for difference in store.pending(cluster))
    return frozenset(place[3] for place in places if len(place) == 4 and place[1] == virtual_server)


@needs(ADMINISTRATOR)
@panel
def real_server_add(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """A new real server."""
    owner = get_object_or_404(cluster.virtual_servers, pk=pk)
    config = store.load(cluster)
    form = RealServerForm(request.POST or None, config=config, owner=value_of(config, owner), value=NEW)
    if request.method == "POST" and form.is_valid():
        row = store.add_real_server(owner, form.value)
        say_saved(request, f"Added {row.name} to {owner.name}.", form.warnings)
        return redirect("real-server-list", pk=owner.pk)
    return render(request, "real_servers/edit.html", {"form": form, "virtual_server": owner, "tab": "real"})


@needs(VIEWER, ADMINISTRATOR)
@panel
def real_server_edit(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """One real server."""
    row = find(cluster, pk)
    owner = row.virtual_server
    config = store.load(cluster)
    virtual_server = value_of(config, owner)
    value = next(one for one in virtual_server.real_servers if one.name == row.name)
    form = RealServerForm(request.POST or None, config=config, owner=virtual_server, value=value)
    if request.method == "POST" and form.is_valid():
        row.take(form.value)
        say_saved(request, f"Saved {row.name} of {owner.name}.", form.warnings)
        return redirect("real-server-list", pk=owner.pk)
    context = {"form": form, "virtual_server": owner, "real_server": row, "tab": "real"}
    return render(request, "real_servers/edit.html", context)


@needs(ADMINISTRATOR)
@require_POST
@panel
def real_server_activate(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """(DE)ACTIVATE, the one half."""
    return switch(request, cluster, pk, active=True)


@needs(ADMINISTRATOR)
@require_POST
@panel
def real_server_deactivate(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """(DE)ACTIVATE, the other half."""
    return switch(request, cluster, pk, active=False)


def switch(request: HttpRequest, cluster: models.Cluster, pk: int, *, active: bool) -> HttpResponse:
    """Switches a real server on or off, if the rules have nothing against it."""
    row = find(cluster, pk)
    config = store.load(cluster)
    owner = value_of(config, row.virtual_server)
    value = next(one for one in owner.real_servers if one.name == row.name)
    if is_sound(request, config, with_real_server(config, owner, value, replace(value, active=active))):
        if active:
            row.activate()
        else:
            row.deactivate()
        verb = "Activated" if active else "Deactivated"
        say_saved(request, f"{verb} {row.name} of {owner.name}.", ())
    return redirect("real-server-list", pk=row.virtual_server.pk)


@needs(ADMINISTRATOR)
@panel
def real_server_delete(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """DELETE, after a page that says what that means."""
    row = find(cluster, pk)
    owner = row.virtual_server
    if request.method == "POST":
        row.delete()
        say_saved(request, f"Deleted {row.name} from {owner.name}.", ())
        return redirect("real-server-list", pk=owner.pk)
    place = servers.found(current_state(request, cluster)).get((owner.name, row.name))
    context = {"real_server": row, "virtual_server": owner, "server": place, "tab": "real"}
    return render(request, "real_servers/delete.html", context)


def find(cluster: models.Cluster, pk: int) -> models.RealServer:
    """The real server, if it is one of this cluster's."""
    rows = models.RealServer.objects.select_related("virtual_server__cluster")
    return get_object_or_404(rows, pk=pk, virtual_server__cluster=cluster)
