"""What one router knows of the election at a moment: the questions that can be asked of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from lvs.pulse.election.peer import Peer
from lvs.pulse.election.table import Action, Alarm, Order, Own, Rules, Stage
from lvs.pulse.election.witness import NEVER, Questions
from lvs.pulse.heartbeat import Heartbeat, Link
from lvs.router.floating import Role

WAITING = (Stage.LISTENING, Stage.STANDBY)
_ASK = 3.0  # seconds that a standby goes on asking for the role, at least
QUIET_PROBES = 0.25  # seconds between the questions of a router that has long been active
_NEXT_ROUND = 0.001  # seconds: as soon as the sockets were read once more


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A router's state of the election; times are seconds of a clock that never steps (CLOCK_BOOTTIME).

    since, reason: when and why the role became what it is. peer: the other router as last heard (None:
    never). up: the floating addresses are all raised, as far as raised() and lowered() told. wish: why it
    hands over.
    """

    rules: Rules
    own: Own
    stage: Stage
    since: float
    reason: str
    peer: Peer | None = None
    ears: tuple[tuple[Link, float], ...] = ()  # when each link was last heard
    up: bool = False
    forced: bool = False
    leaving: bool = False
    order: Order | None = None  # the one that is being carried out
    order_at: float = NEVER
    stage_at: float = NEVER  # when the stage became what it is
    listening_from: float = NEVER  # silence before this proves nothing
    settled_at: float = NEVER  # nothing is taken over before
    last_at: float = NEVER  # of the last event
    questions: Questions = field(default_factory=Questions)
    rival_from: float = NEVER  # since when its machine answers, now that this router is active
    patient_at: float = NEVER  # no hand-over by itself before
    keeps: bool = False  # handed over by hand: no failback
    double_at: float = NEVER  # when a router was heard that claims to be this node
    told: tuple[Alarm, ...] = ()
    pending: tuple[Action, ...] = ()  # to be done at the next event
    wish: str = ""

    @property
    def role(self) -> Role:
        return Role.STANDBY if self.stage in WAITING else Role.ACTIVE

    def next_at(self, now: float) -> float:
        """When the next tick is due at the latest."""
        rules, deadtime, probes = self.rules, self.deadtime, self.probe_interval(now)
        quiet_from = self.quiet_from
        times = [quiet_from + deadtime / 2, quiet_from + deadtime, self.settled_at]
        times += self.questions.next_at(probes)
        if self.questions.counting:
            times.append(now + _NEXT_ROUND)
        if self.role is Role.ACTIVE and not self.up:
            times.append(self._late_at)
        if self.stage is Stage.YIELDING or self.order is not None:
            times += [self.stage_at + rules.patience, self.order_at + self.asking_time]
        if self.peer is not None:
            peer, interval = self.peer, self.interval
            times += [peer.at + deadtime, peer.contact_at + 3 * interval, peer.deaf_from + interval]
            times += [max(peer.ready_from, self.since) + rules.failback, self.patient_at]
            times.append(max(peer.idle_from, self.stage_at) + 1.5 * deadtime)
        times.append(now + rules.deadtime / 4)
        return min([time for time in times if time > now])

    def heartbeat(self, now: float) -> Heartbeat:
        """What to say now. released: false once all floating addresses are up, until they are down.

        One that ends while it is active says false as well: what its pulse has raised by now is not known.
        """
        return Heartbeat(
            node=self.rules.node,
            role=self.role,
            fit=self.fit(now),
            yielding=self.stage in (Stage.YIELDING, Stage.STANDING_DOWN),
            asks=self.order in (Order.TAKE, Order.HAND_OVER) and self.role is Role.STANDBY,
            leaving=self.leaving,
            released=not self.up and not (self.leaving and self.role is Role.ACTIVE),
            hears=self.peer_alive(now),
            forced=self.insists(now),
            serial=self.own.serial,
            sha256=self.own.sha256,
            healthy=self.own.healthy,
            total=self.own.total,
            keepalive=self.rules.keepalive,
            deadtime=self.rules.deadtime,
        )

    def peer_alive(self, now: float) -> bool:
        """The other router was heard within the dead time and has not gone."""
        peer = self.peer
        return peer is not None and now < peer.at + self.deadtime and not peer.gone

    def peer_silent(self, now: float) -> bool:
        """This router has listened for the dead time and heard nothing."""
        return now >= self.quiet_from + self.deadtime

    def peer_holds(self, now: float) -> bool:
        """The other router is silent, but its machine answers for a floating address."""
        return self.rules.witness and self.questions.hold(now, self.quiet_from)

    def late(self, now: float) -> bool:
        """This router is to be active, and its pulse had the time to raise the addresses and did not."""
        return self.role is Role.ACTIVE and not self.up and now >= self._late_at

    def fit(self, now: float) -> bool:
        """Whether this router could serve, or does."""
        return self.own.fitness.is_fit and not self.late(now)

    @property
    def deadtime(self) -> float:
        """T of the theory: the longer of both, since a change of lvs.cf reaches one router first."""
        return max(self.rules.deadtime, self.peer.heartbeat.deadtime) if self.peer else self.rules.deadtime

    @property
    def quiet_from(self) -> float:
        """Since when nothing was heard, as far as this router listened."""
        return self.listening_from if self.peer is None else max(self.listening_from, self.peer.at)

    @property
    def interval(self) -> float:
        """I of the theory."""
        theirs = self.peer.heartbeat.keepalive if self.peer is not None else 0.0
        return max(self.rules.keepalive, theirs)

    @property
    def asking_time(self) -> float:
        """Seconds that a standby goes on asking for the role."""
        return max(_ASK, self.rules.deadtime)

    def probe_interval(self, now: float) -> float:
        """Seconds between two questions to the network; one that has been active for long asks seldom."""
        interval = self.rules.probe_interval
        seldom = self.role is Role.ACTIVE and now >= self.since + self.rules.patience
        return max(interval, QUIET_PROBES) if seldom else interval

    @property
    def _late_at(self) -> float:
        return max(self.since, self.settled_at) + self.rules.patience

    def insists(self, now: float) -> bool:
        """It was forced to be active, and that is of use."""
        return self.forced and not self.late(now)
