"""VIRTUAL SERVERS, and the VIRTUAL SERVER and MONITORING SCRIPTS of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from lvs import dispatch, models, store
from lvs.config.model import LvsConfig, VirtualServer
from lvs.sent import orders
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.context import current_cluster
from piranha_web.explained import tried_of
from piranha_web.forms.duplicate import DuplicateForm
from piranha_web.forms.monitoring import CLEARING, MonitoringForm
from piranha_web.forms.panel import JUDGE
from piranha_web.forms.ports import PRESETS, Preset, fill_in, ftp_hint
from piranha_web.forms.virtual_servers import NEW, VirtualServerForm, with_virtual_server
from piranha_web.servers import target_text
from piranha_web.states import connections_of
from piranha_web.views.panel import back, is_sound, panel, say_saved


@needs(ADMINISTRATOR)
@panel
def virtual_server_add(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """A new virtual server with Piranha's defaults; its real servers are the next step."""
    form, filled = form_of(request, store.load(cluster), NEW)
    if form.is_valid():
        row = store.add_virtual_server(cluster, form.value)
        say_saved(request, f"Added {row.name}.{form.allotted} Its real servers are next.", form.warnings)
        return redirect("real-server-list", pk=row.pk)
    return render(request, "virtual_servers/add.html", {"form": form, "filled": filled})


@needs(ADMINISTRATOR)
@panel
def virtual_server_duplicate(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """A copy with its real servers and its check, under another name and at another address or port."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    config = store.load(cluster)
    form = DuplicateForm(request.POST or None, config=config, value=value_of(config, row))
    if request.method == "POST" and form.is_valid():
        made = store.add_virtual_server(cluster, form.value)
        say_saved(request, f"Added {made.name}, a copy of {row.name}.", form.warnings)
        return redirect("virtual-server-edit", pk=made.pk)
    return render(request, "virtual_servers/duplicate.html", {"form": form, "virtual_server": row})


@needs(VIEWER, ADMINISTRATOR)
@panel
def virtual_server_edit(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """VIRTUAL SERVER."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    config = store.load(cluster)
    value = value_of(config, row)
    form, filled = form_of(request, config, value)
    if form.is_valid():
        row.take(form.value)
        say_saved(request, f"Saved {row.name}.{form.allotted}", form.warnings)
        return redirect("virtual-server-edit", pk=row.pk)
    context = {
        "form": form,
        "filled": filled,
        "virtual_server": row,
        "tab": "edit",
        "ftp_hint": ftp_hint(config, value),
    }
    return render(request, "virtual_servers/edit.html", context)


def form_of(
    request: HttpRequest, config: LvsConfig, value: VirtualServer
) -> tuple[VirtualServerForm, Preset | None]:
    """The form as it was sent, or with a set of ports filled in, which saves nothing."""
    preset = PRESETS.get(request.POST.get("preset", ""))
    if preset is None:
        return VirtualServerForm(request.POST or None, config=config, value=value), None
    form = VirtualServerForm(None, config=config, value=value)
    fill_in(form, request.POST, preset)
    return form, preset


@needs(VIEWER, ADMINISTRATOR)
@panel
def monitoring_script(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """MONITORING SCRIPTS; the buttons that clear a field save the form with that field empty."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    config = store.load(cluster)
    posted = request.POST.copy()
    if (field := posted.get("clear", "")) in CLEARING:
        posted[field] = ""
    form = MonitoringForm(posted or None, config=config, owner=value_of(config, row))
    if request.method == "POST" and form.is_valid():
        row.monitoring_script.take(form.value)
        say_saved(request, f"Saved the monitoring script of {row.name}.", form.warnings)
        return redirect("monitoring-script", pk=row.pk)
    return render(request, "virtual_servers/monitoring.html", monitoring_context(row, form))


def monitoring_context(row: models.VirtualServer, form: MonitoringForm) -> dict[str, Any]:
    """What the page of a monitoring script shows; names: of the real servers that a check can be tried on."""
    active = row.real_servers.filter(active=True).values_list("name", flat=True)
    return {
        "form": form,
        "virtual_server": row,
        "tab": "monitoring",
        "clearing": CLEARING,
        "targets": [(target_text((row.name, name)), name) for name in active],
        "names": [one.name for one in row.real_servers.all() if one.address],
    }


@needs(ADMINISTRATOR)
@require_POST
def monitoring_try(request: HttpRequest, pk: int) -> HttpResponse:
    """Test the check that stands in the form, applied or not, from each router; nothing is saved.

    No transaction of ours is open meanwhile: the routers are waited for.
    """
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("cluster-create")
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    config = store.load(cluster)
    posted = request.POST.copy()
    posted.pop(JUDGE, None)  # here the routers judge
    form = MonitoringForm(posted, config=config, owner=value_of(config, row))
    context = monitoring_context(row, form)
    name = request.POST.get("real_server", "")
    if form.is_valid() and name in context["names"]:
        wanted = form.config_with(form.value)
        alone = replace(
            wanted, virtual_servers=(value_of(wanted, row),)
        )  # others may have errors of their own
        routers = dispatch.standby_first(cluster)[::-1]
        tried = f"{name} of {row.name}"
        done = f"tried a check that is not saved on {tried}"
        audit.record(request, audit.Action.TEST, done, cluster=cluster, target=tried)
        said = orders.try_check(routers, alone, row.name, name)
        context["tried"] = [tried_of(router, told) for router, told in zip(routers, said, strict=True)]
    return render(request, "virtual_servers/monitoring.html", context | {"real_server": name})


@needs(ADMINISTRATOR)
@require_POST
@panel
def virtual_server_activate(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """(DE)ACTIVATE, the one half."""
    return switch(request, cluster, pk, active=True)


@needs(ADMINISTRATOR)
@require_POST
@panel
def virtual_server_deactivate(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """(DE)ACTIVATE, the other half."""
    return switch(request, cluster, pk, active=False)


def switch(request: HttpRequest, cluster: models.Cluster, pk: int, *, active: bool) -> HttpResponse:
    """Switches a virtual server on or off, if the rules have nothing against it."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    config = store.load(cluster)
    value = value_of(config, row)
    if is_sound(request, config, with_virtual_server(config, value, replace(value, active=active))):
        if active:
            row.activate()
        else:
            row.deactivate()
        say_saved(request, f"{'Activated' if active else 'Deactivated'} {row.name}.", ())
    return back(request, request.POST.get("next", ""), "virtual-server-list")


@needs(ADMINISTRATOR)
@panel
def virtual_server_delete(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """DELETE, after a page that names what goes with it."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    if request.method == "POST":
        row.delete()
        say_saved(request, f"Deleted {row.name}.", ())
        return redirect("virtual-server-list")
    count = connections_of(request, cluster, [row.name]).get(row.name)
    return render(request, "virtual_servers/delete.html", {"virtual_server": row, "connections": count})


def value_of(config: LvsConfig, row: models.VirtualServer) -> VirtualServer:
    """The virtual server of the configuration that the row is."""
    return next(value for value in config.virtual_servers if value.name == row.name)
