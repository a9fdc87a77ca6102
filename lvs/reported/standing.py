"""What state the virtual and real servers of a router's report are in, and which are worst. Pure.

The router's worker counts with these words, and the pages show them. `one` is a real server of the status
document (ARCHITECTURE.md), `part` a virtual server. A router whose pulse is older leaves newer fields out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lvs.nanny.hand import Order

# The states of a real server under the administrator's hand; the words are in piranha_web.templatetags.
BY_HAND = {
    Order.DRAIN: "draining",
    Order.MAINTENANCE: "maintenance",
    Order.UP: "forced_up",
    Order.DOWN: "forced_down",
}
WORST_FIRST = (
    "unserved",
    "on_sorry",
    "holding",
    "protected",
    "failed",
    "unknown",
    "flapping",
    "forced_up",
    "forced_down",
    "draining",
    "drained",
    "departing",
    "maintenance",
    "warning",
)
UNSERVED = ("unserved", "on_sorry")  # states of a virtual server that no real server serves
# Counted besides the states: one may be healthy and flap. uneasy: healthy, and flapping or with a warning.
ASIDE = ("flapping", "warning", "uneasy", "departing")
_PLACE = {name: place for place, name in enumerate(WORST_FIRST)}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a virtual server stands. state: its own; counts: its real servers by state, and those of ASIDE."""

    state: str
    counts: Mapping[str, int]

    @property
    def real_servers(self) -> int:
        """How many it has that are active."""
        return sum(number for name, number in self.counts.items() if name not in ASIDE)

    @property
    def rank(self) -> int:
        """Its place among all, the worst first; len(WORST_FIRST): nothing is wrong."""
        return min((_PLACE[name] for name in self._said() if name in _PLACE), default=len(WORST_FIRST))

    @property
    def rows(self) -> int:
        """How many things of it need attention."""
        own = self.state in UNSERVED or (self.state == "in_service" and bool(self.counts.get("protected")))
        aside = self.counts.get("uneasy", 0) + self.counts.get("departing", 0)
        return own + self.real_servers - self.counts.get("healthy", 0) + aside

    def _said(self) -> Iterator[str]:
        yield self.state
        yield from (name for name, number in self.counts.items() if number)


def standing_of(part: Mapping[str, Any]) -> Standing:
    """How a virtual server of the status document stands."""
    counts: Counter[str] = Counter()
    for one in part["real_servers"]:
        state = server_state(one)
        counts[state] += 1
        noted = [word for word in ("flapping", "warning") if one.get(word)]
        counts.update(noted)
        if noted and state == "healthy":
            counts["uneasy"] += 1
    if part.get("departing"):
        counts["departing"] = len(part["departing"])
    return Standing(service_state(part), dict(counts))


def server_state(one: Mapping[str, Any]) -> str:
    """The state of a real server of the status document: the hand's, else what its checks say."""
    order = (one.get("hand") or {}).get("order", "auto")
    if order == Order.DRAIN and one["weight"] is None:
        return "drained"
    if order != Order.AUTO and order in BY_HAND:
        return BY_HAND[Order(order)]
    if one.get("protected"):
        return "protected"
    return str(one["health"])


def service_state(part: Mapping[str, Any]) -> str:
    """The state of a virtual server of the status document: who takes its new connections, if anybody."""
    if not part["in_kernel"]:
        return "inactive"
    if any(one["weight"] for one in part["real_servers"]):
        return "in_service"
    sorry = part["sorry_server"]
    return "on_sorry" if sorry and sorry["weight"] else "unserved"
