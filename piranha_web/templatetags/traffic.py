"""Curves as pictures that need no script, and rates for reading."""

from __future__ import annotations

from collections.abc import Mapping

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lvs import models
from lvs.reported.traffic import Value, figures, lines, thinned
from piranha_web.traffic import Line, Whole, amount, number, said, whole

register = template.Library()

WIDTH, HEIGHT, POINTS = 100, 20, 60  # of a line in a list
LARGE = (600, 120, 180)  # of a chart
EDGE = 1.5  # so that a stroke at the edge is drawn whole


@register.simple_tag
def sparkline(line: Line | None) -> SafeString:
    """A small curve with its words; nothing drawn where nothing is known."""
    return picture(line or Line(), WIDTH, HEIGHT, POINTS, "spark")


@register.simple_tag
def chart(line: Line, second: int = 0) -> SafeString:
    """A large one; second: in the colour of the other curve."""
    return picture(line, *LARGE, "chart second" if second else "chart")


@register.inclusion_tag("control/_traffic.html")
def cluster_traffic(cluster: models.Cluster) -> dict[str, Whole]:
    """The whole cluster's traffic of the last hour."""
    return {"traffic": whole(cluster)}


def picture(line: Line, width: int, height: int, points: int, kind: str) -> SafeString:
    """The curve as SVG: a polyline for each stretch without a gap; as wide and high as its class says."""
    series = thinned(line.series, points)
    # Of what is drawn: an average of several samples is below their peak, and would leave room above it.
    top = figures(series).peak or 0.0
    drawn = format_html_join(
        "",
        '<polyline points="{}"></polyline>',
        ((points_of(stretch),) for stretch in lines(series, width, height - 2 * EDGE, top)),
    )
    words = said(line)
    return format_html(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>",
        kind,
        width,
        height,
        words,
        words,
        drawn,
    )


def points_of(stretch: list[tuple[float, float]]) -> str:
    """What the attribute takes."""
    return " ".join(f"{x:.1f},{y + EDGE:.1f}" for x, y in stretch)


@register.filter
def of(lines: Mapping[str, Line], name: str) -> Line | None:
    """The line of that virtual server."""
    return lines.get(name)


@register.filter
def rate(value: Value) -> str:
    """A rate for reading."""
    return number(value)


@register.filter
def now(line: Line | None) -> str:
    """What a line is at now, with its unit."""
    return amount(line, line.figures.now) if line else "not known"


@register.filter
def peak(line: Line | None) -> str:
    """What it was at most, with its unit."""
    return amount(line, line.figures.peak) if line else "not known"
