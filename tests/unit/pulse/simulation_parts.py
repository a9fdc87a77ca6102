"""What a simulated world is made of: its setting, its faults, and what one router is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lvs.pulse.election.failover import Failover, Fitness, Order, Rules
from lvs.pulse.heartbeat import Heartbeat, Link
from lvs.router.state import Node, Role

PAIR = (Node.PRIMARY, Node.BACKUP)


def other(node: Node) -> Node:
    return Node.BACKUP if node is Node.PRIMARY else Node.PRIMARY


class Kind(StrEnum):
    """What may go wrong; who: the node it happens to (for the network: the sender)."""

    CUT = "cut"  # heartbeats of who get lost, on all links
    CUT_BOTH = "cut both"  # heartbeats in both directions get lost
    LINK = "link"  # one link carries nothing
    LOSS = "loss"  # some heartbeats get lost, in both directions
    DELAY = "delay"  # one link is slow: heartbeats overtake each other
    TWICE = "twice"  # heartbeats come twice
    PART = "part"  # nothing at all passes between the two, not even the witness' questions
    CABLE = "cable"  # who has lost its links, and notices
    GATEWAY = "gateway"  # who does not reach the gateway
    UNFIT = "unfit"  # who could not serve
    DIE = "die"  # who's machine goes off, and comes back cold
    KILL = "kill"  # who's processes die, the kernel balances on, and they come back
    FENCE = "fence"  # who's pulse is gone: the heart takes the addresses down
    HANG = "hang"  # who's pulse does nothing of what it is told; its heart lowers in its place, in the end
    STALL = "stall"  # who's processes get the processor now and then only, for less than the pauses count
    STOP = "stop"  # SIGSTOP of who's processes: the kernel balances on
    SUSPEND = "suspend"  # who's machine stands still
    HAND_OVER = "hand over"
    TAKE = "take"
    FORCE = "force"
    RESTART = "restart"  # an orderly stop and a start


ORDERS = {Kind.HAND_OVER: Order.HAND_OVER, Kind.TAKE: Order.TAKE, Kind.FORCE: Order.FORCE}
NETWORK = frozenset({Kind.CUT, Kind.CUT_BOTH, Kind.LINK, Kind.LOSS, Kind.DELAY, Kind.TWICE, Kind.PART})


@dataclass(frozen=True, slots=True)
class Fault:
    """at and lasts are in dead times."""

    at: float
    kind: Kind
    who: Node
    lasts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a world is made of; times in seconds. delay, late, raising, lowering: the most that each takes."""

    keepalive: float = 1.0
    deadtime: float = 3.0
    failback: float = 0.0
    witness: bool = True
    links: frozenset[Link] = frozenset({Link.PUBLIC, Link.PRIVATE})
    delay: float = 0.01
    late: float = 0.005
    raising: float = 0.02
    lowering: float = 0.02
    boots: tuple[float, float] = (0.0, 0.0)  # when each machine starts
    slower: float = 1.0  # how many times longer the backup's intervals are: a change has reached only one

    def interval(self, node: Node) -> float:
        return self.keepalive * (self.slower if node is Node.BACKUP else 1.0)

    def rules(self, node: Node) -> Rules:
        return Rules(
            node=node,
            keepalive=self.interval(node),
            deadtime=self.deadtime * (self.slower if node is Node.BACKUP else 1.0),
            failback=self.failback,
            witness=self.witness,
            links=self.links,
        )

    @property
    def slow(self) -> float:
        """The delay of a link under Kind.DELAY."""
        return self.keepalive * 1.5


@dataclass(frozen=True, slots=True)
class Datagram:
    sender: Node
    link: Link
    word: Heartbeat
    session: int
    number: int
    echo: int


@dataclass
class Machine:
    """One router. failover None: its processes do not run. holds: its kernel has the floating addresses."""

    node: Node
    failover: Failover | None = None
    holds: bool = False
    asleep: bool = False  # processes stand still
    frozen: bool = False  # and so does the kernel
    off: bool = False
    session: int = 0
    number: int = 0
    learned: int = 0  # the other's session, to be echoed
    accepted: int = 0  # the other's session, as believed
    last: dict[Link, int] = field(default_factory=dict)
    queue: list[Datagram] = field(default_factory=list)
    answered: bool = False  # the witness' answer waits to be read
    fenced: bool = False  # its heart did what its pulse should have
    work: int = 0  # counts what pulse was asked; an older job is dropped
    tick_no: int = 0
    answered_at: float = -1.0
    returns: bool = False  # starts again after an orderly end
    seen: float = 0.0

    @property
    def runs(self) -> bool:
        return self.failover is not None and not self.asleep

    @property
    def owns(self) -> bool:
        """It answers for the floating addresses."""
        return self.holds and not self.frozen and not self.off


class Sight:
    """What there is to see of two routers and the network between them; times in seconds."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.now = 1000.0
        self.began = self.now
        self.machines = {node: Machine(node) for node in PAIR}
        self.active_faults: list[Fault] = []
        self.conditions = {node: Fitness() for node in PAIR}  # as the edge last knew
        self.heard: dict[Node, list[float]] = {node: [] for node in PAIR}  # by receiver
        self.log: list[tuple[float, Node, str, str]] = []

    def hangs(self, node: Node) -> bool:
        """Its pulse does not do what it is told."""
        return self._has(Kind.HANG, node)

    def fit(self, node: Node) -> bool:
        return self.conditions[node].is_fit

    def reaches(self) -> bool:
        """Whether the network between the two carries the witness' questions."""
        return not self._has(Kind.PART) and not self._has(Kind.CABLE)

    def owners(self) -> tuple[Node, ...]:
        return tuple(node for node in PAIR if self.machines[node].owns)

    def roles(self) -> tuple[Role | None, ...]:
        failovers = (self.machines[node].failover for node in PAIR)
        return tuple(failover.role if failover is not None else None for failover in failovers)

    def changes(self) -> int:
        """How often addresses went up or down."""
        return sum(what in ("raised", "lowered") for _, _, what, _ in self.log)

    def story(self) -> str:
        """The log, for a failed test."""
        return "\n".join(f"{at:10.4f} {node:8} {what:14} {why}" for at, node, what, why in self.log[-80:])

    def _has(self, kind: Kind, who: Node | None = None) -> bool:
        return any(fault.kind is kind and who in (None, fault.who) for fault in self.active_faults)

    def _note(self, node: Node, what: str, why: str) -> None:
        self.log.append((round(self.now - self.began, 4), node, what, why))
