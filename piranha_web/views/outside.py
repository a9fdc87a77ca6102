"""A router's lvs.cf that was changed outside: its difference, and the two ways to end that."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from lvs import models
from lvs.config.model import Severity
from lvs.errors import LvsError
from lvs.sent import orders
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.context import current_state
from piranha_web.views.history import cluster_or_404


@needs(VIEWER)
@require_safe
def outside(request: HttpRequest, pk: int) -> HttpResponse:
    """What somebody wrote on the router, beside what it should run."""
    cluster = cluster_or_404(request)
    router = get_object_or_404(cluster.routers, pk=pk)
    state = next((one for one in current_state(request, cluster).routers if one.router.pk == pk), None)
    if state is None or not state.is_outside:
        return render(request, "outside/page.html", {"router": router, "is_outside": False, "state": state})
    found = orders.outside(router)
    problems = found.reading.problems if found.reading else ()
    context = {
        "router": router,
        "is_outside": True,
        "state": state,
        "found": found,
        "errors": [one for one in problems if one.severity is Severity.ERROR],
        "running": cluster.standing_revision(),
        "cluster": cluster,
    }
    return render(request, "outside/page.html", context)


@needs(ADMINISTRATOR)
@require_POST
def take_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Makes the router's text the candidate; it reaches the routers with the next Apply."""
    cluster = cluster_or_404(request)
    router = get_object_or_404(cluster.routers, pk=pk)
    done = f"took in the lvs.cf that {router.name} runs"
    try:
        orders.take_in(
            router,
            request.POST.get("sha256", ""),
            edition=request.POST.get("edition", ""),
            note=partial(audit.write_change, request, cluster, audit.Action.TAKE_IN, done),
        )
    except LvsError as error:
        failed(request, router, audit.Action.TAKE_IN, f"{done}: {error}")
        messages.error(request, f"Nothing was taken in. {error}")
        return redirect("router-outside", pk=pk)
    messages.success(
        request,
        f"The lvs.cf of {router.name} is the candidate now. Look at what would change, then apply it.",
    )
    return redirect("review")


@needs(ADMINISTRATOR)
@require_POST
def put_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Gives the running revision to the router again."""
    cluster = cluster_or_404(request)
    router = get_object_or_404(cluster.routers, pk=pk)
    done = f"had {router.name} given the running revision again"
    try:
        orders.put_back(
            router,
            request.user.get_username(),
            note=partial(
                audit.record, request, audit.Action.PUT_BACK, done, cluster=cluster, target=router.name
            ),
        )
    except LvsError as error:
        failed(request, router, audit.Action.PUT_BACK, f"{done}: {error}")
        messages.error(request, f"Nothing was put back. {error}")
        return redirect("router-outside", pk=pk)
    if cluster.standing_revision() is None:
        messages.success(request, f"The next Apply replaces the lvs.cf of {router.name}.")
        return redirect("review")
    messages.success(
        request, f"{router.name} gets the running revision again; the history shows what comes of it."
    )
    return redirect("history")


def failed(request: HttpRequest, router: models.Router, action: audit.Action, text: str) -> None:
    """Writes down that somebody tried in vain."""
    outcome = audit.Outcome.FAILED
    audit.record(request, action, text, cluster=router.cluster, target=router.name, outcome=outcome)
