"""Traffic of the last hour as the pages show it: what the routers' workers sampled, added up. Only reads.

Both routers of a pair are added up: the standby sees nothing, and around a takeover each has its part. Redis
is asked once for a page. Where it is away, or nobody has sampled anything, nothing is known; that is no zero.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from lvs import dispatch, models
from lvs.reported import rates, traffic
from lvs.reported.reports import seconds
from lvs.reported.traffic import SERVERS, SERVICES, Figures, Ring, Series

log = logging.getLogger("piranha.site")

STALE = 30.0  # seconds without a sample after which what is shown is not now
FRESH = {SERVICES: 4, SERVERS: 3}  # of the newest samples that count as now
PER_SECOND = "connections/s"


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of the last hour. what: its unit. series: oldest first, None where nothing is known."""

    series: Series = field(default_factory=list)
    figures: Figures = field(default_factory=lambda: Figures(None, None, None))
    what: str = PER_SECOND

    @property
    def is_known(self) -> bool:
        """Whether there is anything to draw."""
        return self.figures.peak is not None


@dataclass(frozen=True, slots=True)
class Rings:
    """What was read at one time. now: Redis' seconds; found: by virtual and real server, of each router."""

    ring: Ring
    now: float
    found: Mapping[tuple[str, str], Sequence[bytes]]

    def series(self, name: str, virtual_server: str = "", real_server: str = "") -> Series:
        """The curve of a value, of all routers together. The sample that is being taken is left out."""
        last = self.ring.tick(self.now)
        curves = [
            self.ring.series(raw, last, name) for raw in self.found.get((virtual_server, real_server), ())
        ]
        if not curves:
            return [None] * (self.ring.places - 1)
        series = curves[0] if len(curves) == 1 else traffic.added(curves)
        # The newest is there only if it was taken already; if not, it is no gap.
        return series[1:] if series[-1] is not None else series[:-1]

    def newest(self, name: str, virtual_server: str) -> float | None:
        """A value as it is now, of all routers together."""
        last = self.ring.tick(self.now)
        known = [
            value
            for raw in self.found.get((virtual_server, ""), ())
            if (value := self.ring.newest(raw, last, name, FRESH[self.ring] + 1)) is not None
        ]
        return sum(known) if known else None

    def line(self, name: str, what: str, virtual_server: str = "", real_server: str = "") -> Line:
        """The same with what it comes to."""
        series = self.series(name, virtual_server, real_server)
        return Line(series, traffic.figures(series, FRESH[self.ring]), what)

    def age(self, virtual_server: str = "") -> float | None:
        """Seconds since the newest sample; None: there is none."""
        last = self.ring.tick(self.now)
        ages = [
            (self.ring.places - 1 - place) * self.ring.step
            for raw in self.found.get((virtual_server, ""), ())
            for name in (self.ring.values[0], self.ring.values[-1])  # rates, and what is open now
            for place, value in enumerate(self.ring.series(raw, last, name))
            if value is not None
        ]
        return min(ages) + self.now % self.ring.step if ages else None


def read(ring: Ring, cluster: models.Cluster, targets: Collection[tuple[str, str]]) -> Rings:
    """The rings of these, each ("", "") for the whole, (virtual server, "") or (virtual server, real server).

    None are found where Redis is away.
    """
    routers = [router.name for router in dispatch.routers_of(cluster)]
    keys = [(target, traffic.key(router, *target)) for target in targets for router in routers]
    pipeline = dispatch.broker().pipeline(transaction=False)
    pipeline.time()
    for _, key in keys:
        # No more than a ring: whoever has taken over a router may write half a gigabyte there.
        pipeline.execute_command("GETRANGE", key, 0, ring.length - 1, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
    try:
        now, *answers = pipeline.execute(raise_on_error=False)
        if isinstance(now, redis.RedisError):
            raise now
    except redis.RedisError as error:
        log.warning("the traffic cannot be read: %s", error)
        return Rings(ring, 0.0, {})
    found: dict[tuple[str, str], list[bytes]] = {}
    for (target, _), raw in zip(keys, answers, strict=True):
        if isinstance(raw, bytes) and raw:
            found.setdefault(target, []).append(raw)
    return Rings(ring, seconds(now), found)


@dataclass(frozen=True, slots=True)
class Row:
    """Of a virtual server in a list: the curve of its connections a second, and how many are active now."""

    line: Line
    active: float | None


def rows(cluster: models.Cluster, names: Collection[str]) -> dict[str, Row]:
    """These virtual servers over the last hour, for a list."""
    rings = read(SERVICES, cluster, [(name, "") for name in names])
    return {
        name: Row(rings.line("connections", PER_SECOND, name), rings.newest("active", name)) for name in names
    }


def busy(cluster: models.Cluster) -> dict[str, rates.Busy]:
    """How busy every virtual server is now, to sort thousands by it; {}: nobody knows."""
    return rates.read(dispatch.broker(), [router.name for router in dispatch.routers_of(cluster)])


def server_lines(
    cluster: models.Cluster, targets: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Line]:
    """The same of real servers, each (virtual server, real server)."""
    rings = read(SERVERS, cluster, targets)
    return {target: rings.line("connections", PER_SECOND, *target) for target in targets}


@dataclass(frozen=True, slots=True)
class Whole:
    """A cluster's traffic of the last hour. age: of the newest sample in seconds, None: there is none."""

    connections: Line
    bytes_in: Line
    bytes_out: Line
    active: Line
    age: float | None

    @property
    def is_stale(self) -> bool:
        """Whether what is shown is not how it is now."""
        return self.age is None or self.age > STALE

    @property
    def shown(self) -> tuple[tuple[Line, str], ...]:
        """The lines with what they are called."""
        return (
            (self.connections, "Connections"),
            (self.active, "Active"),
            (self.bytes_in, "In"),
            (self.bytes_out, "Out"),
        )


def whole(cluster: models.Cluster) -> Whole:
    """All virtual servers together, for `control/_traffic.html`."""
    rings = read(SERVICES, cluster, [("", "")])
    return Whole(
        connections=rings.line("connections", PER_SECOND),
        bytes_in=rings.line("bytes_in", "B/s in"),
        bytes_out=rings.line("bytes_out", "B/s out"),
        active=rings.line("active", "active connections"),
        age=rings.age(),
    )


def number(value: float | None) -> str:
    """A rate for reading: 0, 0.3, 4.2, 212, 12.3 k, 4.5 M; – where it is not known."""
    if value is None:
        return "–"
    for unit in ("", " k", " M", " G", " T"):
        if value < 999.5 or unit == " T":
            break
        value /= 1000
    text = f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
    return text.removesuffix(".0") + unit


def amount(line: Line, value: float | None) -> str:
    """A value of that line with its unit: 212 connections/s, 4.5 MB/s in."""
    text = number(value)
    if value is None:
        return "not known"
    # "4.5 M" and "B/s in" are one unit.
    return f"{text}{'' if ' ' in text and line.what.startswith('B') else ' '}{line.what}"


def said(line: Line) -> str:
    """The line in words: for who cannot see it, and for who points at it."""
    if not line.is_known:
        return "no traffic was sampled in the last hour"
    figures = line.figures
    now = f"now {number(figures.now)}" if figures.now is not None else "now not known"
    return f"{now}, peak {amount(line, figures.peak)} in the last hour"
