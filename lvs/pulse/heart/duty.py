"""A heart at work, once it has settings: the election's events and actions, and the fence around pulse.

The fence: pulse is gone for the dead time, or hangs, while this router is active. Then this router is not
fit, and hands over like any other that is not: the other router raises the floating addresses, and here
the heart takes them down in pulse's place, at once. It stays unfit until pulse is back and says that it has
lowered them too. Where nobody can take over, the addresses stay: the kernel balances on, which is better than
nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from lvs.pulse.election.failover import Action, Failover, Order, Own, Rules, Stage, Step, Verb
from lvs.pulse.gossip import is_gossip
from lvs.pulse.heart.condition import Condition
from lvs.pulse.heart.edges import Edges
from lvs.pulse.heart.messages import Message
from lvs.pulse.heart.presence import Absence, Presence
from lvs.pulse.heart.report import Transition
from lvs.pulse.heart.settings import Settings
from lvs.pulse.heart.telling import Telling
from lvs.pulse.heart.traffic import Metronome, Traffic
from lvs.pulse.heart.witness import Witness
from lvs.pulse.heartbeat import Heartbeat, Link
from lvs.router.floating import Role
from lvs.router.links import LinkChange
from lvs.router.neighbours import Claim

LOOK_EVERY = 10.0  # seconds between two looks for strangers, and at our own interfaces
LOWER_AGAIN = 1.0  # seconds between two tries to lower what would not go
CURIOUS_EVERY = 0.2  # seconds between two questions whose MAC an unknown one is
NOT_RAISED = "pulse has not raised the floating addresses: look into its log, and restart it"
NOT_LOWERED = "pulse did not take the floating addresses down: look into its log, and restart it"
LINK_UP = "a link is up again"

News = Callable[[str, str], None]  # level and text of an event


class Duty:
    """The router's part in the pair; every method but `next_at` is an event, and `tick` follows each."""

    def __init__(
        self,
        edges: Edges,
        presence: Presence,
        settings: Settings,
        news: News,
        answer: Callable[[Action], None],
        now: float,
    ) -> None:
        """answer: takes the actions that answer an order."""
        self._edges, self._presence, self._news, self._answer = edges, presence, news, answer
        self.settings = settings
        self.traffic = Traffic(settings, edges.new_session)
        self.witness = Witness(edges.neighbour_mac)
        self.telling = Telling()
        self.condition = Condition(settings, edges.carriers(), now)
        self.transitions: deque[Transition] = deque(maxlen=20)
        self.fenced = ""  # why the heart acts in pulse's place; empty: it does not
        self._left: tuple[str, ...] = ()  # what could not be lowered
        self._lower_by: float | None = None  # when the heart does what pulse was told to
        self._given_up = False  # pulse did not come back in time
        self._late = False  # pulse did not raise the addresses in time, nor lower them since then
        self._say_now = True
        self._curious_at = now
        self._beats = Metronome(settings.keepalive, now)
        self._looks = Metronome(LOOK_EVERY, now)
        self._lowers = Metronome(LOWER_AGAIN, now)
        self._own_macs: frozenset[bytes] = frozenset()
        self._look(now)
        self.failover = Failover.start(
            self._rules(), self._own(now, Role.STANDBY), now, held=settings.held, forced=settings.forced
        )
        self._record(now, self.failover.role, self.failover.reason)

    # What pulse says.

    def use(self, now: float, settings: Settings, *, anew: bool) -> None:
        """Another configuration; what it says of held and forced is of a start only.

        anew: from a pulse that has just connected.
        """
        self.settings = settings
        self.traffic.use(settings)
        self.condition.use(settings)
        self._beats.set(settings.keepalive, now)
        self._look(now)
        self._take(now, self.failover.ruled(now, self._rules(), anew=anew))

    def greet(self, now: float) -> None:
        """A pulse that has just connected hears its role."""
        role = Role.STANDBY if self.failover.stage is Stage.STANDING_DOWN else self.failover.role
        self._edges.tell({"say": "role", "role": role, "reason": self.failover.reason, "soft": False})

    def woke(self, now: float) -> None:
        """pulse says something. If it hung, it may put back what was taken down until it reads its role."""
        if self.fenced:
            self._lower(now)

    def told(self, now: float, message: Message) -> None:
        """A condition, the administrator's hand, or that a role is carried out.

        ValueError, TypeError or KeyError if it makes no sense.
        """
        said = message["say"]
        if said == "lowered":
            self._lowered()
            self._late = False
            self._take(now, self.failover.lowered(now))
            return
        if said == "condition":
            self.condition.told(message)
        elif said == "gossip":
            self.telling.use(now, [dict(entry) for entry in message["entries"]])
        elif said == "raised":
            problems = [str(one) for one in message.get("problems") or ()]
            self.condition.raised(problems, now)
            if not problems:  # else the other router keeps its own
                self._late = False
                self._take(now, self.failover.raised(now))

    def ordered(self, now: float, order: Order) -> None:
        self._take(now, self.failover.ordered(now, order))

    # What the network says.

    def received(self, now: float, link: Link, datagram: bytes, *, from_peer: bool) -> None:
        if link not in self.settings.ways:
            return
        if is_gossip(datagram):
            self._heed_gossip(now, link, datagram, from_peer=from_peer)
            return
        received = self.traffic.receive(now, link, datagram, from_peer=from_peer)
        if received.complaint:
            self._news("warning", received.complaint)
        if received.answer:
            word = self._word(now)
            self._send(self.traffic.seal(word, (link,), received.answer))
        if received.heartbeat is None:
            return
        if received.begins:
            self._say_now = True
            self.telling.begin(now)
        self._take(
            now,
            self.failover.heard(
                now, link, received.heartbeat, session=received.session, number=received.turn
            ),
        )

    def changed(self, now: float, changes: Iterable[LinkChange]) -> None:
        """Interfaces came or went."""
        came = self.condition.changed(changes, self.settings)
        self._look(now)
        if came and self.failover.stage in (Stage.ACTIVE, Stage.YIELDING):
            # The switch may have forgotten this machine's MACs while the link was down.
            self._edges.tell({"say": "announce", "reason": LINK_UP})

    def claimed(self, now: float, claims: Iterable[Claim]) -> None:
        """Machines said that addresses are theirs."""
        claims = [claim for claim in claims if claim.mac not in self._own_macs]
        if any(claim.address == self.settings.gateway for claim in claims):
            self.condition.gateway.answered_at = now
        seen = self.witness.heard(
            now, claims, active=self.failover.role is Role.ACTIVE, own_macs=self._own_macs
        )
        for stranger in seen.news:
            self._news("error", str(stranger))
        if seen.peer:
            self._take(now, self.failover.witnessed(now))

    def slept(self, now: float) -> None:
        """The heart did not run for a while: what did not come meanwhile proves nothing."""
        self.condition.gateway.answered_at = now

    # Time.

    def tick(self, now: float) -> None:
        self._guard(now)
        own = self._own(now, self.failover.role)
        if own != self.failover.own:
            self._take(now, self.failover.judged(now, own))
        self._take(now, self.failover.tick(now))
        self._ask(now)
        beats = self._beats.due(now)
        if beats or self._say_now:
            self._say_now = False
            self._send(self.traffic.seal(self._word(now), self.settings.ways))
        for datagram in self.traffic.tell(self.telling.due(now)):
            self._send(dict.fromkeys(self.settings.ways, datagram))

    def next_at(self, now: float) -> float:
        """When `tick` is due at the latest."""
        times = [self.failover.next_at(now), self._beats.next_at, self._looks.next_at, self.telling.next_at]
        if self._lower_by is not None:
            times.append(self._lower_by)
        if self.failover.role is Role.ACTIVE and not self._given_up:
            times.append(self._presence.next_at(self.settings.deadtime))
        if self._left:
            times.append(self._lowers.next_at)
        if self.settings.gateway is not None:
            times.append(self.condition.gateway.next_at)
        if self.witness.curious:
            times.append(self._curious_at + CURIOUS_EVERY)
        return min(times)

    def replaceable(self, now: float) -> bool:
        """Whether the other router would take over if this one let go."""
        peer = self.failover.peer
        return peer is not None and peer.takes and self.failover.peer_alive(now)

    def fence(self, now: float, why: str) -> None:
        """Acts in pulse's place: the addresses go, and the other router may have them."""
        self.fenced, self._lower_by = why, None
        self._lower(now)
        if self.failover.stage is Stage.STANDING_DOWN:
            self._take(now, self.failover.lowered(now))
        else:
            self.failover = self.failover.judged(now, self._own(now, Role.STANDBY)).failover
            self._take(now, self.failover.fenced(now, why))
            self._record(now, Role.STANDBY, why)
            self.greet(now)
        left = f" Still up: {'; '.join(self._left)}." if self._left else ""
        self._news("error", f"{why}. Its heart took the floating addresses down in its place.{left}")
        self._say_now = True

    # Inside.

    def _heed_gossip(self, now: float, link: Link, datagram: bytes, *, from_peer: bool) -> None:
        """What the other router has of the administrator's hand is pulse's to judge."""
        heard = self.traffic.hear(now, link, datagram, from_peer=from_peer)
        if heard.complaint:
            self._news("warning", heard.complaint)
        if heard.entries:
            self._edges.tell({"say": "gossip", "entries": list(heard.entries)})

    def _guard(self, now: float) -> None:
        """The fence."""
        absence = self._presence.absence(now)
        given_up = self._presence.given_up(now, self.settings.deadtime)
        if given_up and not self._given_up and self.failover.role is Role.ACTIVE:
            self._news("error", f"{absence}. The other router is to take over, if it can.")
        self._given_up = given_up
        if self.failover.late(now) and not self._late:
            self._late = True
            self._news("error", f"{NOT_RAISED}. The other router is to take over, if it can.")
        if self._lower_by is not None and (absence or now >= self._lower_by):
            self.fence(now, absence or NOT_LOWERED)
        if self._left and self._lowers.due(now):
            self._lower(now)

    def _lowered(self) -> None:
        """Nothing is left to be lowered in pulse's place."""
        self.fenced, self._left, self._lower_by = "", (), None

    def _lower(self, now: float) -> None:
        self._left = self._edges.lower(self.settings.addresses)

    def _take(self, now: float, step: Step) -> None:
        self.failover = step.failover
        for action in step.actions:
            self._carry_out(now, action)

    def _carry_out(self, now: float, action: Action) -> None:
        match action.verb:
            case Verb.TAKE_OVER:
                self._lowered()
                self._tell_role(now, Role.ACTIVE, action)
            case Verb.STAND_DOWN:
                # pulse has this long; one that is not there has no time at all.
                patience = 0 if self._presence.absence(now) else max(1.0, self.settings.deadtime)
                self._lower_by = now + patience
                self._tell_role(now, Role.STANDBY, action)
            case Verb.ANNOUNCE:
                self._edges.tell({"say": "announce", "reason": action.reason})
            case Verb.SEND:
                self._say_now = True
            case Verb.PROBE:
                self._edges.probe(self.witness.questions())
            case Verb.DONE | Verb.REFUSE | Verb.LEAVE:
                self._answer(action)
            case Verb.TELL:
                self._news(action.level, action.reason)

    def _tell_role(self, now: float, role: Role, action: Action) -> None:
        self._record(now, role, action.reason)
        self._news(action.level, action.reason)
        self._edges.tell({"say": "role", "role": role, "reason": action.reason, "soft": action.soft})

    def _record(self, now: float, role: Role, reason: str) -> None:
        self.transitions.append(Transition(now, role, reason))

    def _word(self, now: float) -> Heartbeat:
        """What to say; never that the addresses are down while some would not go."""
        word = self.failover.heartbeat(now)
        return replace(word, released=False) if self._left else word

    def _send(self, datagrams: dict[Link, bytes]) -> None:
        for link, datagram in datagrams.items():
            self._edges.send(link, datagram)

    def _ask(self, now: float) -> None:
        """Questions to the network that the election did not ask for."""
        settings = self.settings
        if self._looks.due(now):
            self._look(now)
            if self.failover.role is Role.ACTIVE:
                self._edges.probe(self.witness.own_questions())
        if settings.gateway is not None and self.condition.gateway.due(now, settings):
            ways = [name for name in self._interfaces.values() if name]
            names = dict.fromkeys([*ways, *settings.watched])
            self._edges.probe([(name, settings.gateway) for name in names])
        if self.witness.curious and now >= self._curious_at + CURIOUS_EVERY:
            self._curious_at = now
            self._edges.probe(self.witness.peer_questions())
            self.claimed(now, ())

    def _look(self, now: float) -> None:
        """Which interfaces the links go over may change at any time."""
        self._interfaces = {
            link: self._edges.interface_of(way.own) for link, way in self.settings.ways.items()
        }
        self._own_macs = self._edges.own_macs()
        self.witness.use(self.settings, self._interfaces)
        self.condition.carriers = dict(self._edges.carriers())

    def _own(self, now: float, role: Role) -> Own:
        absence = self._presence.absence(now)
        if role is Role.ACTIVE and not self._presence.given_up(now, self.settings.deadtime):
            absence = Absence.NONE  # it may be back in a moment, and the kernel balances on
        more = [self.fenced] if self.fenced else [str(absence)] if absence else []
        if self._late and not more and not self.condition.not_raised(now):
            more = [NOT_RAISED]
        # Who cannot hear must not take silence for anything; who is active serves on.
        deaf = role is Role.STANDBY and not self._edges.listens()
        return self.condition.own(now, self.settings, more, deaf=deaf)

    def _rules(self) -> Rules:
        return self.settings.rules(witness=self._edges.watches())
