"""A number for each virtual server that changes when the state of a real server of it does. Only computes.

A worker that remembers the numbers of its last look asks for those virtual servers alone in which something
happened. Counters and the times of checks are no part of it; the numbers of another pulse say nothing.
"""

from __future__ import annotations

from lvs.config.model import LvsConfig, VirtualServer
from lvs.nanny.health import Verdict
from lvs.pulse.status import Held, leaving_of
from lvs.router.plan import active_members, service_key
from lvs.router.state import Health, KernelState

_UNSEEN = Verdict()


def marks(config: LvsConfig, held: Held, wanted: KernelState) -> dict[str, int]:
    """Those of the active virtual servers, in the order of lvs.cf. wanted: what the kernel should hold."""
    leaving = leaving_of(held)
    found = {}
    for virtual_server in config.virtual_servers:
        key = service_key(virtual_server)
        if not virtual_server.active or key is None:
            continue
        members = wanted.destinations.get(key)
        said = (
            id(virtual_server),  # an unchanged block of lvs.cf is the same object (lvs.config.memo)
            config.forwarding_of(virtual_server),
            None if members is None else tuple([each.weight for each in members.values()]),
            tuple(_real_servers(virtual_server, held)),
            tuple([(one.name, one.until) for one in leaving[key]]) if key in leaving else None,
        )
        found[virtual_server.name] = hash(said)
    return found


def _real_servers(virtual_server: VirtualServer, held: Held) -> list[object]:
    """What there is to say of each of them; in the plain case, of thousands of them, one word."""
    verdicts, shares, hands = held.verdicts, held.shares, held.hands
    said: list[object] = []
    for real_server, place in active_members(virtual_server):
        verdict = verdicts.get(place, _UNSEEN)
        healthy = verdict.health is Health.HEALTHY
        said.append(verdict.since)
        if not healthy or verdict.streak or verdict.warning or verdict.flaps_until:
            said.append(
                (verdict.health.value, verdict.reason, verdict.warning, verdict.is_flapping(held.now))
            )
        if shares.weights and place in shares.weights:
            said.append((place in shares.protected, shares.why.get(place)))
        if hands:
            said.append(hands.get((virtual_server.name, real_server.name)))
    return said
