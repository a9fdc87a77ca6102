"""Verbs for several servers of the candidate at once, after a page that names what they touch.

What reaches the routers at once (drain, maintenance, up, down, auto) is in `views.hands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from lvs import models, store
from lvs.config.model import LvsConfig, VirtualServer
from piranha_web.access.roles import ADMINISTRATOR, needs
from piranha_web.chosen import Chosen, members_named, numbers_in, services_named
from piranha_web.listing import Member, listing
from piranha_web.scene import Scene, scene_of
from piranha_web.states import connections_of
from piranha_web.views.panel import back, is_sound, panel, say_saved
from piranha_web.views.virtual_server_list import matching, wanted_of

MOST_SHOWN = 100  # rows of the page that asks; the rest is counted
HIGHEST_WEIGHT = 65535


@dataclass(frozen=True, slots=True)
class Verb:
    """What is done to the chosen ones. done: how it is said afterwards; meaning: what follows."""

    label: str
    done: str
    meaning: str
    is_dangerous: bool = False


SERVICE_VERBS = {
    "activate": Verb(
        "Activate", "Activated", "Once applied, the routers raise their addresses and balance their requests."
    ),
    "deactivate": Verb(
        "Deactivate",
        "Deactivated",
        "Once applied, they are served no more: their addresses go, and the connections that they have end. "
        "They stay in the configuration.",
        is_dangerous=True,
    ),
    "delete": Verb(
        "Delete",
        "Deleted",
        "Their monitoring scripts and real servers go with them. Once applied, they are served no more, and "
        "the connections that they have end.",
        is_dangerous=True,
    ),
}
MEMBER_VERBS = {
    "activate": Verb(
        "Activate", "Activated", "Once applied, they are checked, and get requests when healthy."
    ),
    "deactivate": Verb(
        "Deactivate",
        "Deactivated",
        "Once applied, they get no new requests; each keeps its connections for the drain time of its "
        "virtual server at most. To take one out at once, drain it or put it into maintenance.",
        is_dangerous=True,
    ),
    "weight": Verb(
        "Give a weight", "Weight changed:", "Once applied, new connections are shared by it; none is touched."
    ),
}


@needs(ADMINISTRATOR)
@panel
def virtual_server_bulk(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Activate, deactivate or delete the chosen virtual servers: asks first, then does it."""
    given = request.POST if request.method == "POST" else request.GET
    verb = SERVICE_VERBS.get(given.get("verb", ""))
    scene = scene_of(request, cluster)
    chosen = services_of(request, scene)
    if (refusal := refused(request, verb, chosen, len(chosen.services))) is not None:
        return refusal
    if verb is not None and request.method == "POST":
        if carry_out(request, cluster, given.get("verb", ""), chosen):
            say_saved(request, f"{verb.done} {counted(len(chosen.services), 'virtual server')}.", ())
        return back(request, given.get("next", ""), "virtual-server-list")
    names = [one.name for one in chosen.services]
    running = connections_of(request, cluster, names)
    context = {
        "verb": given.get("verb", ""),
        "words": verb,
        "what": counted(len(names), "virtual server"),
        "rows": [(scene.row(one), running.get(one.name)) for one in chosen.services[:MOST_SHOWN]],
        "connections": sum(count for count in running.values() if count),
        "is_known": scene.known is not None,
        "reals": sum(len(one.members) for one in chosen.services),
        **asking(request, chosen, len(names)),
    }
    return render(request, "virtual_servers/bulk.html", context)


def services_of(request: HttpRequest, scene: Scene) -> Chosen:
    """The virtual servers that a request names: one by one, or all that match its search."""
    given = request.POST if request.method == "POST" else request.GET
    if given.get("all") and request.method != "POST":
        return Chosen(services=tuple(matching(scene, wanted_of(given))))
    return services_named(numbers_in(given), scene.listing)


def refused(request: HttpRequest, verb: Verb | None, chosen: Chosen, count: int) -> HttpResponse | None:
    """Back to the list with the reason, when a request does not name what is there; None: it does."""
    given = request.POST if request.method == "POST" else request.GET
    if verb is not None and count and not chosen.missing:
        return None
    if chosen.missing:
        gone = counted(chosen.missing, "of those that you chose is", "of those that you chose are")
        messages.warning(request, f"Nothing was changed: {gone} not there (any more). Choose again.")
    else:
        messages.warning(request, "Nothing was changed: choose at least one in the list, then what to do.")
    return back(request, given.get("next", ""), "virtual-server-list")


