"""The first set-up: from no cluster to a request that was balanced, one page a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lvs import dispatch, models, store
from lvs.config import rules
from lvs.config.model import LvsConfig, Severity
from lvs.sent import orders
from piranha_web import audit, first
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.context import current_cluster, current_state
from piranha_web.first import Machine
from piranha_web.forms.clusters import ClusterForm
from piranha_web.forms.first import NamesForm, NetworkForm, PairForm
from piranha_web.forms.first_service import MORE, ServiceForm
from piranha_web.forms.virtual_servers import NEW, NEW_DEVICE
from piranha_web.looking import looks
from piranha_web.servers import found
from piranha_web.views import clusters, review
from piranha_web.views.panel import panel, say_saved
from piranha_web.views.virtual_servers import value_of

LIVE_SECONDS = 2  # between two looks at whether it works; the routers report as often
MOST_SHOWN = 20  # virtual servers on the last page
MESSAGE = "first set-up"


@needs(ADMINISTRATOR)
@require_safe
def begin(request: HttpRequest) -> HttpResponse:
    """The step that comes next."""
    cluster = current_cluster(request)
    made = first.steps(cluster, store.load(cluster) if cluster else LvsConfig())
    return redirect(f"first-{first.next_of(made).name}")


@needs(ADMINISTRATOR, everywhere=True)
@require_http_methods(["GET", "HEAD", "POST"])
def names(request: HttpRequest) -> HttpResponse:
    """Step 1: the cluster and its routers by name; these can be mended until the first Apply."""
    cluster = current_cluster(request)
    if cluster is None:
        answer = clusters.cluster_create(request)
        if answer.status_code == 302:
            return redirect("first-network")
        form: ClusterForm = ClusterForm(request.POST or None)
        return shown(request, None, LvsConfig(), "cluster", {"form": form})
    if cluster.revisions.exists():
        return shown(request, cluster, store.load(cluster), "cluster", {"form": None})
    form = NamesForm(request.POST or None, cluster=cluster)
    if request.method == "POST" and form.is_valid():
        form.save()
        cluster.refresh_from_db()
        routers = " and ".join(one.name for one in cluster.routers_in_order()[::-1])
        done = f"named the cluster {cluster.name} of {routers}"
        audit.record(request, audit.Action.CLUSTER, done, cluster=cluster, target=cluster.name)
        messages.success(request, f"Saved: {cluster.name} with {routers}.")
        return redirect("first-network")
    return shown(request, cluster, store.load(cluster), "cluster", {"form": form})


@needs(ADMINISTRATOR)
@panel
def network(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Step 2: addresses, the forwarding method, the gateway of NAT."""
    config = store.load(cluster)
    machines = machines_of(request, cluster)
    form = NetworkForm(
        request.POST or None, config=config, machines=machines, is_pair=first.has_pair(cluster)
    )
    if request.method == "POST" and form.is_valid():
        cluster.global_settings.take(form.value.global_settings)
        cluster.redundancy.take(form.value.redundancy)
        say_saved(request, "Saved the network.", form.warnings)
        return redirect(after(cluster, "network"))
    return shown(request, cluster, config, "network", {"form": form, "machines": machines})


