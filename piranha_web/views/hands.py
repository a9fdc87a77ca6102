"""The administrator's hand on real servers in service, and what the routers know of one of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lvs import dispatch, models
from lvs.sent import orders
from piranha_web import audit
from piranha_web.access.roles import OPERATOR, VIEWER, needs
from piranha_web.context import current_cluster, current_state
from piranha_web.explained import sight_of
from piranha_web.forms.hands import OrderForm
from piranha_web.hands import VERBS, Verb
from piranha_web.scene import owners_of, scene_of
from piranha_web.servers import Server, Target, everywhere, target_of, target_text
from piranha_web.states import leaving, left_alone
from piranha_web.states import places as places_of
from piranha_web.views.bulk import services_of
from piranha_web.views.carry_out import carry_out
from piranha_web.views.panel import back

MOST_TARGETS = 5000  # of one order
MOST_SHOWN = 200  # rows of the page that asks; the rest is counted
MOST_ADDRESS = 64  # signs
LIVE_SECONDS = 5  # between two looks at the routers' reports


@needs(OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def order(request: HttpRequest) -> HttpResponse:
    """One verb for the chosen real servers: a page that names what it touches, then the order itself.

    No transaction of ours is open meanwhile: a router is waited for.
    """
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    given = request.POST if request.method == "POST" else request.GET
    verb = VERBS.get(given.get("order", ""))
    targets, places = chosen(request, cluster, given)
    if verb is None or not targets:
        messages.warning(request, "Nothing was changed: choose at least one real server, then what to do.")
        return back(request, given.get("next", ""))
    if len(targets) > MOST_TARGETS:
        messages.warning(
            request,
            f"Nothing was changed: these are {len(targets)} real servers, and an order takes "
            f"{MOST_TARGETS} at most. Choose fewer at a time.",
        )
        return back(request, given.get("next", ""))
    form = OrderForm(request.POST if request.method == "POST" else None, verb=verb)
    if request.method == "POST" and form.is_valid():
        give(request, cluster, verb, targets, form)
        return back(request, given.get("next", ""))
    context = {
        "form": form,
        "next": given.get("next", ""),
        "back": back(request, given.get("next", "")).url,
        **touched(verb, targets, places),
        "is_known": dispatch.speaking(current_state(request, cluster)) is not None,
    }
    return render(request, "real_servers/order.html", context)


def give(
    request: HttpRequest, cluster: models.Cluster, verb: Verb, targets: Sequence[Target], form: OrderForm
) -> None:
    """Gives the order, and writes down that it was given and what came of it."""
    reason, until = form.cleaned_data["reason"], form.cleaned_data.get("until")
    whom = " and ".join(f"{name} of {owner}" for owner, name in targets[: audit.TOLD])
    whom += f" and {len(targets) - audit.TOLD} more" if len(targets) > audit.TOLD else ""
    words = [f"ordered {verb.order} for {whom}", f"until {until:%Y-%m-%d %H:%M}" if until else ""]
    by = request.user.get_username()
    carry_out(
        request,
        audit.Action.ORDER,
        ", ".join([*filter(None, words), *([f"because “{reason}”"] if reason else [])]),
        partial(orders.server, cluster, targets, verb.order, by, reason, form.end),
        cluster=cluster,
        target=whom if len(targets) == 1 else f"{len(targets)} real servers",
        order=verb.order.value,
        reason=reason,
        until=until.isoformat() if until else None,
        real_servers=[f"{name} of {owner}" for owner, name in targets],
    )


def chosen(
    request: HttpRequest, cluster: models.Cluster, given: QueryDict
) -> tuple[list[Target], dict[Target, Server]]:
    """The real servers that a request names, and what the active router says of them and those beside them.

    One by one; or as machines in all virtual servers, by address; or all of the virtual servers that were
    ticked in the list. The last two are those in service; where nobody says which, those of the candidate.
    """
    named = [target for text in given.getlist("target") if (target := target_of(text)) is not None]
    addresses = given.getlist("address")
    scene = scene_of(request, cluster)
    owners = {owner for owner, _name in named}
    services = {one.name for one in services_of(request, scene).services} if not named else set()
    if addresses and not named:
        owners |= owners_of(scene, addresses)
    places = places_of(cluster, current_state(request, cluster), owners | services)
    if not named:
        wanted = {text for text in addresses if text}
        named = [target for target, one in places.items() if target[0] in services or one.address in wanted]
        if scene.known is None:
            named = [
                (service.name, one.name)
                for service in scene.listing.services
                for one in service.members
                if one.runs and (service.name in services or one.address in wanted)
            ]
    return list(dict.fromkeys(named)), places


def touched(verb: Verb, targets: Sequence[Target], places: Mapping[Target, Server]) -> dict[str, Any]:
    """What the page says of the chosen real servers."""
    servers = [places[target] for target in targets if target in places]
    names = {name for _virtual_server, name in targets}
    what = f"{targets[0][1]} of {targets[0][0]}"
    if len(targets) > 1:
        what = f"{len(targets)} real servers"
        what = f"{names.pop()} in {len(targets)} virtual servers" if len(names) == 1 else what
    return {
        "verb": verb,
        "rows": [(target_text(target), target, places.get(target)) for target in targets[:MOST_SHOWN]],
        "further": [target_text(target) for target in targets[MOST_SHOWN:]],
        "title": verb.title.format(what),
        "connections": sum(one.connections or 0 for one in servers),
        "unserved": sorted(left_alone(servers, places)) if verb.takes_out else [],
    }


@needs(VIEWER)
@require_safe
def everywhere_list(request: HttpRequest) -> HttpResponse:
    """One machine in all virtual servers, by its address: the same verbs for all of it."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    return render(request, "real_servers/everywhere.html", machine(request, cluster))


