"""VIRTUAL SERVER TABLE: the active router's IPVS table in the words of ipvsadm, in pages or as a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from lvs import dispatch, models
from lvs.reported import ipvsadm
from lvs.reported.ipvsadm import Line, Rates, Show
from lvs.reported.traffic import COUNTED, SERVERS, SERVICES
from piranha_web.access.roles import VIEWER, needs
from piranha_web.context import current_state
from piranha_web.listing import Listing, listing, page_of
from piranha_web.searching import cut, find
from piranha_web.servers import target_text
from piranha_web.traffic import read
from piranha_web.views.files import as_file
from piranha_web.views.panel import panel

WORDS = {
    Show.LIST: ("ipvsadm -Ln", "connections that are open now"),
    Show.STATS: ("ipvsadm -Ln --stats", "what was counted since each came into the table"),
    Show.RATE: ("ipvsadm -Ln --rate", "what goes through in a second"),
}
MOST_RATES = 1000  # real servers whose rates are read for a page


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the table with where its address leads; "": nowhere."""

    line: Line
    address: str


@needs(VIEWER)
@require_safe
@panel
def ipvs_table(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The page, or with `file` in the address the whole table as text."""
    show = next((one for one in Show if one == request.GET.get("show")), Show.LIST)
    q = cut(request.GET.get("q", ""))
    now = current_state(request, cluster)
    speaker = dispatch.speaking(now)
    foreign: Sequence[Mapping[str, Any]] = speaker.pulse["foreign"] if speaker and speaker.pulse else ()
    if "file" in request.GET and speaker is not None:
        every = [*dispatch.everything(cluster, now).values(), *foreign]
        text = ipvsadm.table({"virtual_servers": every, "foreign": []}, show)
        return as_file(f"{text}\n", f"{speaker.router.name}-ipvs.txt")
    everywhere = listing(cluster)
    names = names_of(cluster, now, everywhere, q)
    page = page_of(names, request.GET.get("page", "1"))
    parts = list(dispatch.servers(cluster, page.rows, now).values()) if page.rows else []
    shown = [*parts, *(foreign if page.number == page.pages and not q else ())]
    rates = rates_of(cluster, parts) if show is Show.RATE else None
    context = {
        "speaker": speaker,
        "now": now,
        "show": show,
        "shows": [(one, words[0]) for one, words in WORDS.items()],
        "words": WORDS[show][1],
        "q": q,
        "heads": ipvsadm.HEADS[show],
        "lines": linked(ipvsadm.lines(shown, show, rates), everywhere),
        "list_page": page,
        "addresses": addresses(request, page.number, page.pages),
        "total": len(names),
    }
    return render(request, "control/ipvs_table.html", context)


def names_of(
    cluster: models.Cluster, now: dispatch.ClusterState, everywhere: Listing, q: str
) -> Sequence[str]:
    """The virtual servers in service that have every word of q, in the order of lvs.cf."""
    running = list(dispatch.states(cluster, now))
    if not q:
        return running
    found = {one.name for one in find(q, everywhere.services)}
    return [name for name in running if name in found]


def linked(lines: Iterable[Line], everywhere: Listing) -> list[Shown]:
    """Each line with the page of what it is about."""
    found = []
    for line in lines:
        service = everywhere.by_name.get(line.virtual_server)
        address = ""
        if line.real_server:
            target = quote(target_text((line.virtual_server, line.real_server)), safe="")
            address = f"{reverse('real-server-explained')}?target={target}"
        elif service is not None and not line.before.startswith("  "):
            address = reverse("real-server-list", args=[service.pk])
        found.append(Shown(line, address))
    return found


def rates_of(cluster: models.Cluster, parts: Collection[Mapping[str, Any]]) -> dict[tuple[str, str], Rates]:
    """What was sampled of these last: virtual servers over ten seconds, real servers over a minute."""
    names = [(part["name"], "") for part in parts]
    targets = [(part["name"], one["name"]) for part in parts for one in part["real_servers"]][:MOST_RATES]
    found: dict[tuple[str, str], Rates] = {}
    for ring, wanted in ((SERVICES, names), (SERVERS, targets)):
        rings = read(ring, cluster, wanted)
        known = [name for name in COUNTED if name in ring.values]
        for target in wanted:
            found[target] = {name: rings.line(name, "", *target).figures.now for name in known}
    return found


def addresses(request: HttpRequest, number: int, pages: int) -> dict[str, str]:
    """Where the other pages of the table are."""
    kept = {name: request.GET.get(name, "") for name in ("show", "q") if name in request.GET}

    def at(page: int) -> str:
        return f"?{urlencode({**kept, 'page': str(page)})}" if 1 <= page <= pages else ""

    return {"first": at(1), "before": at(number - 1), "after": at(number + 1), "last": at(pages)}
