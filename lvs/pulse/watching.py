"""Alarms of the checks: said as an event when they begin and when they end, and problems in between."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lvs.config.sentences import listed
from lvs.nanny.checks import Check
from lvs.nanny.health import Verdict
from lvs.pulse.events import Events
from lvs.router.plan import Place
from lvs.router.sentences import Names
from lvs.router.state import ServiceKey


@dataclass(frozen=True, slots=True)
class Alarm:
    """holds: while it lasts, with what to do; over: when it has ended."""

    holds: str
    over: str


class Alarms:
    """Those that hold now."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._held: dict[Hashable, Alarm] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(alarm.holds for alarm in self._held.values())

    def note(self, found: Mapping[Hashable, Alarm]) -> None:
        """Exactly these hold now; the same key is the same alarm, though its words may change."""
        before, self._held = self._held, dict(found)
        for key, alarm in found.items():
            if key not in before:
                self._events.warning(alarm.holds)
        for key, alarm in before.items():
            if key not in found:
                self._events.info(alarm.over)


def of_protection(protected: Iterable[Place], names: Names) -> dict[Hashable, Alarm]:
    """Services in which real servers are kept though their checks failed."""
    return {
        ("protection", service): Alarm(
            f"{called}: pool protection keeps {them} in, though the checks fail: look at the real servers, "
            "and whether their check is right",
            f"{called}: pool protection keeps no real server in any more",
        )
        for service, called, them in _by_service(protected, names)
    }


def of_programs(missing: Iterable[str]) -> dict[Hashable, Alarm]:
    """Programs of lvs.cf that cannot be run; missing: why, in sentences."""
    return {
        ("program", sentence): Alarm(
            f"A program of lvs.cf cannot be run: {sentence}", f"no longer: {sentence}"
        )
        for sentence in missing
    }


def of_unmade(unmade: Mapping[Check, str]) -> dict[Hashable, Alarm]:
    """Checks that this router could not make; unmade: why, of each."""
    reasons: dict[str, set[str]] = {}
    for check, why in unmade.items():
        reasons.setdefault(why, set()).add(str(check.address))
    return {
        ("unmade", why): Alarm(
            f"This router cannot check {listed(sorted(addresses))}, whose verdicts stay as they were: {why}",
            f"this router can make all checks again ({why})",
        )
        for why, addresses in reasons.items()
    }


def of_flapping(verdicts: Mapping[Place, Verdict], names: Names, now: float) -> dict[Hashable, Alarm]:
    """Services whose real servers come and go."""
    flapping = [place for place, verdict in verdicts.items() if verdict.is_flapping(now)]
    return {
        ("flapping", service): Alarm(
            f"{called}: {them} went out again and again of late, so the return takes longer: look at the "
            "machines, the way to them, and the time limit of their check",
            f"{called}: no real server comes and goes any more",
        )
        for service, called, them in _by_service(flapping, names)
    }


def _by_service(places: Iterable[Place], names: Names) -> Iterator[tuple[ServiceKey, str, str]]:
    """Each service with its name, and those of its places, as far as a sentence can name them."""
    of: dict[ServiceKey, list[Place]] = {}
    for place in places:
        of.setdefault(place[0], []).append(place)
    for service, them in of.items():
        called = [names.real_servers.get(place) or str(place[1]) for place in them]
        yield service, names.virtual_server(service), listed(sorted(called))
