"""When a message goes out: what holds now in, messages out. Pure; times are seconds since the epoch.

Theory. A condition is something that is wrong at this moment. It is told when it has held for as long as its
kind asks (BEGINS), again every so many hours while it holds (REMINDS), and when it has been gone for CALM
seconds (ENDS). One that comes and goes FLAPS times within WINDOW is summed up: one message says so, and then
nothing until it has stayed away, or there, for WINDOW. An event is over as soon as it is told.

Where nothing can be known (a router that is silent says nothing of its real servers) everything stays as it
was: not knowing is neither the beginning nor the end of anything. While it is quiet (maintenance) nothing is
told; what still holds afterwards is told then, and so is the end of what had been told before.

A clock that is set back leaves moments behind that have not come yet. They count as now: what waited for
one of them would wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

CALM = 10.0  # seconds for which something must be gone before its end is told
FLAPS, WINDOW = 5, 900.0  # beginnings within so many seconds that are summed up
DANGER, WARNING = "danger", "warning"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of alert. after: seconds that it must hold; is_event: it happens, and has no end."""

    level: str
    says: str
    after: float = 0.0
    is_event: bool = False


KINDS: dict[str, Kind] = {
    "both_active": Kind(DANGER, "Both routers of a cluster are active", 3),
    "none_active": Kind(DANGER, "No router of a cluster is active", 3),
    "failover": Kind(DANGER, "Another router of a cluster has become the active one", is_event=True),
    "router_silent": Kind(DANGER, "A router's worker or its pulse is silent", 15),
    "router_unfit": Kind(WARNING, "A router could not take over, and says why", 30),
    "heart": Kind(DANGER, "A router sends no heartbeats: its heart does not run", 15),
    "link_lost": Kind(WARNING, "No heartbeats come by a link between the routers", 15),
    "stranger": Kind(DANGER, "A strange machine answers for a virtual address", 5),
    "servers_out": Kind(WARNING, "Real servers of a virtual server are out", 60),
    "service_down": Kind(DANGER, "No real server serves a virtual server", 5),
    "apply_failed": Kind(DANGER, "A revision was refused by a router, or went back", is_event=True),
    "drift": Kind(WARNING, "A router's lvs.cf was changed outside", 60),
    "certificate": Kind(WARNING, "A certificate ends soon, or cannot be used"),
    "lockout": Kind(WARNING, "Somebody was locked out for guessing", is_event=True),
    "redis": Kind(DANGER, "Redis does not answer the manager", 15),
    "database": Kind(DANGER, "The database does not answer the manager's worker", 15),
    "clock": Kind(WARNING, "A router's clock is not the manager's", 60),
}
SERVERS_OUT = "servers_out"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now, or an event. key: what it is about, once in all; sentence: for people.

    scope: on whose word it is known, as in Seen.unknown.
    """

    kind: str
    key: str
    sentence: str
    cluster: str = ""
    scope: str = "site"


@dataclass(frozen=True, slots=True)
class Seen:
    """What holds now, what happened since the last look, and of which scopes nothing is known."""

    conditions: tuple[Condition, ...] = ()
    events: tuple[Condition, ...] = ()
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A condition over time, as `models.Alert` keeps it."""

    key: str
    kind: str
    scope: str
    cluster: str
    sentence: str
    began: float
    told: float | None = None
    gone: float | None = None
    closed: bool = False
    flapping: bool = False
    comings: tuple[float, ...] = ()

    @property
    def level(self) -> str:
        """As of its kind."""
        return KINDS[self.kind].level

    @property
    def is_told(self) -> bool:
        """Whether somebody was told that it began, and not yet that it ended."""
        return self.told is not None and not self.closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What was chosen. remind: seconds; off: kinds of which nobody is told.

    quiet_until: nothing is told before; quiet_cluster: of that cluster alone, "": of all.
    """

    remind: float = 4 * 3600.0
    servers_after: float = KINDS[SERVERS_OUT].after
    off: Set[str] = frozenset()
    quiet_until: float = 0.0
    quiet_cluster: str = ""

    def after(self, kind: str) -> float:
        """How long a condition of that kind must hold."""
        return self.servers_after if kind == SERVERS_OUT else KINDS[kind].after

    def is_quiet(self, cluster: str, now: float) -> bool:
        """Whether nothing is told now of that cluster; "": of the site."""
        return now < self.quiet_until and self.quiet_cluster in ("", cluster)


class Word(StrEnum):
    """What a message tells of."""

    BEGINS = "begins"
    REMINDS = "goes on"
    ENDS = "is over"
    FLAPS = "comes and goes"
    HAPPENED = "happened"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. lasted: seconds since it began."""

    word: Word
    kind: str
    sentence: str
    cluster: str = ""
    lasted: float = 0.0
    at: float = field(default=0.0, compare=False)

    @property
    def level(self) -> str:
        """danger, warning, or success where something is over."""
        return "success" if self.word is Word.ENDS else KINDS[self.kind].level