def asking(request: HttpRequest, chosen: Chosen, count: int) -> dict[str, Any]:
    """What every page that asks first has in it."""
    given = request.POST if request.method == "POST" else request.GET
    return {
        "picked": chosen.numbers,
        "more": max(0, count - MOST_SHOWN),
        "next": given.get("next", ""),
        "back": back(request, given.get("next", ""), "virtual-server-list").url,
    }


def carry_out(request: HttpRequest, cluster: models.Cluster, verb: str, chosen: Chosen) -> bool:
    """Does it, if the rules have nothing against the whole of it."""
    pks = [one.pk for one in chosen.services]
    if verb == "delete":
        store.delete_virtual_servers(cluster, pks)
        return True
    active = verb == "activate"
    names = {one.name for one in chosen.services}
    before = store.load(cluster)
    if not is_sound(request, before, with_services(before, names, active=active)):
        return False
    store.switch_virtual_servers(cluster, pks, active=active)
    return True


def with_services(config: LvsConfig, names: set[str], *, active: bool) -> LvsConfig:
    """The configuration with these virtual servers switched on or off."""
    return replace(
        config,
        virtual_servers=tuple(
            replace(one, active=active) if one.name in names and one.active != active else one
            for one in config.virtual_servers
        ),
    )


@needs(ADMINISTRATOR)
@panel
def real_server_bulk(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Activate, deactivate or weigh the chosen real servers: asks first, then does it."""
    given = request.POST if request.method == "POST" else request.GET
    verb = MEMBER_VERBS.get(given.get("verb", ""))
    chosen = members_named(
        numbers_in(given), given.getlist("target"), given.getlist("address"), listing(cluster)
    )
    if (refusal := refused(request, verb, chosen, len(chosen.members))) is not None:
        return refusal
    problem = ""
    if verb is not None and request.method == "POST":
        changes, problem = changes_of(given)
        if not problem:
            if change_members(request, cluster, chosen.members, changes):
                say_saved(request, f"{verb.done} {counted(len(chosen.members), 'real server')}.", ())
            return back(request, given.get("next", ""), "virtual-server-list")
    context = {
        "verb": given.get("verb", ""),
        "words": verb,
        "what": counted(len(chosen.members), "real server"),
        "rows": chosen.members[:MOST_SHOWN],
        "weight": given.get("weight", ""),
        "highest": HIGHEST_WEIGHT,
        "problem": problem,
        **asking(request, chosen, len(chosen.members)),
    }
    return render(request, "real_servers/bulk.html", context)


def changes_of(given: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The columns that a verb gives, or what is wrong with what was typed."""
    if given.get("verb") != "weight":
        return {"active": given.get("verb") == "activate"}, ""
    text = given.get("weight", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= HIGHEST_WEIGHT):
        return {}, f"Write a whole number from 0 (no new connections) to {HIGHEST_WEIGHT}."
    return {"weight": int(text)}, ""


def change_members(
    request: HttpRequest, cluster: models.Cluster, members: Sequence[Member], changes: Mapping[str, Any]
) -> bool:
    """Gives the real servers these columns, if the rules have nothing against the whole of it."""
    places = {(one.owner, one.name) for one in members}
    before = store.load(cluster)
    owners = {owner for owner, _name in places}
    after = replace(
        before,
        virtual_servers=tuple(
            with_members(one, places, changes) if one.name in owners else one
            for one in before.virtual_servers
        ),
    )
    if not is_sound(request, before, after):
        return False
    store.change_real_servers(cluster, [one.pk for one in members], changes)
    return True


def with_members(
    service: VirtualServer, places: set[tuple[str, str]], changes: Mapping[str, Any]
) -> VirtualServer:
    """The virtual server with these attributes in those of its real servers that are meant."""
    return replace(
        service,
        real_servers=tuple(
            replace(one, **changes) if (service.name, one.name) in places else one
            for one in service.real_servers
        ),
    )


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 virtual server, 12 virtual servers."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
