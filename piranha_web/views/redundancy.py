"""REDUNDANCY: its form, how the pair is now, Switch now and the cluster's key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lvs import models, store
from lvs.errors import LvsError
from lvs.sent import orders
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, OPERATOR, VIEWER, needs
from piranha_web.context import current_cluster, current_state
from piranha_web.forms.redundancy import RedundancyForm, fresh
from piranha_web.pair import Member, pair_of
from piranha_web.views.carry_out import carry_out
from piranha_web.views.panel import is_sound, panel, say_saved

LIVE_SECONDS = 5  # between two looks at the pair above the form
DONE = {
    "enable": "Saved and enabled the backup router.",
    "disable": "Saved and disabled the backup router: the primary runs alone.",
}


@needs(VIEWER, ADMINISTRATOR)
@panel
def redundancy(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The one form of the panel; its buttons also switch the backup router on and off."""
    config = store.load(cluster)
    verb = request.POST.get("verb", "")
    form = RedundancyForm(request.POST or None, config=config, value=config.redundancy, verb=verb)
    if request.method == "POST" and form.is_valid():
        cluster.redundancy.take(form.value)
        say_saved(request, DONE.get(verb, "Saved the redundancy settings."), form.warnings)
        return redirect("redundancy")
    context = {
        "form": form,
        "active": config.redundancy.backup_active,
        "key": orders.key(cluster),
        **live_context(request, cluster),
    }
    return render(request, "redundancy/edit.html", context)


@needs(VIEWER, polls=True)
@require_safe
def redundancy_live(request: HttpRequest) -> HttpResponse:
    """How the pair is now, for htmx."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("control")
    return render(request, "redundancy/_live.html", {**live_context(request, cluster), "out_of_band": True})


def live_context(request: HttpRequest, cluster: models.Cluster) -> dict[str, Any]:
    """What stands above the form."""
    now = current_state(request, cluster)
    return {"now": now, "pair": pair_of(now), "live_seconds": LIVE_SECONDS}


@needs(ADMINISTRATOR)
@require_POST
@panel
def reset(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Back to no backup and the panel's own times."""
    config = store.load(cluster)
    form = RedundancyForm({}, config=config, value=config.redundancy)
    value = fresh(config.redundancy)
    if is_sound(request, config, form.config_with(value)):
        cluster.redundancy.take(value)
        say_saved(request, "Reset the redundancy settings: there is no backup router.", ())
    return redirect("redundancy")


@needs(OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def switch(request: HttpRequest) -> HttpResponse:
    """Switch now: what would happen and what speaks against it; then the order, in no transaction of ours."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    pair = pair_of(current_state(request, cluster))
    giver = pair.active
    taker = pair.beside(giver) if giver else None
    if giver is None or taker is None or giver.part is None:
        messages.error(request, why_no_switch(pair.actives))
        return redirect("redundancy")
    if request.method == "POST":
        # The page names who gives and who takes; when that has turned meanwhile, nothing is done.
        if request.POST.get("giver") != giver.name:
            messages.warning(request, f"{giver.name} is active already. Nothing was switched.")
            return redirect("redundancy")
        anyway = request.POST.get("anyway") == "1"
        done = f"switched from {giver.name} to {taker.name}{', whatever differs' if anyway else ''}"
        order = partial(orders.hand_over, giver.state.router, anyway=anyway)
        carry_out(
            request, audit.Action.SWITCH, done, order, cluster=cluster, target=giver.name, anyway=anyway
        )
        return redirect("redundancy")
    context = {"giver": giver, "taker": taker, **switch_context(giver, taker)}
    return render(request, "redundancy/switch.html", context)


def why_no_switch(actives: tuple[Member, ...]) -> str:
    """Why nothing can be switched, when the reports do not show one active router beside another."""
    if len(actives) > 1:
        return "Both routers say that they are active: mend the way between them first. Nothing was switched."
    if not actives:
        return "No router says now that it is active, so none can hand over. Nothing was switched."
    return (
        f"{actives[0].name} runs without a second router: enable the backup router, apply, and wait until "
        f"both have a heartbeat. Nothing was switched."
    )


def switch_context(giver: Member, taker: Member) -> dict[str, Any]:
    """What moves, what it means for connections, and what speaks against it."""
    pulse, part = giver.state.pulse or {}, giver.part or {}
    peer = part["peer"]
    copies = any(one.startswith("master") for one in giver.sync) and any(
        one.startswith("backup") for one in taker.sync
    )
    return {
        "addresses": [one["address"] for one in pulse["addresses"]],
        "virtual_servers": len(pulse["virtual_servers"]),
        "connections": sum(
            server["counters"]["active"]
            for virtual_server in pulse["virtual_servers"]
            for server in virtual_server["real_servers"]
            if server["counters"]
        ),
        "copies": copies,
        "refused": part["hand_over_refused"],
        "anyway": bool(peer) and not giver.stage and could_serve(peer),
    }


def could_serve(peer: Mapping[str, Any]) -> bool:
    """Whether a refusal can be overruled: what differs can, a router that is silent or not fit cannot."""
    return bool(peer["alive"] and peer["fit"] and peer["hears"]) and peer["role"] == "standby"


@needs(ADMINISTRATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def new_key(request: HttpRequest) -> HttpResponse:
    """Another key for the heartbeats: asked once, then made and sent to each router."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    if request.method == "POST":
        try:
            with audit.attempted(
                request, audit.Action.KEY, "made a new cluster key", cluster=cluster, target=cluster.name
            ):
                orders.rotate_key(cluster, request.user.get_username())
        except LvsError as error:
            messages.error(request, f"No new key was made. {error}")
        else:
            messages.success(
                request,
                f"The key {orders.key(cluster).id} is on its way to the routers. Heartbeats go on meanwhile: "
                f"each believes the old key too.",
            )
        return redirect("redundancy")
    return render(request, "redundancy/key.html", {"key": orders.key(cluster)})