@needs(ADMINISTRATOR)
@panel
def pair(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Step 3: what decides of the second router."""
    config = store.load(cluster)
    if not first.has_pair(cluster):
        return redirect("first-service")
    form = PairForm(request.POST or None, config=config, machines=machines_of(request, cluster))
    if request.method == "POST" and form.is_valid():
        cluster.redundancy.take(form.value)
        say_saved(request, "Saved the second router's part.", form.warnings)
        return redirect("first-service")
    return shown(request, cluster, config, "pair", {"form": form})


@needs(ADMINISTRATOR)
@panel
def service(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Step 4: the first virtual server with its real servers, or an old lvs.cf."""
    config = store.load(cluster)
    rows = list(cluster.virtual_servers.order_by("position", "pk")[:2])
    if len(rows) > 1:
        return shown(request, cluster, config, "service", {"form": None})
    row = rows[0] if rows else None
    form = service_form(request, cluster, config, row)
    if form.is_valid():
        if row is None:
            row = store.add_virtual_server(cluster, form.value)
        else:
            row.take(form.value)
            row.monitoring_script.take(form.value.check)
            for old in row.real_servers.all():
                old.delete()
            for server in form.value.real_servers:
                store.add_real_server(row, server)
        say_saved(request, f"Saved {row.name}.", form.warnings)
        return redirect("first-review")
    return shown(request, cluster, config, "service", {"form": form})


def service_form(
    request: HttpRequest, cluster: models.Cluster, config: LvsConfig, row: models.VirtualServer | None
) -> ServiceForm:
    """The form as it was sent; with More rows as it was typed, and longer, which saves nothing."""
    value = value_of(config, row) if row else NEW
    count = rows_in(request.POST)
    machines = machines_of(request, cluster) if row is None else []
    card = next((machine.public for machine in machines if machine.public), None)
    device = f"{card.name}:1" if card else NEW_DEVICE
    if request.POST.get("verb") == "more":
        form = ServiceForm(None, config=config, value=value, device=device, rows=count + MORE)
        typed = {name: request.POST[name] for name in form.fields if name in request.POST}
        form.initial.update(typed)
        return form
    return ServiceForm(request.POST or None, config=config, value=value, device=device, rows=count)


def rows_in(posted: QueryDict) -> int:
    """How many rows for real servers the page had that was sent."""
    text = posted.get("rows", "")
    return int(text) if text.isdecimal() and len(text) <= 3 else 0


@needs(ADMINISTRATOR)
@require_safe
def look(request: HttpRequest) -> HttpResponse:
    """Step 5: what would be done, and what stands against it. check: the routers are asked as well."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("first-cluster")
    config = store.load(cluster)
    problems = rules.problems(config)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    pending = store.pending(cluster)
    context = {
        "pending": pending,
        "services": config.virtual_servers[:MOST_SHOWN],
        "errors": errors,
        "warnings": [problem for problem in problems if problem.severity is Severity.WARNING],
        "done": first.done_of(cluster, config),
        "order": dispatch.standby_first(cluster),
        "silent": [one for one in current_state(request, cluster).routers if not one.is_current],
        "looks": looks(cluster) if "check" in request.GET and pending and not errors else (),
        "message": MESSAGE,
    }
    return shown(request, cluster, config, "review", context)


@needs(ADMINISTRATOR)
@require_POST
def apply(request: HttpRequest) -> HttpResponse:
    """Apply, as on Review and apply; the way goes on to the page that shows it work."""
    cluster = current_cluster(request)
    before = newest_number(cluster)
    review.apply(request)
    is_applied = newest_number(cluster) != before
    return redirect("first-works" if is_applied else "first-review")


def newest_number(cluster: models.Cluster | None) -> int:
    """The number of the newest revision; 0: there is none."""
    return cluster.revisions.values_list("number", flat=True).first() or 0 if cluster else 0


@needs(VIEWER)
@require_safe
@panel
def works(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Step 6: what each real server still needs, its state turning green, the first balanced request."""
    return shown(request, cluster, store.load(cluster), "works", works_context(request, cluster))


@needs(VIEWER, polls=True)
@require_safe
def works_live(request: HttpRequest) -> HttpResponse:
    """The part of that page which changes, for htmx."""
    cluster = current_cluster(request)
    if cluster is None:
        return redirect("first-works")
    context = works_context(request, cluster) | {"out_of_band": True}
    return render(request, "first/_works.html", context)


def works_context(request: HttpRequest, cluster: models.Cluster) -> dict[str, Any]:
    """Routers, real servers and connections as they are now."""
    state = current_state(request, cluster)
    speaker = dispatch.speaking(state)
    pulse = speaker.pulse if speaker else None
    places = found(state)
    rows = (
        cluster.virtual_servers.filter(active=True)
        .order_by("position", "pk")
        .prefetch_related("real_servers")
    )
    config = {one.name: one for one in store.load(cluster).virtual_servers}
    services = [
        {
            "row": row,
            "link": first.link_of(config[row.name]),
            "connections": first.balanced(pulse, row.name),
            "real_servers": [
                {"row": one, "server": places.get((row.name, one.name))}
                for one in row.real_servers.all()
                if one.active
            ],
        }
        for row in rows[:MOST_SHOWN]
    ]
    revision = cluster.newest_revision()
    deployments = list(revision.deployments.select_related("router")) if revision else []
    return {
        "newest": revision,
        "deployments": deployments,
        "services": services,
        "balanced": [one for one in services if one["connections"]],
        "unserved": [one for one in services if one["connections"] and not is_served(one)],
        "speaker": speaker,
        "live_seconds": LIVE_SECONDS,
    }


def is_served(service: Mapping[str, Any]) -> bool:
    """Whether a real server of it takes new connections now."""
    return any(one["server"] and one["server"].is_serving for one in service["real_servers"])


def shown(
    request: HttpRequest, cluster: models.Cluster | None, config: LvsConfig, name: str, more: dict[str, Any]
) -> HttpResponse:
    """The page of a step, with all of them above it."""
    made = first.steps(cluster, config)
    before, following = first.beside(made, name)
    context = {"steps": made, "step": name, "before": before, "after": following, **more}
    return render(request, f"first/{name}.html", context)


def after(cluster: models.Cluster, name: str) -> str:
    """The address's name of the step behind one."""
    following = first.beside(first.steps(cluster, store.load(cluster)), name)[1]
    return f"first-{following.name if following else name}"


def machines_of(request: HttpRequest, cluster: models.Cluster) -> list[Machine]:
    """What the routers find on their machines now, the primary first; those that are silent say so.

    Nothing for a POST: that has typed it all, and a transaction must not wait for routers.
    """
    if request.method == "POST":
        return []
    routers = cluster.routers_in_order()[::-1]
    said = orders.preflight(routers)
    return [first.machine_of(router, told) for router, told in zip(routers, said, strict=True)]
