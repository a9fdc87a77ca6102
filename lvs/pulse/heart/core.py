"""The heart's inside: who talks to it, and what it does at each event.

The outside (`Edges`) is handed in, and time is an argument.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable

from lvs.pulse.election.failover import Action, Order, Verb
from lvs.pulse.heart import settings as heart_settings
from lvs.pulse.heart.duty import Duty
from lvs.pulse.heart.edges import Edges
from lvs.pulse.heart.messages import VERSION, Message
from lvs.pulse.heart.presence import Absence, Presence
from lvs.pulse.heart.report import Sources, report
from lvs.pulse.heart.traffic import Metronome
from lvs.pulse.heartbeat import Link
from lvs.router.floating import Role
from lvs.router.links import LinkChange
from lvs.router.neighbours import Claim

STATUS_EVERY = 1.0  # seconds
ALONE = 600.0  # seconds without pulse and without a role after which a heart ends
SLEPT = 2.0  # seconds without an event although one is due each second: the machine slept, or this process


class Core:
    """One heart. Events are methods; after each, or some, of them, and at `next_at` at the latest, `tick`."""

    def __init__(self, edges: Edges, now: float) -> None:
        self._edges = edges
        self._presence = Presence(now)
        self._events: deque[Message] = deque(maxlen=100)  # that pulse was not told yet
        self._status = Metronome(STATUS_EVERY, now)
        self._shown: object = None  # what the last status said, as far as a change of it makes a new one
        self._greeted = False  # whether the connected pulse was told its role
        self._order: object = None  # the id of the order that is to be answered
        self._last_at = now
        self.duty: Duty | None = None  # None: no settings yet

    # pulse

    def hello(self) -> Message:
        """The first line for everybody who connects."""
        hello: Message = {"say": "hello", "version": VERSION, "pid": os.getpid()}
        if self.duty is None:
            return hello | {"role": None, "reason": "", "since": None}
        failover = self.duty.failover
        since = failover.since + self._edges.wall() - self._last_at
        return hello | {"role": failover.role, "reason": failover.reason, "since": since}

    def came(self, now: float) -> None:
        """A pulse has connected, in place of any before; its settings are said next."""
        self._presence.came(now)
        self._greeted, self._order = False, None

    def left(self, now: float) -> None:
        """pulse's connection ended."""
        self._presence.left(now)
        self._order = None

    def said(self, now: float, message: Message) -> None:
        """A message of the pulse that is connected."""
        self._awake(now)
        self._presence.said(now)
        try:
            self._heed(now, message)
        except (ValueError, TypeError, KeyError) as error:
            self._news("error", f"the heart does not understand pulse's {message['say']!r}: {error}")

    def terminated(self, now: float) -> None:
        """SIGTERM: the same as `leave`; but without pulse the other router gets the role first, if it can."""
        duty, absence = self.duty, self._presence.absence(now)
        if duty is not None and absence and duty.failover.role is Role.ACTIVE and duty.replaceable(now):
            duty.fence(now, absence)
            duty.tick(now)
        self._edges.end()

    # The network

    def received(self, now: float, link: Link, datagram: bytes, *, from_peer: bool) -> None:
        """A datagram; from_peer: it came from the other router's address on that link."""
        self._awake(now)
        if self.duty is not None:
            self.duty.received(now, link, datagram, from_peer=from_peer)

    def changed(self, now: float, changes: Iterable[LinkChange]) -> None:
        """Interfaces can carry now, or cannot any more."""
        self._awake(now)
        if self.duty is not None:
            self.duty.changed(now, changes)

    def claimed(self, now: float, claims: Iterable[Claim]) -> None:
        """What machines on the network said of addresses."""
        self._awake(now)
        if self.duty is not None:
            self.duty.claimed(now, claims)

    # Time

    def tick(self, now: float) -> None:
        self._awake(now)
        if self.duty is not None:
            self.duty.tick(now)
            self._show(now)
        idle = self.duty is None or self.duty.failover.role is Role.STANDBY
        if idle and not self._presence.connected and now - self._presence.left_at >= ALONE:
            self._news("info", "no pulse came back: the heart ends")
            self._edges.end()

    def next_at(self, now: float) -> float:
        """When `tick` is due at the latest."""
        if self.duty is None:
            return now + STATUS_EVERY
        # Without a pulse nobody gets a status, and its time stays in the past.
        shows = self._presence.connected and self._greeted
        status_at = self._status.next_at if shows else now + STATUS_EVERY
        return min(status_at, self.duty.next_at(now))

    # Inside

    def _awake(self, now: float) -> None:
        if now - self._last_at > SLEPT:
            self._presence.forgive(now)
            if self.duty is not None:
                self.duty.slept(now)
        self._last_at = now

    def _heed(self, now: float, message: Message) -> None:
        said = message["say"]
        if self.duty is not None:
            self.duty.woke(now)
        if said == "settings":
            self._settle(now, message)
        elif said == "leave":
            self._edges.end()
        elif said == "order":
            self._obey(now, message)
        elif said in ("condition", "gossip", "raised", "lowered") and self.duty is not None:
            self.duty.told(now, message)

    def _settle(self, now: float, message: Message) -> None:
        settings = heart_settings.parse(message)
        self._edges.use(settings)
        if self.duty is None:
            self.duty = Duty(self._edges, self._presence, settings, self._news, self._answer, now)
        else:
            self.duty.use(now, settings, anew=not self._greeted)
        if not self._greeted:
            self._greeted = True
            self.duty.greet(now)
            while self._events:
                self._edges.tell(self._events.popleft())

    def _obey(self, now: float, message: Message) -> None:
        order = Order(message["order"])
        if self._order is not None and order not in (Order.FORCE, Order.STOP):
            refusal = "another order is being carried out: wait until it is done"
            self._edges.tell({"say": "answer", "id": message["id"], "ok": False, "message": refusal})
            return
        self._answer(Action(Verb.REFUSE, f"another order came: {order}"))
        self._order = message["id"]
        if self.duty is None:
            self._answer(Action(Verb.REFUSE, "the heart has no settings yet: try again in a moment"))
        else:
            self.duty.ordered(now, order)

    def _answer(self, action: Action) -> None:
        """Answers the order that waits; nothing if none does."""
        if self._order is None:
            return
        ok = action.verb is not Verb.REFUSE
        self._edges.tell({"say": "answer", "id": self._order, "ok": ok, "message": action.reason})
        self._order = None

    def _news(self, level: str, text: str) -> None:
        event: Message = {"say": "event", "level": level, "text": text}
        if self._presence.absence(self._last_at) is Absence.NONE and self._greeted:
            self._edges.tell(event)
            return
        self._edges.log(level, text)
        if not self._presence.connected or not self._greeted:
            self._events.append(event)
        else:
            self._edges.tell(event)  # it hangs, and reads it when it wakes up

    def _show(self, now: float) -> None:
        """The status, when it is time or something changed."""
        if self.duty is None or not self._greeted or not self._presence.connected:
            return
        shown = self._gist(now)
        if self._status.due(now) or shown != self._shown:
            self._shown = shown
            self._edges.tell({"say": "status", "redundancy": self.status(now)})

    def status(self, now: float) -> Message | None:
        """The document, as pulse gets it; None before the first settings."""
        duty = self.duty
        if duty is None:
            return None
        sources = Sources(
            settings=duty.settings,
            failover=duty.failover,
            traffic=duty.traffic,
            witness=duty.witness,
            transitions=duty.transitions,
            troubles=self._edges.troubles(),
            pid=os.getpid(),
            offset=self._edges.wall() - now,
        )
        return report(sources, now)

    def _gist(self, now: float) -> object:
        """What changes seldom, and is to be shown at once when it does."""
        duty = self.duty
        if duty is None:
            return None
        failover, traffic, deadtime = duty.failover, duty.traffic, duty.settings.deadtime
        heard = traffic.heard
        return (
            failover.stage,
            failover.reason,
            failover.own,
            failover.peer_holds(now),
            heard and (heard.role, heard.fit, heard.yielding, heard.hears, heard.serial, heard.sha256),
            traffic.alive(now, deadtime),
            [one.heard_at is not None and now - one.heard_at < deadtime for one in traffic.counts.values()],
            traffic.gate.newest,
            traffic.gate.peer_has_newest,
            len(duty.witness.strangers(now)),
            self._edges.troubles(),
        )
