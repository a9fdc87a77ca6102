"""How a real server is to be set up, as text and as scripts; and *Check this real server*."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from lvs import dispatch, models, store
from lvs.realservers import Setup, setups
from lvs.sent import orders
from piranha_web import audit
from piranha_web.access.roles import OPERATOR, VIEWER, needs
from piranha_web.context import current_cluster, current_state
from piranha_web.remarks import gathered
from piranha_web.servers import Target, target_of, target_text
from piranha_web.setting_up import methods
from piranha_web.states import places
from piranha_web.views.files import as_file
from piranha_web.views.hands import row_of
from piranha_web.views.panel import panel
from piranha_web.views.real_servers import find


@needs(VIEWER)
@require_safe
@panel
def set_up(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """Every way to set one machine up, for all virtual servers that name its address."""
    row = find(cluster, pk)
    target = (row.virtual_server.name, row.name)
    using = cluster.virtual_servers.filter(real_servers__address=row.address) if row.address else ()
    context = {
        "real_server": row,
        "virtual_server": row.virtual_server,
        "tab": "real",
        "methods": list(methods(setups_of(cluster, row))),
        "using": list(dict.fromkeys(one.name for one in using)),
        "server": places(cluster, current_state(request, cluster), [target[0]]).get(target),
        "target": target_text(target),
    }
    return render(request, "real_servers/set_up.html", context)


@needs(VIEWER)
@require_safe
@panel
def script(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The script of one way, to be run on the real server."""
    way = request.GET.get("way", "")
    for setup in setups_of(cluster, find(cluster, pk)):
        if setup.way == way and setup.script:
            return as_file(setup.script, setup.file_name, "text/x-shellscript")
    raise Http404(way)


def setups_of(cluster: models.Cluster, row: models.RealServer) -> tuple[Setup, ...]:
    """The ways for the real server of the candidate."""
    return setups(store.load(cluster), None, row.value())


@needs(OPERATOR)
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Check this real server, from one router: the active one unless another is named.

    No transaction of ours is open meanwhile: a router is waited for.
    """
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    target = target_of(request.POST.get("target", ""))
    if target is None:
        messages.warning(request, "Choose a real server first.")
        return redirect("virtual-server-list")
    context = examined(request, cluster, target)
    if request.headers.get("HX-Request"):
        return render(request, "real_servers/_checked.html", context)
    return render(request, "real_servers/checked.html", context)


def examined(request: HttpRequest, cluster: models.Cluster, target: Target) -> dict[str, Any]:
    """What a router found out about a real server in service."""
    state = current_state(request, cluster)
    server = places(cluster, state, [target[0]]).get(target)
    context: dict[str, Any] = {
        "virtual_server": target[0],
        "name": target[1],
        "target": target_text(target),
        "server": server,
        "row": row_of(cluster, target),
    }
    speaker = dispatch.speaking(state)
    if server is None:
        problem = (
            "It is not in service, so no router sends anything to it: apply first, then check it."
            if speaker
            else "The active router does not report now: CONTROL/MONITORING says why. Nothing was checked."
        )
        return context | {"problem": problem}
    routers = dispatch.standby_first(cluster)[::-1]
    asked = request.POST.get("router", "")
    router = next((one for one in routers if str(one.pk) == asked), None)
    if router is None:
        router = speaker.router if speaker else routers[0]
    name = f"{target[1]} of {target[0]}"
    done = f"had {name} checked from {router.name}"
    audit.record(request, audit.Action.CHECK, done, cluster=cluster, target=name)
    told = orders.examine(router, *target)
    roles = {one.router.pk: one.role for one in state.routers if one.is_current}
    return context | {
        "router": router,
        "role": roles.get(router.pk),
        "others": [one for one in routers if one.pk != router.pk],
        "problem": told.problem,
        "told": told.document,
        "remarks": gathered(told.document["remarks"]) if told.document else None,
    }
