"""The words of the election and its transition table. Pure.

`Facts` are what a router holds true at one moment, one word each; `TABLE` says what follows from them. The
first row of a stage whose words all hold is the one that is carried out. The theory is in
`lvs.pulse.election.failover`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lvs.pulse.heartbeat import Link
from lvs.router.floating import Node


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
    TAKE_OVER = "take over"  # raise the floating addresses and announce them; to be answered with raised()
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
    """What the edge is to do; reason: a sentence, or Piranha's own words where it had some.

    order: which order a REFUSE, DONE or LEAVE answers. soft: a TAKE_OVER from a router that is alive and
    hands its role over.
    """

    verb: Verb
    reason: str = ""
    level: str = "info"  # of the event: info, warning, error
    order: Order | None = None
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """key: which alarm it is; text: what is wrong and what to do; over: what to say when it is gone."""

    key: str
    text: str
    over: str
    level: str = "warning"


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

    @property
    def probe_interval(self) -> float:
        """Seconds between two questions to the network: several fit between half a dead time and a whole."""
        return min(max(min(self.keepalive, self.deadtime / 6), 0.01), 1.0)

    @property
    def patience(self) -> float:
        """Seconds that the other router has to take over when it was asked to."""
        return max(1.0, self.deadtime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """Whether this router could serve.

    reasons: why it is not fit, in sentences; empty: it is. cut_off: its own links are down, so that being
    active is of no use to anybody. gateway_lost: the gateway that is to be watched does not answer.
    """

    reasons: tuple[str, ...] = ()
    cut_off: bool = False
    gateway_lost: bool = False

    @property
    def is_fit(self) -> bool:
        return not self.reasons and not self.cut_off and not self.gateway_lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What the heartbeat says of this router besides its role."""

    serial: int = 0
    sha256: bytes = bytes(32)
    healthy: int = 0
    total: int = 0
    fitness: Fitness = field(default_factory=Fitness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true at one moment, for this router ("I") and the other one ("it").

    primary, fit, cut_off, gateway_lost, forced: I am. late: I am active, and pulse had the time to raise the
    addresses and did not. ready: I am fit, not ending, and not just woken from a
    pause. stopping: I end after this. patient: the last hand-over did not fail just now. expired: it had the
    time to take over and did not.

    silent: I have listened for a dead time and heard nothing. gone: it said that it ends and holds no
    address. active, standby: it is alive and says so. fit_there: it says that it is fit. yielding: it asks me
    to take over. up: it is active and holds all floating addresses. deaf: it does not hear me, and had the
    time to. taker: it is standby, fit, hears me and does not end. idle: it is the primary, standby and fit,
    and yet has not taken over for one and a half dead times. asked: it asks for the role and nothing speaks
    against it. failback: it has been a fit primary for the time set.

    witnessed: its machine answered for a floating address just now. asking: the network was not asked often
    enough in this silence, or what it answered is not read yet. rival: so it does, though I am active and
    hear nothing of it; the primary waits for the backup to stand down first. outranked: it goes before me
    when both are active.
    """

    primary: bool = False
    fit: bool = False
    cut_off: bool = False
    gateway_lost: bool = False
    forced: bool = False
    late: bool = False
    ready: bool = False
    stopping: bool = False
    patient: bool = False
    expired: bool = False
    silent: bool = False
    gone: bool = False
    active: bool = False
    standby: bool = False
    fit_there: bool = False
    yielding: bool = False
    up: bool = False
    deaf: bool = False
    taker: bool = False
    idle: bool = False
    asked: bool = False
    failback: bool = False
    witnessed: bool = False
    asking: bool = False
    rival: bool = False
    outranked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """From one of stages, when all words hold ("!word": does not hold), to another stage; None: stay.

    reason: Piranha's own words where it had some. level: of the event. soft: see Action. leave: the STOP is
    answered with LEAVE, the addresses stay.
    """

    stages: tuple[Stage, ...]
    when: str
    to: Stage | None
    reason: str = ""
    level: str = "info"
    soft: bool = False
    leave: bool = False

    @property
    def words(self) -> tuple[tuple[str, bool], ...]:
        """The names in `when`, and whether each is to be true."""
        return tuple((word.removeprefix("!"), not word.startswith("!")) for word in self.when.split())


_WAITING = (Stage.LISTENING, Stage.STANDBY)
_ACTIVE, _YIELDING, _DOWN = Stage.ACTIVE, Stage.YIELDING, Stage.STANDING_DOWN
_NO_LINK = "Local NIC link failure: Pulse disabled"
RIVAL = "partner active: its machine answers for a floating address"
_NOT_UP = "the other router did not raise the floating addresses"

TABLE: tuple[Row, ...] = (
    # Standby: who takes over, and when.
    Row(_WAITING, "ready gone", _ACTIVE, "partner stopped: activating lvs"),
    Row(_WAITING, "ready yielding", _ACTIVE, "partner hands over: activating lvs", soft=True),
    Row(_WAITING, "ready standby primary", _ACTIVE, "backup inactive"),
    Row(_WAITING, "ready standby !fit_there", _ACTIVE, "primary inactive"),
    Row(_WAITING, "ready idle", _ACTIVE, "primary inactive", "warning"),
    Row(_WAITING, "ready silent !witnessed !asking", _ACTIVE, "partner dead: activating lvs", "warning"),
    Row(
        _WAITING,
        "ready active !up !fit_there deaf",  # nobody serves, and it cannot be told to hand over
        _ACTIVE,
        "partner has not raised the addresses: activating lvs",
        "warning",
    ),
    Row((Stage.LISTENING,), "active", Stage.STANDBY, "partner active"),
    Row((Stage.LISTENING,), "standby", Stage.STANDBY, "neither router is active yet"),
    Row((Stage.LISTENING,), "silent", Stage.STANDBY, "partner not heard, but this router may not take over"),
    # Active, and so is the other: exactly one of the two finds itself outranked, or not heard.
    Row((_ACTIVE,), "active yielding", None),
    Row((_ACTIVE,), "active !up !fit_there late outranked", _DOWN, "partner active", "warning"),
    Row((_ACTIVE,), "active !up", None),  # nobody stands down for one that holds nothing
    Row((_ACTIVE,), "active outranked", _DOWN, "partner active", "warning"),
    Row((_ACTIVE,), "active deaf", _DOWN, "partner active, and it does not hear this router", "warning"),
    Row((_ACTIVE,), "active", None),
    Row((_ACTIVE,), "rival !forced", _DOWN, RIVAL, "warning"),
    # Active, but of no use: the other takes over first where it can.
    Row((_ACTIVE,), "late taker", _YIELDING, "pulse has not raised the floating addresses"),
    Row((_ACTIVE,), "!fit taker patient !forced", _YIELDING, "this router is not fit"),
    Row((_ACTIVE,), "cut_off taker patient", _YIELDING, "this router has lost its links"),
    Row((_ACTIVE,), "cut_off standby !fit_there", None),
    Row((_ACTIVE,), "cut_off", _DOWN, _NO_LINK, "error"),
    Row(
        (_ACTIVE,),
        "gateway_lost silent !forced",
        _DOWN,
        "isolated: neither the other router nor the gateway answers",
        "error",
    ),
    # Active, and somebody else is to be.
    Row((_ACTIVE,), "asked patient", _YIELDING, "the other router asks for the active role"),
    Row((_ACTIVE,), "failback taker patient !forced", _YIELDING, "the primary is well again"),
    # Handing over: down only when the other has the addresses up.
    Row((_YIELDING,), "active yielding up outranked", _DOWN, "partner active"),
    Row((_YIELDING,), "active yielding !stopping", _ACTIVE, "both routers hand over: this one stays"),
    Row((_YIELDING,), "active up !yielding", _DOWN, "partner active: handed over"),
    Row((_YIELDING,), "active fit_there !expired", None),
    Row((_YIELDING,), "cut_off !taker", _DOWN, _NO_LINK, "error"),
    Row((_YIELDING,), "cut_off expired", _DOWN, _NO_LINK, "error"),
    Row((_YIELDING,), "stopping active", _ACTIVE, _NOT_UP, "warning", leave=True),
    Row((_YIELDING,), "stopping silent witnessed", _DOWN, RIVAL, "warning"),  # it took over, unheard
    Row((_YIELDING,), "active", _ACTIVE, _NOT_UP, "warning"),
    Row((_YIELDING,), "stopping !taker", _ACTIVE, "nobody can take over", "warning", leave=True),
    Row(
        (_YIELDING,), "stopping expired", _ACTIVE, "the other router did not take over", "warning", leave=True
    ),
    Row((_YIELDING,), "!taker", _ACTIVE, "the other router cannot take over any more", "warning"),
    Row((_YIELDING,), "expired", _ACTIVE, "the other router did not take over in time", "warning"),
)


# The rows of each stage, with their words apart: what is asked after every heartbeat.
_ROWS = {stage: tuple((row, row.words) for row in TABLE if stage in row.stages) for stage in Stage}


def row_for(stage: Stage, facts: Facts) -> Row | None:
    """The first row that holds; None: nothing changes."""
    for row, words in _ROWS[stage]:
        if all(getattr(facts, word) is holds for word, holds in words):
            return row
    return None
