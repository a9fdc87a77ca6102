"""CONNECTIONS: who is connected to what through a router now, by filter; read when it is asked for.

Whose connections they are says what people do: viewers get numbers alone, which the router counts, and no
address of a client ever leaves it for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from lvs import dispatch, models
from lvs.config.address import host
from lvs.sent import connections as routers
from piranha_web.access.roles import OPERATOR, VIEWER, needs, rights_of
from piranha_web.context import current_state
from piranha_web.views.panel import panel

MOST_ROWS = 500
MOST_SIGNS = 200  # of a filter
FILTERS = ("virtual_server", "real_server", "protocol", "state")
PROTOCOLS = ("TCP", "UDP", "SCTP")
# Of TCP, most asked for first; whatever else the kernel names can be typed into the address.
STATES = ("ESTABLISHED", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "UDP", "NONE")


@dataclass(frozen=True, slots=True)
class Row:
    """One connection as the table shows it. expires: minutes and seconds."""

    protocol: str
    client: str
    virtual: str
    real: str
    state: str
    expires: str
    is_persistence: bool


@needs(VIEWER)
@require_safe
@panel
def connections(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The form; with `look` in the address also what the router says."""
    may_see = rights_of(request).of(cluster) >= OPERATOR
    given = {name: request.GET.get(name, "").strip()[:MOST_SIGNS] for name in (*FILTERS, "client")}
    if not may_see:
        given["client"] = ""
    states = current_state(request, cluster).routers
    chosen = chosen_router(states, request.GET.get("router", ""))
    context: dict[str, Any] = {
        "given": given,
        "routers": [(one, one is chosen) for one in states],
        "protocols": PROTOCOLS,
        "states": STATES,
        "may_see": may_see,
        "chosen": chosen,
    }
    if "look" in request.GET and chosen is not None:
        asked: dict[str, str | int] = {name: text for name, text in given.items() if text}
        told = routers.connections(chosen.router, {**asked, "limit": MOST_ROWS if may_see else 0})
        context |= {"told": told, "read_at": timezone.now(), **said(told.document)}
    return render(request, "control/connections.html", context)


def chosen_router(states: Sequence[dispatch.RouterState], name: str) -> dispatch.RouterState | None:
    """The router that is asked: the one named, else the active one, else the first."""
    named = [one for one in states if one.router.name == name]
    active = [one for one in states if one.is_current and one.role == "active"]
    return next(iter([*named, *active, *states]), None)


def said(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """The router's answer as the page shows it."""
    if document is None:
        return {}
    rows = sorted(document["connections"], key=lambda row: (row[1], row[2]))
    open_now = document["matched"] - document["persistence"]
    return {
        "rows": [row_of(row) for row in rows],
        "rows_more": document["matched"] - len(rows),
        "open_now": open_now,
        "persistence": document["persistence"],
        "looked_at": document["looked_at"],
        "is_cut": document["cut"],
        "seconds": document["seconds"],
        "by_state": sorted(document["states"].items(), key=lambda each: -each[1]),
        "by_server": [(place(address, port), count) for address, port, count in document["real_servers"]],
        "by_client": document["clients"],
    }


def row_of(row: Sequence[Any]) -> Row:
    """A connection of the answer."""
    protocol, client, client_port, virtual, virtual_port, real, real_port, state, expires = row
    return Row(
        protocol=protocol,
        client=place(client, client_port) if client_port else client,
        virtual=place(virtual, virtual_port),
        real=place(real, real_port),
        state=state,
        expires=f"{expires // 60:02}:{expires % 60:02}",
        is_persistence=client_port == 0,
    )


def place(address: str, port: int) -> str:
    """Address and port as they are written; whatever the router calls an address, if it is none."""
    try:
        return f"{host(str(ip_address(address)))}:{port}"
    except ValueError:
        return f"{address}:{port}"
