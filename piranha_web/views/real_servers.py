"""REAL SERVER: the machines behind a virtual server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from lvs import models, store
from piranha_web import servers, states
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.asked import asked
from piranha_web.context import current_state
from piranha_web.forms.panel import STALE
from piranha_web.forms.real_servers import NEW, RealServerForm, WeightForm, seen_of, with_real_server
from piranha_web.hands import VERBS
from piranha_web.lines import COLUMNS, FILTERS, Line, filters_of, matching
from piranha_web.listing import listing, page_of
from piranha_web.views.panel import back, is_sound, panel, say_saved
from piranha_web.views.virtual_server_list import addresses_of, listed, silence_of
from piranha_web.views.virtual_servers import value_of

LIVE_SECONDS = 5  # between two looks at the routers' reports
OTHER_WEIGHT = "Somebody else has set it to {} meanwhile. Send yours again to have it."


@needs(VIEWER)
@require_safe
@panel
def real_server_list(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The real servers of a virtual server: how they are now, and what can be done with them."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    context = live_context(request, cluster, row)
    return listed(request, "real_servers/list.html", "real_servers/_list.html", context)


@needs(VIEWER, polls=True)
@require_safe
@panel
def real_server_list_live(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The table alone, for htmx."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    context = live_context(request, cluster, row) | {"out_of_band": True}
    return render(request, "real_servers/_live.html", context)


def live_context(request: HttpRequest, cluster: models.Cluster, row: models.VirtualServer) -> dict[str, Any]:
    """The candidate's rows beside what the active router says of each; searched, filtered, a page of them."""
    now = current_state(request, cluster)
    speaker = states.detailed(cluster, now, [row.name])
    places = states.places_in(speaker)
    wanted = asked(request.GET, FILTERS, COLUMNS)
    changed = changed_real_servers(cluster, row.name)
    service = listing(cluster).by_pk[row.pk]
    known = speaker is not None
    lines = [
        Line(one, places.get((row.name, one.name)), is_known=known, is_changed=one.name in changed)
        for one in service.members
    ]
    found = matching(lines, wanted)
    page = page_of(found, wanted.page)
    own = reverse("real-server-list", args=[row.pk])
    query = wanted.query(page=page.number if page.number > 1 else "")
    return {
        "virtual_server": row,
        "rows": page.rows,
        "asked": wanted,
        "filters": filters_of(lines, wanted),
        "columns": wanted.columns(COLUMNS),
        "list_page": page,
        "addresses": addresses_of(wanted, page),
        "total": len(lines),
        "own": own,
        "departing": list(servers.departing(speaker)) if speaker else [],
        "trouble": next(servers.troubled(speaker), None) if speaker else None,
        "is_known": known,
        "speaker": speaker,
        "silence": silence_of(request, cluster),
        "verbs": VERBS.values(),
        "tab": "real",
        "here": f"{own}?{query}" if query else own,
        "live_seconds": LIVE_SECONDS,
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
def real_server_weight(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The weight from the row of a list: to htmx the little form again, to others the list."""
    row = find(cluster, pk)
    config = store.load(cluster)
    owner = value_of(config, row.virtual_server)
    value = next(one for one in owner.real_servers if one.name == row.name)
    form = WeightForm(request.POST, config=config, owner=owner, value=value)
    is_saved = form.is_valid()
    if is_saved:
        row.weight = form.value.weight
        row.save(update_fields=["weight"])
    if request.headers.get("HX-Request"):
        return render(request, "real_servers/_weighed.html", weighed(request, row, form, is_saved=is_saved))
    own = reverse("real-server-list", args=[row.virtual_server.pk])
    if is_saved:
        say_saved(request, f"{row.name} of {owner.name} has the weight {row.weight}.", form.warnings)
    for error in said_of(form):
        messages.error(request, f"The weight of {row.name} was not changed. {error}")
    return back(request, request.POST.get("next", "") or own)


def said_of(form: WeightForm) -> list[str]:
    """What is wrong with what was sent; a stale form is told of in the words of a row."""
    stale = [
        OTHER_WEIGHT.format(form.old.weight) if one == STALE else str(one) for one in form.non_field_errors()
    ]
    return [*stale, *map(str, form.errors.get("weight", []))]


def weighed(
    request: HttpRequest, row: models.RealServer, form: WeightForm, *, is_saved: bool
) -> dict[str, Any]:
    """The little form as it is after the answer: what was typed stays until it is saved."""
    weight = row.weight if is_saved else form.old.weight
    return {
        "pk": row.pk,
        "name": row.name,
        "weight": weight if is_saved else request.POST.get("weight", "")[:8],
        "seen": seen_of(weight),
        "next": request.POST.get("next", ""),
        "errors": said_of(form),
        "warnings": form.warnings,
        "is_saved": is_saved,
        "out_of_band": True,
    }


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
    own = reverse("real-server-list", args=[row.virtual_server.pk])
    return back(request, request.POST.get("next", "") or own)


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
    now = current_state(request, cluster)
    place = states.places(cluster, now, [owner.name]).get((owner.name, row.name))
    context = {"real_server": row, "virtual_server": owner, "server": place, "tab": "real"}
    return render(request, "real_servers/delete.html", context)


def find(cluster: models.Cluster, pk: int) -> models.RealServer:
    """The real server, if it is one of this cluster's."""
    rows = models.RealServer.objects.select_related("virtual_server__cluster")
    return get_object_or_404(rows, pk=pk, virtual_server__cluster=cluster)