def step(
    state: Mapping[str, Open], seen: Seen, policy: Policy, now: float
) -> tuple[dict[str, Open], list[Message]]:
    """The state after this look, and what is to be told."""
    after: dict[str, Open] = {}
    messages = list(_of_events(seen.events, policy, now))
    holding = {one.key: one for one in seen.conditions if one.kind not in policy.off}
    for key in (*state, *(key for key in holding if key not in state)):
        before, condition = _by_now(state.get(key), now), holding.get(key)
        if before is not None and (before.kind in policy.off or before.kind not in KINDS):
            continue
        if condition is None and before is not None and before.scope in seen.unknown:
            after[key] = before
            continue
        found = _holds(before, condition, now) if condition is not None else _gone(before, now)
        if found is None:
            continue
        found, message = _told(found, policy, now)
        if found is not None:
            after[key] = found
        if message is not None:
            messages.append(message)
    return after, messages


def _by_now(one: Open | None, now: float) -> Open | None:
    """The same with no moment that has not come yet."""
    if one is None or max(one.began, one.told or 0.0, one.gone or 0.0, *one.comings) <= now:
        return one
    return replace(
        one,
        began=min(one.began, now),
        told=None if one.told is None else min(one.told, now),
        gone=None if one.gone is None else min(one.gone, now),
        comings=tuple(at for at in one.comings if at <= now),
    )


def _of_events(events: Iterable[Condition], policy: Policy, now: float) -> Iterator[Message]:
    for one in events:
        if one.kind not in policy.off and not policy.is_quiet(one.cluster, now):
            yield Message(Word.HAPPENED, one.kind, one.sentence, one.cluster, at=now)


def _holds(before: Open | None, condition: Condition, now: float) -> Open:
    """It is so at this look. What was closed begins anew, and remembers that it was there before."""
    if before is None:
        return Open(
            key=condition.key,
            kind=condition.kind,
            scope=condition.scope,
            cluster=condition.cluster,
            sentence=condition.sentence,
            began=now,
            comings=(now,),
        )
    found = replace(before, sentence=condition.sentence, scope=condition.scope, gone=None)
    if before.gone is None:
        return found
    comings = (*(at for at in before.comings if now - at < WINDOW), now)
    if before.closed:
        return replace(found, began=now, told=None, closed=False, comings=comings)
    return replace(found, comings=comings)


def _gone(before: Open | None, now: float) -> Open | None:
    """It is not so at this look. What nobody was told of has no end to tell, but may come again."""
    if before is None or before.gone is not None:
        return before
    return replace(before, gone=now, closed=before.told is None)


def _told(one: Open, policy: Policy, now: float) -> tuple[Open | None, Message | None]:
    """What is told of it now, and what it is then; None: it is forgotten."""
    if one.gone is not None and one.closed:
        return (None if now - one.gone >= WINDOW else one), None
    if policy.is_quiet(one.cluster, now):
        return one, None
    if one.flapping:
        return _after_flapping(one, now)
    if one.gone is None:
        return _while_it_holds(one, policy, now)
    if now - one.gone < CALM:
        return one, None
    return replace(one, closed=True), _message(Word.ENDS, one, now)


def _while_it_holds(one: Open, policy: Policy, now: float) -> tuple[Open, Message | None]:
    recent = [at for at in one.comings if now - at < WINDOW]
    if len(recent) >= FLAPS:
        return replace(one, flapping=True, told=now), _message(Word.FLAPS, one, now)
    if one.told is None:
        if now - one.began < policy.after(one.kind):
            return one, None
        return replace(one, told=now), _message(Word.BEGINS, one, now)
    if now - one.told < policy.remind:
        return one, None
    return replace(one, told=now), _message(Word.REMINDS, one, now)


def _after_flapping(one: Open, now: float) -> tuple[Open, Message | None]:
    """It has come and gone; it is told again when it stays one way."""
    if one.gone is not None:
        if now - one.gone < WINDOW:
            return one, None
        return replace(one, closed=True, flapping=False, comings=()), _message(Word.ENDS, one, now)
    if now - max(one.comings, default=one.began) < WINDOW:
        return one, None
    return replace(one, flapping=False, comings=(), told=now), _message(Word.REMINDS, one, now)


def _message(word: Word, one: Open, now: float) -> Message:
    end = one.gone if word is Word.ENDS and one.gone is not None else now
    return Message(word, one.kind, one.sentence, one.cluster, max(0.0, end - one.began), at=now)
