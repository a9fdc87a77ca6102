"""ROUTERS: what each router has besides the table: its rule set, its kernel, what stands against it.

The pages come at once; what a router has to be asked comes into them by htmx, or with `look` in the address
for browsers without scripts.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from lvs import models, store
from lvs.dispatch import RouterState
from lvs.sent import orders
from piranha_web.access.roles import VIEWER, needs
from piranha_web.context import current_cluster, current_state
from piranha_web.looking import MOST_ROWS, Preflight, looks, preflight_of, rules_of
from piranha_web.views.files import as_file
from piranha_web.views.history import cluster_or_404

FORMS = {"nft": "piranha.nft", "iptables": "piranha-iptables.txt"}


@needs(VIEWER)
@require_safe
def router_list(request: HttpRequest) -> HttpResponse:
    """Every router of the cluster."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    return render(request, "routers/list.html", {"now": current_state(request, cluster)})


@needs(VIEWER)
@require_safe
def router(request: HttpRequest, pk: int) -> HttpResponse:
    """One router. look: it is asked before the page comes."""
    cluster = cluster_or_404(request)
    row = get_object_or_404(cluster.routers, pk=pk)
    context = frame(request, cluster, row)
    if "look" in request.GET:
        context |= {"preflight": looked_at(request, cluster, row), **rule_set(request, row)}
    return render(request, "routers/page.html", context)


@needs(VIEWER)
@require_safe
def router_preflight(request: HttpRequest, pk: int) -> HttpResponse:
    """What stands against what is in force, or against the candidate, on one router; for htmx."""
    cluster = cluster_or_404(request)
    row = get_object_or_404(cluster.routers, pk=pk)
    context = frame(request, cluster, row) | {"preflight": looked_at(request, cluster, row)}
    return render(request, "routers/_preflight.html", context)


@needs(VIEWER)
@require_safe
def router_rules(request: HttpRequest, pk: int) -> HttpResponse:
    """The rule set of one router, with what it counted; for htmx."""
    cluster = cluster_or_404(request)
    row = get_object_or_404(cluster.routers, pk=pk)
    context = frame(request, cluster, row) | rule_set(request, row)
    return render(request, "routers/_rules.html", context)


@needs(VIEWER)
@require_safe
def router_rules_download(request: HttpRequest, pk: int) -> HttpResponse:
    """The rule set as a file, in the form that is asked for."""
    cluster = cluster_or_404(request)
    row = get_object_or_404(cluster.routers, pk=pk)
    form = request.GET.get("form", "nft")
    told = orders.rules(row)
    if told.document is None or form not in FORMS:
        messages.error(request, f"There is nothing to download now. {told.problem or ''}")
        return redirect("router", pk=pk)
    return as_file(told.document[form], f"{row.name}-{FORMS[form]}")


@needs(VIEWER)
@require_safe
def review_routers(request: HttpRequest) -> HttpResponse:
    """What stands against the candidate on each router; for htmx on the page before Apply."""
    cluster = cluster_or_404(request)
    return render(request, "review/_routers.html", {"looks": looks(cluster)})


def frame(request: HttpRequest, cluster: models.Cluster, row: models.Router) -> dict[str, Any]:
    """What is known without asking the router."""
    states = current_state(request, cluster).routers
    state: RouterState | None = next((one for one in states if one.router.pk == row.pk), None)
    return {
        "router": row,
        "state": state,
        "aside": state.pulse.get("aside") if state and state.pulse else None,
        "is_heard": bool(state and state.pulse and state.is_current),
        "is_paired": bool(state and state.pulse and state.pulse.get("redundancy")),
        "routers": [one.router for one in states],
        "pending": bool(store.pending(cluster)),
        "of": "candidate" if request.GET.get("of") == "candidate" else "force",
        "sought": request.GET.get("q", "").strip(),
        "most_rows": MOST_ROWS,
    }


def looked_at(request: HttpRequest, cluster: models.Cluster, row: models.Router) -> Preflight:
    """The router's preflight, of the candidate if that is asked for."""
    config = store.load(cluster) if request.GET.get("of") == "candidate" else None
    return preflight_of(row, orders.preflight([row], config)[0], timezone.now())


def rule_set(request: HttpRequest, row: models.Router) -> dict[str, Any]:
    """The router's rules, filtered as asked."""
    sought = request.GET.get("q", "").strip()
    return {"rules": rules_of(row, orders.rules(row), timezone.now(), sought)}
