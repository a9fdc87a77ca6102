"""All clusters at a glance, and what is found in any of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode

from lvs import dispatch, models, store
from lvs.dispatch import ClusterState, RouterState
from lvs.sent import orders
from piranha_web.listing import Machine, Service, listing
from piranha_web.searching import find
from piranha_web.servers import COUNTED, counts
from piranha_web.status_line import StatusLine, status_line

MOST_FOUND = 10  # of each kind in each cluster; the lists have all of them
LEVELS = ("danger", "warning", "success")  # worst first


@dataclass(frozen=True, slots=True)
class Count:
    """Real servers in one state, in words."""

    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cluster. active: its active routers, which is one where all is well."""

    cluster: models.Cluster
    now: ClusterState
    line: StatusLine
    active: tuple[RouterState, ...]
    counts: tuple[Count, ...]
    services: int
    pending: int

    @property
    def level(self) -> str:
        """The worst of all that its status line says."""
        if self.line.is_red:
            return "danger"
        said = {item.level for item in self.line.items}
        return next((level for level in LEVELS if level in said), "success")

    @property
    def is_known(self) -> bool:
        """Whether its real servers' states are how they are now."""
        return dispatch.speaking(self.now) is not None


def overview(clusters: Iterable[models.Cluster]) -> list[Row]:
    """A row for each cluster: those that need somebody first, then those with changes, then by name."""
    rows = [row_of(cluster) for cluster in clusters]
    return sorted(
        rows,
        key=lambda row: (
            not row.line.is_red,
            LEVELS.index(row.level),
            not row.pending,
            row.cluster.name.casefold(),
        ),
    )


def row_of(cluster: models.Cluster) -> Row:
    """One cluster as it is now."""
    now = dispatch.state(cluster)
    speaker = dispatch.speaking(now)
    return Row(
        cluster=cluster,
        now=now,
        line=status_line(now, orders.waiting(cluster), applying=dispatch.is_applying(cluster)),
        active=tuple(one for one in now.routers if one.is_current and one.role == "active"),
        counts=tuple(counts_in_words(speaker)) if speaker else (),
        services=cluster.virtual_servers.count(),
        pending=len(store.pending(cluster)),
    )


def counts_in_words(speaker: RouterState) -> list[Count]:
    """How many real servers are not simply healthy, by the active router's word."""
    found = counts(speaker)
    return [
        Count(level, f"{found[name]} {words.format(s='s' if found[name] > 1 else '')}")
        for name, (level, words) in COUNTED.items()
        if found[name]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search finds in one cluster: the first of each kind, how many there are, and where."""

    sought: str
    cluster: models.Cluster
    services: Sequence[Service]
    service_count: int
    machines: Sequence[Machine]
    machine_count: int

    @property
    def service_address(self) -> str:
        """The list of all virtual servers that are found."""
        return f"{reverse('virtual-server-list')}?{urlencode({'q': self.sought})}"

    @property
    def machine_address(self) -> str:
        """The list of all real servers that are found."""
        return f"{reverse('machine-list')}?{urlencode({'q': self.sought})}"


def search_all(sought: str, clusters: Iterable[models.Cluster]) -> list[Found]:
    """What has the words in each cluster's candidate; clusters with nothing are left out."""
    rows = []
    for cluster in clusters:
        known = listing(cluster)
        services, machines = find(sought, known.services), find(sought, known.machines)
        if services or machines:
            rows.append(
                Found(
                    sought=sought,
                    cluster=cluster,
                    services=services[:MOST_FOUND],
                    service_count=len(services),
                    machines=machines[:MOST_FOUND],
                    machine_count=len(machines),
                )
            )
    return rows
