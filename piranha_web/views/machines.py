"""All real servers of a cluster by their address: a machine is one row, whatever it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from lvs import models, store
from piranha_web.access.roles import VIEWER, needs
from piranha_web.asked import Asked, Choice, Filter, asked, sorted_by
from piranha_web.context import current_state
from piranha_web.hands import VERBS
from piranha_web.lines import COLUMNS as LINE_COLUMNS
from piranha_web.lines import RANKS, WORDS, Line
from piranha_web.listing import Machine, Member, Page, page_of
from piranha_web.scene import Scene, scene_of
from piranha_web.searching import find
from piranha_web.servers import Server, Target
from piranha_web.states import CHANGED, kind_of, places
from piranha_web.views.panel import panel
from piranha_web.views.virtual_server_list import addresses_of, listed, silence_of

LIVE_SECONDS = 10  # between two looks at the routers' reports
MOST_LINES = 20  # of one machine in the list; its own page has all of them
FILTERS = ("state",)
COLUMNS = {
    "state": ("State, on the active router", ""),
    "name": ("Name", ""),
    "address": ("Address", ""),
    "services": ("Virtual servers", ""),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A machine in the list. kinds: how many of its real servers are in which state, worst first.

    lines: those that are shown; more: how many are not.
    """

    machine: Machine
    lines: tuple[Line, ...]
    kinds: tuple[tuple[str, int], ...]
    connections: int | None
    more: int

    @property
    def is_changed(self) -> bool:
        return any(one.is_changed for one in self.lines)

    @property
    def pk(self) -> int:
        """A number that no other row has."""
        return self.machine.members[0].pk


@needs(VIEWER)
@require_safe
@panel
def machine_list(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Every machine in a row that unfolds; to htmx the part that a search changes."""
    context = context_of(request, cluster)
    return listed(request, "real_servers/machines.html", "real_servers/_machines.html", context)


@needs(VIEWER, polls=True)
@require_safe
@panel
def machine_list_live(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The rows as they are now, for htmx."""
    context = context_of(request, cluster) | {"out_of_band": True}
    return render(request, "real_servers/_machines_live.html", context)


def context_of(request: HttpRequest, cluster: models.Cluster) -> dict[str, Any]:
    """What the list shows."""
    wanted = asked(request.GET, FILTERS, COLUMNS)
    scene = scene_of(request, cluster)
    changed = changed_places(cluster)
    page = page_of(matching(request, cluster, scene, wanted, changed), wanted.page)
    own = reverse("machine-list")
    query = wanted.query(page=page.number if page.number > 1 else "")
    return {
        "asked": wanted,
        "filters": filters_of(wanted),
        "columns": wanted.columns(COLUMNS),
        "line_columns": LINE_COLUMNS,
        "list_page": page,
        "rows": rows_of(request, cluster, scene, page, changed),
        "addresses": addresses_of(wanted, page),
        "total": len(scene.listing.machines),
        "own": own,
        "here": f"{own}?{query}" if query else own,
        "is_known": scene.known is not None,
        "silence": silence_of(request, cluster),
        "verbs": VERBS.values(),
        "live_seconds": LIVE_SECONDS,
    }


def changed_places(cluster: models.Cluster) -> frozenset[Target]:
    """The real servers that the next revision would change."""
    found = (difference.place for difference in store.pending(cluster))
    return frozenset((place[1], place[3]) for place in found if len(place) == 4 and place[0] == "virtual")


def filters_of(wanted: Asked) -> list[Filter]:
    """The filter by state: a machine passes when one of its real servers is so."""
    choices = [Choice(state, words) for state, words in WORDS.items()]
    choices.append(Choice(CHANGED, "changed, not applied"))
    return [Filter("state", "State", choices, wanted.filters["state"])]


def matching(
    request: HttpRequest,
    cluster: models.Cluster,
    scene: Scene,
    wanted: Asked,
    changed: frozenset[Target],
) -> list[Machine]:
    """The machines that the list asks for, in its order."""
    by_name = wanted.sort.removeprefix("-") == "name"
    found = find(wanted.q, scene.listing.machines_by_name if by_name else scene.listing.machines)
    if wanted.sort == "-name":
        found.reverse()
    state = wanted.filters["state"]
    by_state = wanted.sort.removeprefix("-") == "state"
    if state == CHANGED:
        found = [one for one in found if any((each.owner, each.name) in changed for each in one.members)]
    elif state or by_state:
        kinds = kinds_of(request, cluster, scene)
        if state:
            found = [one for one in found if any(kinds(each) == state for each in one.members)]
        if by_state:
            worst = {one.address: min(RANKS[kinds(each)] for each in one.members) for one in found}
            return sorted_by(found, wanted.sort, {"state": lambda one: worst[one.address]})
    return sorted_by(found, wanted.sort, SORT_KEYS)


SORT_KEYS: dict[str, Callable[[Machine], Any]] = {
    "address": lambda one: one.order,
    "services": lambda one: len(one.members),
}


def kinds_of(request: HttpRequest, cluster: models.Cluster, scene: Scene) -> Callable[[Member], str]:
    """What tells the state of each real server; only where not all is well and applied it is looked up."""
    known = scene.known or {}
    mixed = {name for name, one in known.items() if name in scene.changed or set(one.counts) - {"healthy"}}
    said = places(cluster, current_state(request, cluster), mixed)

    def kind(member: Member) -> str:
        if not member.runs:
            return "inactive"
        if scene.known is None:
            return "unknown"
        if member.owner in mixed:
            server = said.get((member.owner, member.name))
            return kind_of(server.state) if server else "unapplied"
        return "healthy" if member.owner in known else "unapplied"

    return kind


def rows_of(
    request: HttpRequest,
    cluster: models.Cluster,
    scene: Scene,
    page: Page,
    changed: frozenset[Target],
) -> list[Row]:
    """The machines of a page with what the active router says of them."""
    shown: Iterable[Machine] = page.rows
    owners = {member.owner for machine in shown for member in machine.members[:MOST_LINES]}
    said = places(cluster, current_state(request, cluster), owners)
    return [row_of(machine, said, scene, changed) for machine in shown]


def row_of(machine: Machine, said: Mapping[Target, Server], scene: Scene, changed: frozenset[Target]) -> Row:
    """One machine as a row."""
    lines = tuple(
        Line(
            one,
            said.get((one.owner, one.name)),
            is_known=scene.known is not None,
            is_changed=(one.owner, one.name) in changed,
        )
        for one in machine.members[:MOST_LINES]
    )
    counts = {kind: sum(one.kind == kind for one in lines) for kind in WORDS}
    connections = [one.found.connections for one in lines if one.found and one.found.connections is not None]
    return Row(
        machine=machine,
        lines=lines,
        kinds=tuple((kind, count) for kind, count in counts.items() if count),
        connections=sum(connections) if connections else None,
        more=len(machine.members) - len(lines),
    )
