"""VIRTUAL SERVERS: the list, searched, filtered and sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from lvs import models
from lvs.reported.rates import UNKNOWN, Busy
from piranha_web.access.roles import VIEWER, needs
from piranha_web.asked import Asked, Choice, Filter, asked, is_part, sorted_by
from piranha_web.context import current_state
from piranha_web.listing import Page, Service, page_of
from piranha_web.scene import Scene, scene_of
from piranha_web.searching import find
from piranha_web.states import CHANGED, RANKS, WORDS
from piranha_web.traffic import rows
from piranha_web.views.panel import panel

LIVE_SECONDS = 10  # between two looks at the routers' reports
FILTERS = ("state", "protocol", "forwarding")
PROTOCOLS = ("tcp", "udp", "sctp")
FORWARDINGS = ("nat", "direct", "tunnel")
# By its name in the address: what the head says, and how it is shown.
COLUMNS = {
    "state": ("State", ""),
    "name": ("Name", ""),
    "address": ("Virtual address", ""),
    "forwarding": ("Fwd", ""),
    "scheduler": ("Scheduler", ""),
    "servers": ("Real servers", ""),
    "persistence": ("Persist.", "number"),
    "active": ("Active", "busy"),
    "rate": ("Conn/s", "busy"),
}

# What is read only where a list is sorted by it; what is not known comes below 0.
BUSY: dict[str, Callable[[Busy], float]] = {
    "active": lambda one: -1.0 if one.active is None else one.active,
    "rate": lambda one: -1.0 if one.rate is None else one.rate,
}


def matching(scene: Scene, wanted: Asked) -> list[Service]:
    """The virtual servers that a list asks for, in its order."""
    state, protocol, forwarding = (wanted.filters[name] for name in FILTERS)
    found = [
        one
        for one in find(wanted.q, scene.listing.services)
        if (not protocol or one.protocol == protocol)
        and (not forwarding or scene.forwarding(one) == forwarding)
        and (not state or scene.has_state(one, state))
    ]
    keys = sort_keys(scene)
    column = wanted.sort.removeprefix("-")
    if column in BUSY:
        now, value = scene.busy(), BUSY[column]
        keys[column] = lambda one: value(now.get(one.name, UNKNOWN))
    return sorted_by(found, wanted.sort, keys)


def sort_keys(scene: Scene) -> dict[str, Callable[[Service], Any]]:
    """By what each column sorts."""
    return {
        "state": lambda one: (RANKS[scene.state(one)], one.natural),
        "name": lambda one: one.natural,
        "address": lambda one: (one.order, one.port, one.protocol),
        "forwarding": lambda one: (scene.forwarding(one), one.natural),
        "scheduler": lambda one: (one.scheduler, one.natural),
        "servers": lambda one: (len(one.members), one.natural),
        "persistence": lambda one: (one.persistence, one.natural),
    }


def wanted_of(given: Mapping[str, str]) -> Asked:
    """What a query asks of the list."""
    return asked(given, FILTERS, COLUMNS)


@needs(VIEWER)
@require_safe
@panel
def virtual_server_list(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Every virtual server in a row; to htmx the part that a search changes."""
    return listed(
        request, "virtual_servers/list.html", "virtual_servers/_list.html", context_of(request, cluster)
    )


@needs(VIEWER, polls=True)
@require_safe
@panel
def virtual_server_list_live(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The rows as they are now, for htmx."""
    context = context_of(request, cluster) | {"out_of_band": True}
    return render(request, "virtual_servers/_live.html", context)


def listed(request: HttpRequest, whole: str, part: str, context: dict[str, Any]) -> HttpResponse:
    """A list's page; to htmx, which searches while somebody types, the part that changes and its address."""
    if not is_part(request, "list"):
        return render(request, whole, context)
    response = render(request, part, context)
    response["HX-Replace-Url"] = context["here"]
    return response


def context_of(request: HttpRequest, cluster: models.Cluster) -> dict[str, Any]:
    """What the list shows."""
    wanted = wanted_of(request.GET)
    scene = scene_of(request, cluster)
    found = matching(scene, wanted)
    page = page_of(found, wanted.page)
    here = f"{reverse('virtual-server-list')}?{wanted.query(page=page.number if page.number > 1 else '')}"
    return {
        "asked": wanted,
        "filters": filters_of(scene, wanted),
        "columns": wanted.columns(COLUMNS),
        "list_page": page,
        "rows": [scene.row(one) for one in page.rows],
        "curves": rows(cluster, [one.name for one in page.rows]),
        "addresses": addresses_of(wanted, page),
        "total": len(scene.listing.services),
        "is_known": scene.known is not None,
        "silence": silence_of(request, cluster),
        "here": here.rstrip("?"),
        "live_seconds": LIVE_SECONDS,
    }


def silence_of(request: HttpRequest, cluster: models.Cluster) -> float | None:
    """For how many seconds no router has reported; None: none ever has."""
    heard = [one.age for one in current_state(request, cluster).routers if one.age is not None]
    return min(heard) if heard else None


def addresses_of(wanted: Asked, page: Page) -> dict[str, str]:
    """The addresses of the pages beside this one."""
    pages = {"first": 1, "before": page.before, "after": page.after, "last": page.pages}
    return {name: f"?{wanted.query(page=number)}" for name, number in pages.items() if number}


def filters_of(scene: Scene, wanted: Asked) -> list[Filter]:
    """The filters; how many virtual servers are in each state is counted over all of them."""
    counts = Counter(map(scene.state, scene.listing.services))
    states = [
        Choice(state, words, counts[state])
        for state, words in WORDS.items()
        if counts[state] or state in ("failed", wanted.filters["state"])
    ]
    changed = len(scene.changed & scene.listing.by_name.keys())
    states.append(Choice(CHANGED, "changed, not applied", changed))
    return [
        Filter("state", "State", states, wanted.filters["state"]),
        Filter("protocol", "Protocol", [Choice(one, one) for one in PROTOCOLS], wanted.filters["protocol"]),
        Filter(
            "forwarding",
            "Forwarding",
            [Choice(one, one) for one in FORWARDINGS],
            wanted.filters["forwarding"],
        ),
    ]
