"""The two routers as the pages show them: who is active, since when and why, what each hears of the other.

Only puts together what the routers' reports say (ARCHITECTURE.md, `redundancy` of the status document). An
age is what it was when the router spoke; once the router is silent, its silence is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lvs.dispatch import ClusterState, RouterState

# Why a datagram was not acted on, in the words of the pages.
REFUSED = {
    "malformed": "malformed",
    "forged": "with a false signature",
    "foreign": "of another key, address or node",
    "replayed": "heard before, or late",
    "unverified": "at a start, not shown to be new",
}
MOST_TRANSITIONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartLink:
    """One way between the routers as one of them sees it. heard: seconds ago, None: never; loss: 0 to 100."""

    name: str
    own: str
    peer: str
    alive: bool
    heard: float | None
    sent: int
    received: int
    lost: int
    loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A router's change of role."""

    at: datetime
    router: str
    role: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One router's own view of the pair. part: `redundancy` of its report; None: it has no heart."""

    state: RouterState
    role: str
    part: Mapping[str, Any] | None
    links: tuple[HeartLink, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()
    sync: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.state.router.name

    @property
    def since(self) -> datetime | None:
        """When it took its role."""
        return moment(self.part["since"]) if self.part else None

    @property
    def held(self) -> float | None:
        """For how many seconds it has had its role, by its own clock."""
        return ago(self.state, self.part["since"]) if self.part else None

    @property
    def reason(self) -> str:
        """Why it took its role."""
        return str(self.part["reason"]) if self.part else ""

    @property
    def stage(self) -> str:
        """What it is about to do, where that is not its role itself."""
        stage = str(self.part["stage"]) if self.part else self.role
        return "" if stage == self.role else stage

    @property
    def peer_heard(self) -> float | None:
        """Seconds since it heard the other router, on whichever link; None: never."""
        peer = self.part["peer"] if self.part else None
        return ago(self.state, peer["heard_at"]) if peer else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """All that is known of a cluster's redundancy."""

    members: tuple[Member, ...]

    @property
    def is_redundant(self) -> bool:
        """Whether any router has a heart."""
        return any(member.part for member in self.members)

    @property
    def actives(self) -> tuple[Member, ...]:
        """The routers that say now that they are active."""
        return tuple(one for one in self.members if one.state.is_current and one.role == "active")

    @property
    def active(self) -> Member | None:
        """The one active router; None when there is none, or more than one."""
        return self.actives[0] if len(self.actives) == 1 else None

    def beside(self, member: Member) -> Member | None:
        """The other router."""
        return next((one for one in self.members if one.name != member.name), None)

    @property
    def transitions(self) -> list[Transition]:
        """The last changes of role of both, newest first."""
        found = [
            Transition(
                at=datetime.fromtimestamp(one["at"], UTC),
                router=member.name,
                role=one["role"],
                reason=one["reason"],
            )
            for member in self.members
            if member.part
            for one in member.part["transitions"]
        ]
        return sorted(found, key=lambda one: one.at, reverse=True)[:MOST_TRANSITIONS]


def pair_of(now: ClusterState) -> Pair:
    """The cluster's routers, the active one first."""
    members = [member_of(state) for state in now.routers if state.pulse]
    return Pair(members=tuple(sorted(members, key=lambda one: (one.role != "active", one.name))))


def member_of(state: RouterState) -> Member:
    """What a router's report says of its part; its state has a report of pulse."""
    pulse = state.pulse
    if pulse is None:
        raise ValueError(f"{state.router.name} has not reported")
    part = pulse.get("redundancy")
    return Member(
        state=state,
        role=str(pulse["role"]),
        part=part,
        links=tuple(links_of(state, part["links"])) if part else (),
        refused=tuple(refused_of(part["refused"])) if part else (),
        sync=tuple(
            f"{one['state']} on {one['interface']}, id {one['id']}" for one in pulse.get("sync") or ()
        ),
    )


def links_of(state: RouterState, links: Sequence[Mapping[str, Any]]) -> Iterator[HeartLink]:
    """The heartbeat links with their age and loss."""
    for one in links:
        expected = one["received"] + one["lost"]
        yield HeartLink(
            name=one["name"],
            own=one["own"],
            peer=one["peer"],
            alive=one["alive"],
            heard=ago(state, one["heard_at"]),
            sent=one["sent"],
            received=one["received"],
            lost=one["lost"],
            loss=100 * one["lost"] / expected if expected else None,
        )


def refused_of(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The datagrams that were not acted on, by the reason, where there were any."""
    for reason, count in counts.items():
        if count:
            yield REFUSED.get(reason, reason), count


def ago(state: RouterState, at: float | None) -> float | None:
    """How long ago something was, by the router's own clock; None: never."""
    if at is None or state.pulse is None or state.age is None:
        return None
    silence = 0.0 if state.is_current else state.age
    return max(0.0, float(state.pulse["now"]) - at) + silence


def moment(seconds: float | None) -> datetime | None:
    """A time of the status document (seconds since the epoch, the router's clock)."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
