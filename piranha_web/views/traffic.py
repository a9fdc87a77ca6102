"""TRAFFIC: what went through one virtual server in the last hour, and through each of its real servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from lvs import dispatch, models
from lvs.reported import traffic
from lvs.reported.traffic import SERVERS, SERVICES, Series, figures
from piranha_web.access.roles import VIEWER, needs
from piranha_web.context import current_state
from piranha_web.traffic import STALE, Line, Rings, number, read
from piranha_web.views.panel import panel

MOST_SERVERS = 200  # rows; the rest is counted
RANGES = {"hour": (3600, "hour"), "10min": (600, "10 minutes")}
LIVE_SECONDS = SERVICES.step


@dataclass(frozen=True, slots=True)
class Chart:
    """What one chart shows: curves of one unit. names: of the values; labels: in the legend."""

    key: str
    title: str
    unit: str
    names: tuple[str, ...]
    labels: tuple[str, ...]


CHARTS = (
    Chart("connections", "New connections", "connections/s", ("connections",), ("new",)),
    Chart("bytes", "Bytes", "B/s", ("bytes_in", "bytes_out"), ("in", "out")),
    Chart("packets", "Packets", "packets/s", ("packets_in", "packets_out"), ("in", "out")),
    Chart("open", "Open connections", "connections", ("active", "inactive"), ("active", "inactive")),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A real server's traffic. name: of the real server."""

    name: str
    connections: Line
    bytes_in: Line
    bytes_out: Line
    active: Line


@needs(VIEWER)
@require_safe
@panel
def virtual_server_traffic(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The page: charts, drawn by the server as well, and tables of what they come to."""
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    span, words = RANGES.get(request.GET.get("range", ""), RANGES["hour"])
    rings = read(SERVICES, cluster, [(row.name, "")])
    names = members(request, cluster, row)
    age = rings.age(row.name)
    context = {
        "virtual_server": row,
        "tab": "traffic",
        "ranges": [(key, label, label == words) for key, (_, label) in RANGES.items()],
        "range": next(key for key, (seconds, _) in RANGES.items() if seconds == span),
        "words": words,
        "charts": [(chart, curves(rings, row.name, chart, span)) for chart in CHARTS],
        "rows": server_rows(cluster, row.name, names[:MOST_SERVERS], span),
        "rows_more": max(0, len(names) - MOST_SERVERS),
        "age": age,
        "is_stale": age is None or age > STALE,
        "live_seconds": LIVE_SECONDS,
    }
    return render(request, "virtual_servers/traffic.html", context)


@needs(VIEWER, polls=True)
@require_safe
@panel
def virtual_server_traffic_figures(request: HttpRequest, cluster: models.Cluster, pk: int) -> HttpResponse:
    """The same as JSON, for charts.js.

    `age`: seconds since the newest sample, null: there is none; `stale`; `times`: seconds since the epoch by
    Redis' clock; `charts`: {key: [curve…]}; `servers`: {NAME: {connections, bytes_in, bytes_out, active}},
    each [now, peak] in words.
    """
    row = get_object_or_404(cluster.virtual_servers, pk=pk)
    span, _ = RANGES.get(request.GET.get("range", ""), RANGES["hour"])
    rings = read(SERVICES, cluster, [(row.name, "")])
    drawn = {chart.key: curves(rings, row.name, chart, span) for chart in CHARTS}
    count = len(drawn["connections"][0][1].series)
    last = SERVICES.tick(rings.now) * SERVICES.step
    age = rings.age(row.name)
    rows = server_rows(cluster, row.name, members(request, cluster, row)[:MOST_SERVERS], span)
    said = {
        "age": None if age is None else round(age),
        "stale": age is None or age > STALE,
        "times": [last - SERVICES.step * (count - 1 - place) for place in range(count)],
        "charts": {key: [rounded(line.series) for _label, line in lines] for key, lines in drawn.items()},
        "servers": {one.name: words_of(one) for one in rows},
    }
    return JsonResponse(said, headers={"Cache-Control": "no-store"})


def members(request: HttpRequest, cluster: models.Cluster, row: models.VirtualServer) -> list[str]:
    """The names of its real servers that are in service; those of the candidate where no router says it."""
    part = dispatch.servers(cluster, [row.name], current_state(request, cluster)).get(row.name)
    if part is not None:
        return [str(one["name"]) for one in part["real_servers"]]
    return list(row.real_servers.values_list("name", flat=True))


def curves(rings: Rings, name: str, chart: Chart, span: int) -> list[tuple[str, Line]]:
    """The curves of a chart with their labels, over the last span seconds."""
    return [
        (label, cut(rings.line(value, chart.unit, name), span // SERVICES.step))
        for value, label in zip(chart.names, chart.labels, strict=True)
    ]


def cut(line: Line, samples: int) -> Line:
    """The newest samples of a line, and what they come to."""
    series = line.series[-samples:]
    short = figures(series)
    return Line(series, traffic.Figures(line.figures.now, short.average, short.peak), line.what)


def server_rows(cluster: models.Cluster, owner: str, names: Sequence[str], span: int) -> list[Row]:
    """The traffic of these real servers of a virtual server, in their order."""
    rings = read(SERVERS, cluster, [(owner, name) for name in names])
    samples = span // SERVERS.step

    def line(value: str, what: str, name: str) -> Line:
        return cut(rings.line(value, what, owner, name), samples)

    return [
        Row(
            name,
            line("connections", "connections/s", name),
            line("bytes_in", "B/s in", name),
            line("bytes_out", "B/s out", name),
            line("active", "active connections", name),
        )
        for name in names
    ]


def words_of(row: Row) -> dict[str, list[str]]:
    """Now and peak of each, for the table's cells."""
    lines = {"connections": row.connections, "bytes_in": row.bytes_in, "bytes_out": row.bytes_out}
    return {
        name: [number(line.figures.now), number(line.figures.peak)]
        for name, line in {**lines, "active": row.active}.items()
    }


def rounded(series: Series) -> list[float | None]:
    """As many digits as a chart can show."""
    return [value and float(f"{value:.4g}") for value in series]
