"""The real servers of one virtual server as a list: each beside what the active router says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from piranha_web.asked import Asked, Choice, Filter, sorted_by
from piranha_web.forms.real_servers import seen_of
from piranha_web.listing import Member
from piranha_web.searching import Natural, Ranges, find, natural
from piranha_web.servers import Server, target_text
from piranha_web.states import CHANGED, kind_of

FILTERS = ("state",)
# What the list can be filtered by, worst first: the kinds of `states.SIGNS` and what no router runs.
WORDS = {
    "out": "failed",
    "unknown": "unknown",
    "in_hand": "draining, maintenance, forced",
    "healthy": "healthy",
    "unapplied": "not applied yet",
    "inactive": "inactive",
}
RANKS = {state: rank for rank, state in enumerate(WORDS)}
COLUMNS = {
    "name": ("Name", ""),
    "state": ("State, on the active router", ""),
    "address": ("Address", ""),
    "connections": ("Connections", "number"),
    "weight": ("Weight", "number"),
}


@dataclass(frozen=True)
class Line:
    """A real server in the list. found: what the active router says of it; is_known: whether it speaks."""

    member: Member
    found: Server | None
    is_known: bool
    is_changed: bool

    ranges: ClassVar[Ranges] = ()

    @property
    def names(self) -> str:
        return self.member.name.casefold()

    @property
    def addresses(self) -> str:
        return self.member.address or ""

    @property
    def ports(self) -> frozenset[int]:
        return frozenset([self.member.port])

    @property
    def target(self) -> str:
        """How addresses of pages name it."""
        return target_text((self.member.owner, self.member.name))

    @property
    def seen(self) -> str:
        """What tells whether somebody else changed its weight meanwhile."""
        return seen_of(self.member.weight)

    @property
    def kind(self) -> str:
        """Its state in one of the words of the filter."""
        if not self.member.runs:
            return "inactive"
        if not self.is_known:
            return "unknown"
        return kind_of(self.found.state) if self.found else "unapplied"

    @property
    def natural(self) -> Natural:
        return natural(self.member.name)


SORT_KEYS: dict[str, Callable[[Line], Any]] = {
    "name": lambda one: one.natural,
    "state": lambda one: (RANKS[one.kind], one.natural),
    "address": lambda one: (one.member.order, one.member.port),
    "connections": lambda one: one.found.connections or 0 if one.found else -1,
    "weight": lambda one: one.member.weight,
}


def matching(lines: Sequence[Line], wanted: Asked) -> list[Line]:
    """Those that the list asks for, in its order."""
    state = wanted.filters["state"]
    rows = [
        one
        for one in find(wanted.q, lines)
        if not state or (one.is_changed if state == CHANGED else one.kind == state)
    ]
    return sorted_by(rows, wanted.sort, SORT_KEYS)


def filters_of(lines: Sequence[Line], wanted: Asked) -> list[Filter]:
    """The filter by state, with how many it would leave."""
    counts = Counter(one.kind for one in lines)
    chosen = wanted.filters["state"]
    choices = [
        Choice(state, words, counts[state])
        for state, words in WORDS.items()
        if counts[state] or state in ("out", chosen)
    ]
    choices.append(Choice(CHANGED, "changed, not applied", sum(one.is_changed for one in lines)))
    return [Filter("state", "State", choices, chosen)]
