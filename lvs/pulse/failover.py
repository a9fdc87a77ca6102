"""Who of the two routers is active: the election, as a state machine that only computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lvs.pulse.heartbeat import Heartbeat, Link
from lvs.router.state import Node, Role


class Stage(StrEnum):
    """Where a router stands; its role is ACTIVE in the stages ACTIVE, YIELDING and STANDING_DOWN."""

    LISTENING = "listening"  # just started: nothing is known of the other router
    STANDBY = "standby"
    ACTIVE = "active"
    YIELDING = "yielding"  # active, and has asked the other router to take over
    STANDING_DOWN = "standing down"  # its floating addresses are on their way out


class Order(StrEnum):
    """What an administrator, or pulse itself, may ask for."""

    HAND_OVER = "hand over"  # the active router gives its role to the other, if that is fit
    HAND_OVER_ANYWAY = "hand over anyway"  # also to one with another lvs.cf or fewer healthy real servers
    TAKE = "take"  # the standby asks the active router to hand over
    FORCE = "force"  # active now, whatever the other says
    STOP = "stop"  # hand over if somebody can take it, then end


class Verb(StrEnum):
    TAKE_OVER = "take over"  # raise the floating addresses and announce them
    STAND_DOWN = "stand down"  # lower them; to be answered with lowered()
    ANNOUNCE = "announce"  # again, all floating addresses
    SEND = "send"  # a heartbeat now, not at the next interval
    PROBE = "probe"  # ask the network whether the other router answers for a floating address
    LEAVE = "leave"  # a STOP is done: pulse may end
    REFUSE = "refuse"  # an order is not carried out; reason says why
    DONE = "done"  # an order is carried out
    TELL = "tell"  # reason is news for the log: an alarm that came or went


@dataclass(frozen=True, slots=True)
class Action:
    """What the edge is to do; reason: a sentence, or Piranha's own words where it had some."""

    verb: Verb
    reason: str = ""
    level: str = "info"  # of the event: info, warning, error


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says; times in seconds.

    failback: how long the primary must have been well before it gets its role back by itself; 0: never.
    witness: whether the network can be asked who answers for a floating address.
    """

    node: Node
    keepalive: float
    deadtime: float
    failback: float = 0.0
    witness: bool = True
    links: frozenset[Link] = frozenset({Link.PUBLIC})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """Whether this router could serve.

    reasons: why it is not fit, in sentences; empty: it is. cut_off: its own links are down, so that being active
    is of no use to anybody. gateway_lost: the gateway that is to be watched does not answer.
    """

    reasons: tuple[str, ...] = ()
    cut_off: bool = False
    gateway_lost: bool = False

    @property
    def is_fit(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What the heartbeat says of this router besides its role."""

    serial: int = 0
    sha256: bytes = bytes(32)
    healthy: int = 0
    total: int = 0
    fitness: Fitness = field(default_factory=Fitness)


@dataclass(frozen=True, slots=True)
class Step:
    """What an event led to: the machine as it is now, and what the edge is to do, in order."""

    failover: Failover
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """One router's view of the election. now: seconds of a clock that never steps (CLOCK_BOOTTIME).

    Made by `start`. Every event gives a Step; after each of them, and at `next_at` at the latest, comes `tick`.
    """

    rules: Rules
    own: Own
    stage: Stage
    since: float
    reason: str

    @classmethod
    def start(cls, rules: Rules, own: Own, now: float, *, held: bool, forced: bool = False) -> Failover:
        """A router whose pulse begins; held: its floating addresses are up, pulse was away for a moment."""
        raise NotImplementedError

    @property
    def role(self) -> Role:
        raise NotImplementedError

    def heard(self, now: float, link: Link, heartbeat: Heartbeat) -> Step:
        """An accepted heartbeat of the other router."""
        raise NotImplementedError

    def tick(self, now: float) -> Step:
        """Time has passed."""
        raise NotImplementedError

    def judged(self, now: float, own: Own) -> Step:
        """This router's own condition or configuration's number is another now."""
        raise NotImplementedError

    def ruled(self, now: float, rules: Rules) -> Step:
        """Another configuration is in force."""
        raise NotImplementedError

    def witnessed(self, now: float) -> Step:
        """The other router's machine answered for a floating address (ARP, neighbour discovery)."""
        raise NotImplementedError

    def ordered(self, now: float, order: Order) -> Step:
        raise NotImplementedError

    def lowered(self, now: float) -> Step:
        """The floating addresses are down, as STAND_DOWN asked."""
        raise NotImplementedError

    def next_at(self, now: float) -> float:
        """When the next tick is due at the latest."""
        raise NotImplementedError

    def heartbeat(self, now: float) -> Heartbeat:
        """What to say now."""
        raise NotImplementedError

    def refusals(self, now: float) -> tuple[str, ...]:
        """Why a hand-over would be refused now; empty: it would be done."""
        raise NotImplementedError

    def alarms(self, now: float) -> tuple[str, ...]:
        """What is wrong with the pair, in sentences: a silent link, a silent peer, both active, differing files."""
        raise NotImplementedError
