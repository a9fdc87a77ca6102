"""CONTROL/MONITORING: what the routers say of themselves, with its age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from lvs import models, store
from lvs.dispatch import ClusterState, RouterState
from piranha_web import servers, traffic
from piranha_web.access.roles import VIEWER, needs
from piranha_web.context import cluster_of, current_state
from piranha_web.hands import VERBS
from piranha_web.pair import moment, pair_of
from piranha_web.picture import picture_of

DEFAULT_INTERVAL = 10  # seconds; Piranha's own default
SHORTEST_INTERVAL = 2  # the routers report every two seconds, so a shorter one would show nothing new
LONGEST_INTERVAL = 3600
FEW_EVENTS = 15
MOST_PENDING = 5  # changes in words; the rest is counted
WORSE = ("warning", "error", "critical")  # the levels of events that somebody should have seen


@needs(VIEWER)
@require_safe
def control(request: HttpRequest) -> HttpResponse:
    """The page; its live part is asked again every interval seconds."""
    cluster = cluster_of(request)
    if cluster is None:
        return redirect("cluster-create")
    return render(request, "control/page.html", {**live_context(request), **auto_update(request)})


@needs(VIEWER, polls=True)
@require_safe
def control_live(request: HttpRequest) -> HttpResponse:
    """The live part of the page alone, for htmx."""
    if cluster_of(request) is None:
        return redirect("control")
    return render(request, "control/_update.html", {**live_context(request), "out_of_band": True})


@needs(VIEWER, polls=True)
@require_safe
def status_line(request: HttpRequest) -> HttpResponse:
    """The status line alone, for the pages on which seconds count down in it."""
    if cluster_of(request) is None:
        return redirect("control")
    return render(request, "_status_line.html")


@needs(VIEWER)
@require_POST
def control_auto_update(request: HttpRequest) -> HttpResponse:
    """Piranha's two fields: whether the page updates itself, and how often."""
    try:
        interval = int(request.POST.get("interval", DEFAULT_INTERVAL))
    except ValueError:
        interval = DEFAULT_INTERVAL
    request.session["auto_update"] = request.POST.get("auto_update") == "on"
    request.session["interval"] = min(max(interval, SHORTEST_INTERVAL), LONGEST_INTERVAL)
    return redirect("control")


def auto_update(request: HttpRequest) -> dict[str, Any]:
    """The user's choice, kept in the session: (on, seconds)."""
    return {
        "auto_update": request.session.get("auto_update", True),
        "interval": request.session.get("interval", DEFAULT_INTERVAL),
        "shortest_interval": SHORTEST_INTERVAL,
        "longest_interval": LONGEST_INTERVAL,
    }


def live_context(request: HttpRequest) -> dict[str, Any]:
    """All that the live part shows."""
    cluster = cluster_of(request)
    if cluster is None:
        return {}
    now = current_state(request, cluster)
    shown = shown_router(now)
    pending = store.pending(cluster)
    return {
        "now": now,
        "pair": pair_of(now),
        "outside": [one for one in now.routers if one.is_outside],
        "shown": shown,
        "pulse": shown.pulse if shown else None,
        "picture": picture_of(cluster, now, shown),
        "traffic": traffic.whole(cluster),
        "pending": pending[:MOST_PENDING],
        "pending_more": max(0, len(pending) - MOST_PENDING),
        "read_at": timezone.now(),
        **attention_context(cluster, shown),
        **events_context(request, shown),
    }


def shown_router(now: ClusterState) -> RouterState | None:
    """The router whose word the page shows: the active one that is heard, else one that speaks at all."""
    heard = sorted((one for one in now.routers if one.pulse), key=lambda one: not one.is_current)
    return next((one for one in heard if one.role == "active"), heard[0] if heard else None)


def events_context(request: HttpRequest, shown: RouterState | None) -> dict[str, Any]:
    """The events of a router, newest first: all or the worse ones, a few or all that it tells of."""
    worse, older = request.GET.get("events") == "worse", "older" in request.GET
    every = shown.pulse["events"][::-1] if shown and shown.pulse else []
    found = [event for event in every if not worse or event["level"] in WORSE]
    return {
        "events": [with_time(event) for event in (found if older else found[:FEW_EVENTS])],
        "events_worse": worse,
        "events_older": older,
        "events_more": 0 if older else max(0, len(found) - FEW_EVENTS),
        "live_query": urlencode({"events": "worse"} if worse else {}) + ("&older=1" if older else ""),
    }


def attention_context(cluster: models.Cluster, shown: RouterState | None) -> dict[str, Any]:
    """What needs attention by the word of one router, if that is how it is now."""
    rows = servers.attention(shown) if shown and shown.is_current else []
    seen = rows[: servers.MOST_ROWS]
    whole = {row.virtual_server for row in seen if not row.name}
    pks = dict(cluster.virtual_servers.filter(name__in=whole).values_list("name", "pk")) if whole else {}
    return {
        "attention": [replace(row, pk=pks.get(row.virtual_server)) for row in seen],
        "attention_more": max(servers.attention_total(shown), len(rows)) - len(seen) if shown and rows else 0,
        "verbs": VERBS.values(),
        "here": reverse("control"),
    }


def with_time(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event whose time the template can print."""
    return {**event, "at": moment(event["at"])}
