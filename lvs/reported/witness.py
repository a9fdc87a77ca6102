"""What the manager sees of two routers as a third witness: split brain, and what leads to it. Pure.

Each router's report is a moment in its past: age seconds ago, on Redis' clock, it said what it was. How long
it had been that then is a difference on its own clock. So no two clocks are ever compared, and two routers
are only said to be active both when the stretches of time for which they said so overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lvs.config.model import Redundancy

SHORTEST_OVERLAP = 1.0  # seconds: a report's age is not known better than this
NONE_ACTIVE = 5.0  # seconds at least for which no router may be active before it is said

# How the heart begins what the manager sees for itself, and says better, from both sides (election.alarms).
ECHOES = ("Both routers are active", "No router is active", "The two routers run different files")

# Kinds of alarms that somebody is sent a message about.
BOTH_ACTIVE, NONE_ACTIVE_KIND, STRANGER, HEART = "both_active", "none_active", "stranger", "heart"

_ORDER = {"danger": 0, "warning": 1}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something wrong with the pair. level: warning or danger; sentence: what it is and what to do.

    kind: one of those that are alerts of their own (`piranha_web.alerts.rules`); "": none of them.
    """

    level: str
    sentence: str
    kind: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A router as the manager sees it. age: of its last report, in seconds, None: there never was one.

    pulse: its status document; None as well when the report is too old to say how things are now.
    """

    name: str
    age: float | None
    pulse: Mapping[str, Any] | None

    @property
    def role(self) -> str | None:
        """What it said it was."""
        return str(self.pulse["role"]) if self.pulse else None

    @property
    def part(self) -> Mapping[str, Any] | None:
        """What its heart says; None: it has none."""
        found: Mapping[str, Any] | None = self.pulse.get("redundancy") if self.pulse else None
        return found

    @property
    def stretch(self) -> tuple[float, float]:
        """When it was surely what it said: (from, to) in seconds before now, from the larger one."""
        if self.pulse is None or self.age is None:
            return 0.0, 0.0
        since = self.part["since"] if self.part else self.pulse["started_at"]
        return self.age + max(0.0, self.pulse["now"] - since), self.age


def alarms(
    sights: Sequence[Sight], redundancy: Redundancy | None, *, applying: bool = False
) -> tuple[Alarm, ...]:
    """Everything wrong with the pair, worst first. redundancy: of what it runs, None: nothing yet.

    applying: a change is on its way, so that the routers may differ for a moment.
    """
    if len(sights) < 2 or redundancy is None or not redundancy.backup_active:
        return ()
    found = [*_roles(sights, redundancy), *_unseen(sights), *_differing(sights, applying)]
    found += _strangers(sights)
    for sight in sights:
        found += _seen_by(sight)
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda alarm: _ORDER[alarm.level]))


def overlap(sights: Sequence[Sight]) -> float:
    """For how many seconds all of them were what they say, at one time."""
    stretches = [sight.stretch for sight in sights]
    return min(start for start, _ in stretches) - max(end for _, end in stretches)


def _roles(sights: Sequence[Sight], redundancy: Redundancy) -> Iterator[Alarm]:
    """Two active routers, or none."""
    active = [sight for sight in sights if sight.role == "active"]
    if len(active) > 1 and overlap(active) > SHORTEST_OVERLAP:
        names = " and ".join(sight.name for sight in active)
        yield Alarm(
            "danger",
            f"{names} are both active: both answer for the virtual addresses, and connections break. Mend "
            "the heartbeat's links, then one of them stands down by itself; or switch one of the machines "
            "off now. To stop pulse is not enough: beside a router that it does not hear, it leaves its "
            "kernel balancing.",
            BOTH_ACTIVE,
        )
    if active or any(sight.role is None for sight in sights):
        return
    if overlap(sights) > max(redundancy.deadtime, NONE_ACTIVE):
        reasons = "; ".join(f"{sight.name}: {_why_standby(sight)}" for sight in sights)
        yield Alarm(
            "danger",
            f"No router is active, so nobody answers for the virtual addresses ({reasons}). Mend what is "
            "said, or make one active whatever speaks against it: piranha failover --force on that router.",
            NONE_ACTIVE_KIND,
        )


def _why_standby(sight: Sight) -> str:
    part = sight.part
    if part is None:
        return "it has no heart, look at pulse's log there"
    return ", ".join(part["unfit"]) or part["reason"] or "it gives no reason"


def _unseen(sights: Sequence[Sight]) -> Iterator[Alarm]:
    """Routers of which the manager does not know whether they are active."""
    for sight in sights:
        if sight.pulse is not None:
            continue
        for other in sights:
            peer = other.part["peer"] if other.part else None
            if other.pulse is None:
                continue
            if peer and peer["alive"]:
                sentence = f"but {other.name} hears it, and that it is {peer['role']}"
                level = "warning"
            elif other.role == "active":
                sentence = f"and {other.name}, which is active, does not hear it"
                level = "danger"
            else:
                sentence = f"{other.name} is standby and does not hear it, so perhaps no router serves"
                level = "danger"
            yield Alarm(
                level,
                f"{sight.name} does not report: whether it is active is not known, {sentence}. "
                f"Look at pulse and the worker on {sight.name}.",
            )


def _differing(sights: Sequence[Sight], applying: bool) -> Iterator[Alarm]:
    """Routers that run different configurations."""
    installed = [sight for sight in sights if sight.pulse]
    if len({sight.pulse["sha256"] for sight in installed if sight.pulse}) < 2:
        return
    each = ", ".join(f"{sight.name} {_installed(sight)}" for sight in installed)
    if applying:
        yield Alarm("warning", f"The routers do not run the same yet ({each}): a change is on its way.")
    else:
        yield Alarm(
            "warning",
            f"The routers do not run the same lvs.cf ({each}): a failover would change what is served. "
            "Wait until it has caught up, or look at what was changed outside.",
        )


def _installed(sight: Sight) -> str:
    if sight.pulse is None or sight.pulse["sha256"] is None:
        return "has none"
    return f"serial_no {sight.pulse['serial']} ({sight.pulse['sha256'][:8]})"


def _strangers(sights: Sequence[Sight]) -> Iterator[Alarm]:
    """Machines that answer for a floating address, each once, whichever routers saw it."""
    seen: dict[tuple[str, str, str], list[str]] = {}
    for sight in sights:
        for one in sight.part["strangers"] if sight.part else ():
            seen.setdefault((one["address"], one["interface"], one["mac"]), []).append(sight.name)
    for (address, interface, mac), names in seen.items():
        yield Alarm(
            "danger",
            f"A machine that is no router of this cluster answers for {address} on {interface} (MAC {mac}, "
            f"seen by {' and '.join(names)}): some clients reach it and not the routers. If it is a real "
            "server of direct routing or a tunnel, Check this real server, on the page of its set-up, finds "
            "it, and the set-up keeps it silent. Any other machine: find it and take the address from it.",
            STRANGER,
        )


def _seen_by(sight: Sight) -> Iterator[Alarm]:
    """What a router itself sees of the other one and of the network, in the words of its heart."""
    part = sight.part
    if part is None:
        if sight.pulse and sight.pulse["mode"] == "kernel" and sight.pulse["sha256"]:
            yield Alarm(
                "warning",
                f"{sight.name} takes no part in the election: it has no cluster key, or its heart does not "
                "run. Apply once, which brings the key; else look at its log.",
            )
        return
    peer = part["peer"]
    level = "warning" if peer and peer["alive"] and not part["peer_holds"] else "danger"
    for sentence in part["alarms"]:
        if not sentence.startswith(ECHOES):
            yield Alarm(level, f"{sight.name}: {sentence}")
    if not part["heart"]["alive"]:
        yield Alarm(
            "danger",
            f"The heart of {sight.name} does not run: no heartbeat leaves it, and it does not take over. "
            "pulse starts it again; when this stays, look at its log.",
            HEART,
        )
