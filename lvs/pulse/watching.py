"""Alarms of the checks: said as an event when they begin and when they end, and problems in between."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from lvs.nanny.health import Verdict
from lvs.pulse.events import Events
from lvs.router.plan import Place
from lvs.router.sentences import Names

NAMED = 5  # real servers that one sentence names


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
    kept: dict[Hashable, list[Place]] = {}
    for place in sorted(protected, key=str):
        kept.setdefault(place[0], []).append(place)
    found: dict[Hashable, Alarm] = {}
    for service, places in kept.items():
        called = names.virtual_server(places[0][0])
        reals = [names.real_servers.get(place) or str(place[1]) for place in places]
        more = f" and {len(reals) - NAMED} more" if len(reals) > NAMED else ""
        found["protection", service] = Alarm(
            f"{called}: pool protection keeps {', '.join(reals[:NAMED])}{more} in, though the checks fail: "
            "look at the real servers, and whether their check is right",
            f"{called}: pool protection keeps no real server in any more",
        )
    return found


def of_programs(missing: Iterable[str]) -> dict[Hashable, Alarm]:
    """Programs of lvs.cf that cannot be run; missing: why, in sentences."""
    return {
        ("program", sentence): Alarm(
            f"A program of lvs.cf cannot be run: {sentence}", f"no longer: {sentence}"
        )
        for sentence in missing
    }


def of_flapping(verdicts: Mapping[Place, Verdict], names: Names, now: float) -> dict[Hashable, Alarm]:
    """Real servers that come and go."""
    found: dict[Hashable, Alarm] = {}
    for place, verdict in verdicts.items():
        if not verdict.is_flapping(now):
            continue
        called = f"{names.virtual_server(place[0])}/{names.real_servers.get(place) or place[1]}"
        found["flapping", place] = Alarm(
            f"{called} flaps: it went out {len(verdict.failed)} times of late, so its return takes longer: "
            "look at the machine, the way to it, and the time limit of its check",
            f"{called} flaps no more",
        )
    return found
