"""What the real servers' weight agents and load monitors say of their load, kept up to date.

A silent one changes nothing at first: its last word counts for FORGOTTEN intervals, and then the configured
weight does again. Silence and its end are events, once each; what is silent now is a problem.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from lvs.config.memo import Memo
from lvs.config.model import LvsConfig, VirtualServer
from lvs.config.sentences import listed
from lvs.nanny.agent_words import merged
from lvs.nanny.checks import Check, Kind, agent_of
from lvs.nanny.descriptions import describe
from lvs.nanny.health import Result
from lvs.nanny.loads import Load, steadied, weighed
from lvs.nanny.probes.finding import Finding
from lvs.nanny.rounds import LIMIT, Rounds
from lvs.nanny.under_way import Probe
from lvs.router.plan import Members, Place, active_members
from lvs.router.state import ServiceKey

FOUND = "as found in the table"
FORGOTTEN = 5  # intervals without a word after which the last one counts no more


class Events(Protocol):
    """Where events are said."""

    def info(self, text: str) -> None: ...

    def warning(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """Of one check: what it said last, how often in a row it has said nothing since, and why.

    adopted: it has said nothing yet, and load is what a table in use shows.
    """

    load: Load | None = None
    silent: int = 0
    reason: str = ""
    adopted: bool = False


def asked(config: LvsConfig) -> dict[Place, Check]:
    """What asks each active real server of an active virtual server for its load, where anything does."""
    found: dict[Place, Check] = {}
    for virtual_server in config.virtual_servers:
        if virtual_server.active:
            found = {**_asked(virtual_server), **found}
    return found


def adopted(
    config: LvsConfig, present: Mapping[ServiceKey, Members], by_hand: Collection[Place], now: float
) -> dict[Place, Load]:
    """The loads that the kernel's table shows, for a pulse that starts beside a table in use.

    So a real server that its agent drained stays out until the agent speaks. Those by_hand tell nothing of
    their load there, nor do weights in a slow start.
    """
    found = {}
    places = asked(config)
    for virtual_server in config.virtual_servers:
        for real_server, place in active_members(virtual_server) if places else ():
            service, key = place
            there = present.get(service, {}).get(key)
            if place not in places or there is None or place in by_hand or not real_server.weight:
                continue
            # A slow start shows in weights above 0, and no load monitor makes a weight of 0.
            unclear = virtual_server.slow_start if there.weight else places[place].kind is Kind.LOAD
            if there.weight != real_server.weight and not unclear:
                found[place] = Load(there.weight / real_server.weight, reason=FOUND, at=now)
    return found


@Memo
def _asked(virtual_server: VirtualServer) -> dict[Place, Check]:
    found = {place: agent_of(virtual_server, each) for each, place in active_members(virtual_server)}
    return {place: check for place, check in found.items() if check is not None}


class Loads:
    """Asks, and keeps what was said last.

    changed() is called in the event loop when a load is another than before. Use: `watch` to say who is asked
    (at any time, before `run` too), `run` as a task.
    """

    def __init__(
        self,
        changed: Callable[[], None],
        events: Events,
        *,
        probe: Probe | None = None,
        clock: Callable[[], float] = time.time,
        limit: int = LIMIT,
    ) -> None:
        self._changed = changed
        self._events = events
        self._rounds = Rounds(self._ended, probe, limit, clock=clock)
        self._asked: dict[Place, Check] = {}
        self._places: dict[Check, tuple[Place, ...]] = {}
        self._heard: dict[Check, Heard] = {}
        self._loads: dict[Place, Load] = {}

    @property
    def loads(self) -> Mapping[Place, Load]:
        """What each real server's load is, of those that said it and are not silent for too long."""
        return self._loads

    @property
    def problems(self) -> tuple[str, ...]:
        """Who does not tell its load, in a sentence for each agent or program and reason."""
        silent: dict[str, list[str]] = {}
        for check, heard in self._heard.items():
            if heard.silent:
                silent.setdefault(f"{describe(check)}: {heard.reason}", []).append(str(check.address))
        return tuple(f"No load from {listed(sorted(them))} ({why})" for why, them in sorted(silent.items()))

    def watch(self, wanted: Mapping[Place, Check]) -> None:
        """From now on ask exactly these; what stays as it was keeps its load and its rhythm."""
        if wanted == self._asked:
            return
        self._asked = dict(wanted)
        gathered: dict[Check, list[Place]] = {}
        for place, check in wanted.items():
            gathered.setdefault(check, []).append(place)
        self._places = {check: tuple(places) for check, places in gathered.items()}
        self._heard = {check: self._heard.get(check) or Heard() for check in gathered}
        self._loads = {
            place: heard.load
            for check, heard in self._heard.items()
            for place in self._places[check]
            if heard.load is not None
        }
        self._rounds.want(gathered.keys())

    def adopt(self, loads: Mapping[Place, Load]) -> None:
        """Start from these where nothing was said yet; what is said first replaces an agent's wholly."""
        for check, places in self._places.items():
            load = next((loads[place] for place in places if place in loads), None)
            if load is not None and self._heard[check].load is None:
                self._heard[check] = Heard(load, adopted=True)
                self._loads |= dict.fromkeys(places, load)

    async def run(self) -> None:
        """Ask until cancelled; may be begun again after a fault of ours ended it."""
        await self._rounds.run()

    def _ended(self, check: Check, result: Result, finding: Finding) -> None:
        before = self._heard[check]
        if finding.load is None:
            after = self._unheard(check, before, finding)
        else:
            # What an agent leaves unsaid is as it said before; a table does not tell what it said.
            known = None if before.adopted and check.kind is not Kind.LOAD else before.load
            after = Heard(_followed(check, known, replace(finding.load, at=result.at)))
            if before.silent:
                self._events.info(f"{_called(check)} tells the load again ({result.reason})")
        self._heard[check] = after
        if after.load is before.load:
            return
        for place in self._places[check]:
            if after.load is None:
                self._loads.pop(place, None)
            else:
                self._loads[place] = after.load
        if _weight(after.load) != _weight(before.load):
            self._changed()

    def _unheard(self, check: Check, before: Heard, finding: Finding) -> Heard:
        # One that this router could not ask is not silent for longer by that.
        silent = max(1, before.silent) if finding.ours else before.silent + 1
        after = replace(before, silent=silent, reason=finding.reason)
        if not before.silent:
            self._events.warning(
                f"{_called(check)} does not tell the load ({finding.reason}): its weight stays"
            )
        if not finding.ours and after.silent >= FORGOTTEN and before.load is not None:
            self._events.warning(
                f"{_called(check)} told no load {FORGOTTEN} times in a row: the configured weight counts"
            )
            after = replace(after, load=None)
        return after


def _followed(check: Check, before: Load | None, said: Load) -> Load:
    follow = weighed if check.kind is Kind.LOAD else merged
    return steadied(before, follow(before, said))


def _weight(load: Load | None) -> tuple[object, ...]:
    """What of a load counts for the weight."""
    return (None, None) if load is None else (load.factor, load.word)


def _called(check: Check) -> str:
    return f"{describe(check)} of {check.address}"
