"""A router's part in the pair: it is set aside for work on its machine, and takes part again.

What Piranha's panel never had a button for and administrators stopped pulse for: pulse runs on, so that the
router can be told again from here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from lvs import models
from lvs.sent import setting_aside
from piranha_web import audit
from piranha_web.access.roles import OPERATOR, needs
from piranha_web.context import current_state
from piranha_web.forms.aside import AsideForm
from piranha_web.pair import Member, Pair, pair_of
from piranha_web.views.carry_out import carry_out
from piranha_web.views.history import cluster_or_404
from piranha_web.views.redundancy import switch_context


@needs(OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def router_aside(request: HttpRequest, pk: int) -> HttpResponse:
    """What would happen and what speaks against it; then the order, in no transaction of ours."""
    cluster = cluster_or_404(request)
    row = get_object_or_404(cluster.routers, pk=pk)
    pair = pair_of(current_state(request, cluster))
    member = next((one for one in pair.members if one.state.router.pk == pk), None)
    form = AsideForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if member is None or request.POST.get("role") != member.role:
            messages.warning(request, f"{row.name} has changed its role meanwhile. Nothing was changed.")
            return redirect("router-aside", pk=pk)
        ordered(request, cluster, row, form)
        return redirect("router", pk=pk)
    context = {"router": row, "form": form, **context_of(pair, member)}
    return render(request, "routers/aside.html", context)


def ordered(request: HttpRequest, cluster: models.Cluster, row: models.Router, form: AsideForm) -> None:
    """Has the router be set aside, with its entry in the audit log."""
    reason, anyway = form.cleaned_data["reason"], request.POST.get("anyway") == "1"
    done = f"set {row.name} aside {form.length}{', whatever differs' if anyway else ''}"
    done += f": {reason}" if reason else ""
    by = request.user.get_username()
    order = partial(setting_aside.set_aside, row, by, reason, form.end, anyway=anyway)
    carry_out(request, audit.Action.SWITCH, done, order, cluster=cluster, target=row.name, anyway=anyway)


def context_of(pair: Pair, member: Member | None) -> dict[str, Any]:
    """What the page says of the moment. stands: why it cannot be, in a sentence; "": it can."""
    if member is None or not member.state.is_current:
        return {"stands": "It is not heard now, so it cannot be told: look at its worker and its pulse."}
    other = pair.beside(member)
    if member.part is None:
        return {"stands": "alone"}
    if other is None:
        return {
            "stands": "The other router has not reported for long, so what would become of the service "
            "cannot be shown: see to its worker first. At this one's console: piranha aside."
        }
    if member.role != "active":
        peer = member.part["peer"]
        serves = bool(peer and peer["alive"] and peer["role"] == "active")
        stands = (
            ""
            if serves
            else (
                f"It does not hear that {other.name} is active, so it may be needed at any moment: see to "
                f"{other.name} first."
            )
        )
        unfit = (
            f"{other.name} serves, but says that it is not fit: {member.name} may be needed at any moment."
        )
        refused = [unfit] if peer and not peer["fit"] else []
        return {"member": member, "other": other, "stands": stands, "refused": refused, "anyway": True}
    return {"member": member, "other": other, "stands": "", "moves": True, **switch_context(member, other)}


@needs(OPERATOR)
@require_POST
def router_take_part(request: HttpRequest, pk: int) -> HttpResponse:
    """Has the router be one of the pair again: it may take over from then on, and takes nothing by that."""
    cluster = cluster_or_404(request)
    row = get_object_or_404(cluster.routers, pk=pk)
    done = f"let {row.name} take part again"
    order = partial(setting_aside.take_part, row)
    carry_out(request, audit.Action.SWITCH, done, order, cluster=cluster, target=row.name)
    return redirect("router", pk=pk)