@needs(VIEWER, polls=True)
@require_safe
def everywhere_live(request: HttpRequest) -> HttpResponse:
    """The table alone, for htmx."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("control")
    context = machine(request, cluster) | {"out_of_band": True}
    return render(request, "real_servers/_everywhere.html", context)


def machine(request: HttpRequest, cluster: models.Cluster) -> dict[str, Any]:
    """What the active router says of the machine with the asked address."""
    now = current_state(request, cluster)
    address = request.GET.get("address", "").strip()[:MOST_ADDRESS]
    owners = owners_of(scene_of(request, cluster), [address])
    rows = everywhere(places_of(cluster, now, owners), address)
    return {
        "address": address,
        "rows": rows,
        "is_known": dispatch.speaking(now) is not None,
        "connections": sum(one.connections or 0 for one in rows),
        "verbs": VERBS.values(),
        "here": f"{reverse('real-server-everywhere')}?{urlencode({'address': address})}",
        "live_seconds": LIVE_SECONDS,
    }


@needs(VIEWER)
@require_safe
def explained(request: HttpRequest) -> HttpResponse:
    """What each router knows of one real server: verdict, history, hand, load, weight."""
    return explain(request, request.GET.get("target", ""), test=False)


@needs(OPERATOR)
@require_POST
def test(request: HttpRequest) -> HttpResponse:
    """Test this check now, on each router; the page shows what passed, which is kept nowhere."""
    return explain(request, request.POST.get("target", ""), test=True)


def explain(request: HttpRequest, text: str, *, test: bool) -> HttpResponse:
    """The page of one real server. The routers are asked at once, and waited for a few seconds."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    target = target_of(text)
    if target is None:
        messages.warning(request, "Choose a real server first.")
        return redirect("virtual-server-list")
    now = current_state(request, cluster)
    speaker = dispatch.speaking(now)
    roles = {one.router.pk: one.role for one in now.routers if one.is_current}
    routers = dispatch.standby_first(cluster)[::-1]
    if test:
        name = f"{target[1]} of {target[0]}"
        done = f"had the check of {name} made now"
        audit.record(request, audit.Action.TEST, done, cluster=cluster, target=name)
    said = orders.explain_on(routers, *target, test=test)
    context = {
        "virtual_server": target[0],
        "name": target[1],
        "target": target_text(target),
        "server": places_of(cluster, now, [target[0]]).get(target),
        "is_known": speaker is not None,
        "leaving": next((one for one in leaving(cluster, now, target[0]) if one.name == target[1]), None),
        "row": row_of(cluster, target),
        "sights": [(sight_of(one, time.time()), roles.get(one.router.pk)) for one in said],
        "tested": test,
        "verbs": VERBS.values(),
        "here": f"{reverse('real-server-explained')}?{urlencode({'target': target_text(target)})}",
    }
    return render(request, "real_servers/explained.html", context)


def row_of(cluster: models.Cluster, target: Target) -> models.RealServer | None:
    """The real server in the candidate; None: it is not there (any more)."""
    rows = models.RealServer.objects.select_related("virtual_server")
    return rows.filter(
        virtual_server__cluster=cluster, virtual_server__name=target[0], name=target[1]
    ).first()
