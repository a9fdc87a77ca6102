"""The heart's status for pulse: the part `redundancy` of the status document (ARCHITECTURE.md). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lvs.pulse.election.alarms import alarms, refusals
from lvs.pulse.election.failover import Failover
from lvs.pulse.heart.settings import Settings
from lvs.pulse.heart.traffic import Traffic
from lvs.pulse.heart.witness import Witness
from lvs.pulse.heartbeat import Refusal
from lvs.router.floating import Role

RECENT = 60.0  # seconds for which an alarm about refused datagrams stands


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of role; at: seconds of the heart's clock."""

    at: float
    role: Role
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the report's parts come from; offset: what makes the heart's clock seconds since the epoch."""

    settings: Settings
    failover: Failover
    traffic: Traffic
    witness: Witness
    transitions: Iterable[Transition]
    troubles: tuple[str, ...]
    pid: int
    offset: float


def report(sources: Sources, now: float) -> dict[str, Any]:
    """The document; times are seconds since the epoch."""
    failover, traffic, offset = sources.failover, sources.traffic, sources.offset
    fitness = failover.own.fitness
    return {
        "stage": failover.stage,
        "role": failover.role,
        "since": failover.since + offset,
        "reason": failover.reason,
        "fit": fitness.is_fit,
        "unfit": list(fitness.reasons),
        "peer": _peer(sources, now),
        "links": _links(sources, now),
        "refused": {kind.value: traffic.refused[kind] for kind in Refusal},
        "transitions": [
            {"at": one.at + offset, "role": one.role, "reason": one.reason} for one in sources.transitions
        ],
        "peer_holds": failover.peer_holds(now),
        "strangers": [
            {
                "address": str(one.address),
                "mac": one.mac.hex(":"),
                "interface": one.interface,
                "at": one.at + offset,
            }
            for one in sources.witness.strangers(now)
        ],
        "keys": {"newest": traffic.gate.newest.hex(), "peer_has_newest": traffic.gate.peer_has_newest},
        "hand_over_refused": list(refusals(failover, now)),
        "alarms": [
            *(one.text for one in alarms(failover, now)),
            *sources.troubles,
            *own_alarms(sources, now),
        ],
        "heart": {"pid": sources.pid, "alive": True},
    }


def own_alarms(sources: Sources, now: float) -> list[str]:
    """What only the one who reads the datagrams can know."""
    traffic, settings = sources.traffic, sources.settings
    found = []
    if traffic.same_node_at is not None and now - traffic.same_node_at < RECENT:
        found.append(
            f"Another router says that it is the {settings.node} too: start one of them with --node, or give "
            "the two the addresses that lvs.cf names."
        )
    other_key = traffic.other_key_at is not None and now - traffic.other_key_at < RECENT
    if other_key and not traffic.alive(now, settings.deadtime):
        found.append(
            "The other router's heartbeats are signed with a key that this one has not: apply a revision, "
            "which brings both the same keys."
        )
    return found


def _peer(sources: Sources, now: float) -> dict[str, Any] | None:
    heard, at = sources.traffic.heard, sources.traffic.heard_at
    if heard is None or at is None:
        return None
    return {
        "node": heard.node,
        "role": heard.role,
        "fit": heard.fit,
        "yielding": heard.yielding,
        "hears": heard.hears,
        "heard_at": at + sources.offset,
        "alive": sources.traffic.alive(now, sources.settings.deadtime),
        "serial": heard.serial,
        "sha256": heard.sha256.hex() if any(heard.sha256) else None,
        "healthy": heard.healthy,
        "total": heard.total,
    }


def _links(sources: Sources, now: float) -> list[dict[str, Any]]:
    found = []
    for link, way in sources.settings.ways.items():
        counts = sources.traffic.counts[link]
        at = counts.heard_at
        found.append(
            {
                "name": link.name.lower(),
                "own": str(way.own),
                "peer": str(way.peer),
                "alive": at is not None and now - at < sources.settings.deadtime,
                "heard_at": None if at is None else at + sources.offset,
                "sent": counts.sent,
                "received": counts.received,
                "lost": counts.lost,
            }
        )
    return found
