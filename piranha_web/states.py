"""Virtual servers as lists show them: one state each, and how many of its real servers are in which.

The state is by the active router's last word; a virtual server of the candidate that no router runs has one
too. A list of thousands needs only counts, never each real server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from lvs import dispatch, models
from lvs.dispatch import ClusterState, RouterState, speaking
from lvs.reported.standing import ASIDE, UNSERVED, Standing
from piranha_web.context import current_state
from piranha_web.listing import Service
from piranha_web.servers import Attention, Server, Target, departing, servers

# What a list can be filtered by, worst first (the order of the column State as well), in the filter's words.
WORDS = {
    "failed": "failed: no real server serves it",
    "some_failed": "some real servers failed",
    "unknown": "unknown",
    "draining": "draining, maintenance, forced",
    "healthy": "healthy",
    "unapplied": "not applied yet",
    "inactive": "inactive",
}
CHANGED = "changed"
RANKS = {state: rank for rank, state in enumerate(WORDS)}
OUT = ("failed", "protected")  # states of a real server that fails its checks
IN_HAND = ("draining", "drained", "maintenance", "forced_up", "forced_down")
# How a row draws its real servers: state, sign, colour; in this order.
SIGNS = {
    "healthy": ("✔", "success"),
    "in_hand": ("◐", "warning"),
    "unknown": ("?", "secondary"),
    "out": ("✖", "danger"),
    "inactive": ("◌", "secondary"),
}
MOST_LOOKED_AT = 200  # virtual servers that a page has the router bring up to date
MOST_COUNTED = 1000  # virtual servers whose connections are added up for a page
MOST_SIGNS = 12  # of a row; beyond it numbers stand for them


@dataclass(frozen=True, slots=True)
class Sign:
    """Real servers of one kind in a row: a sign for each of them, or one with their number."""

    text: str
    colour: str


def standings(cluster: models.Cluster, now: ClusterState) -> Mapping[str, Standing] | None:
    """Each virtual server in service by the active router's word; None: it does not speak."""
    return dispatch.states(cluster, now) if speaking(now) else None


def detailed(cluster: models.Cluster, now: ClusterState, names: Collection[str]) -> RouterState | None:
    """The active router with these virtual servers whole in its report; None: it does not speak.

    What a page shows the router brings up to date for half a minute; not of more than MOST_LOOKED_AT.
    """
    speaker = speaking(now)
    if speaker is None:
        return None
    if len(names) <= MOST_LOOKED_AT:
        return dispatch.detailed(speaker, dispatch.servers(cluster, names, now) if names else {})
    wanted = set(names)
    parts = dispatch.everything(cluster, now)
    return dispatch.detailed(speaker, {name: part for name, part in parts.items() if name in wanted})


def places(cluster: models.Cluster, now: ClusterState, names: Collection[str]) -> dict[Target, Server]:
    """What the active router says now of the real servers of these virtual servers; {}: it does not speak."""
    return places_in(detailed(cluster, now, names))


def places_in(state: RouterState | None) -> dict[Target, Server]:
    """Every real server of a router's report by its names."""
    return {(one.virtual_server, one.name): one for one in servers(state)} if state else {}


def leaving(cluster: models.Cluster, now: ClusterState, name: str) -> list[Attention]:
    """The deleted real servers of that virtual server that keep their connections for a while."""
    state = detailed(cluster, now, [name])
    return list(departing(state)) if state else []


def left_alone(chosen: Sequence[Server], around: Mapping[Target, Server]) -> set[str]:
    """The virtual servers in which nobody takes new connections without those chosen.

    around: all real servers of their virtual servers.
    """
    gone = {(one.virtual_server, one.name) for one in chosen}
    served = {target[0] for target, one in around.items() if one.is_serving and target not in gone}
    return {one.virtual_server for one in chosen} - served


def connections_of(request: HttpRequest, cluster: models.Cluster, names: Collection[str]) -> dict[str, int]:
    """How many connections these virtual servers have now, active and inactive; not known: absent.

    Of more than MOST_COUNTED nobody is asked: their reports would take seconds to read.
    """
    counts: Counter[str] = Counter()
    if len(names) > MOST_COUNTED:
        return counts
    for (owner, _name), one in places(cluster, current_state(request, cluster), names).items():
        if one.connections is not None:
            counts[owner] += one.connections + (one.inactive or 0)
    return counts


def state_of(standing: Standing) -> str:
    """The one word for a virtual server in service."""
    counts = standing.counts
    if standing.state in UNSERVED:
        return "failed"
    if any(counts.get(state) for state in OUT):
        return "some_failed"
    if counts.get("unknown"):
        return "unknown"
    return "draining" if any(counts.get(state) for state in IN_HAND) else "healthy"


def shown_state(service: Service, known: Mapping[str, Standing] | None) -> str:
    """The state of a virtual server of the candidate."""
    if not service.active:
        return "inactive"
    if known is None:
        return "unknown"
    standing = known.get(service.name)
    return state_of(standing) if standing else "unapplied"


def signs(service: Service, standing: Standing | None) -> list[Sign]:
    """Its real servers as signs; those that nobody speaks of are unknown, or inactive."""
    inactive = len(service.members) - service.active_members
    counts = Counter(inactive=inactive)
    if standing is None:
        counts["unknown"] = service.active_members
    else:
        for state, count in standing.counts.items():
            if state not in ASIDE:
                counts[kind_of(state)] += count
    is_short = counts.total() <= MOST_SIGNS
    return [
        Sign(sign * counts[kind] if is_short else f"{sign} {counts[kind]}", colour)
        for kind, (sign, colour) in SIGNS.items()
        if counts[kind]
    ]


def kind_of(state: str) -> str:
    """Under which sign a real server's state stands."""
    if state in OUT:
        return "out"
    if state in IN_HAND:
        return "in_hand"
    return state if state in SIGNS else "unknown"


def serving(service: Service, standing: Standing | None) -> str:
    """The same in words, for a screen reader and beside the signs."""
    total = len(service.members)
    if standing is None:
        return f"{service.active_members} of {total} active"
    good = standing.counts.get("healthy", 0) + standing.counts.get("forced_up", 0)
    return f"{good} of {total}"
