"""The heartbeats of one heart: what goes out with which number, what is believed of what comes in. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from lvs.pulse import gossip
from lvs.pulse.heart.settings import Settings
from lvs.pulse.heartbeat import Gate, Heartbeat, Link, Refusal, Sender, Verdict

ANSWER_PAUSE = 0.02  # seconds in which one unknown session is answered once; the shortest keepalive is longer
ANSWERED = 16  # unknown sessions that are answered within that time, so that recordings make no storm
COMPLAIN_EVERY = 60.0  # seconds between two events for refused datagrams of one kind


class Metronome:
    """Says when something is due, at even times: without drift, and without a burst after a pause."""

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self.next_at = now

    def due(self, now: float) -> bool:
        """Whether it is time; then the next time is set."""
        if now < self.next_at:
            return False
        self.next_at += self.interval
        if self.next_at <= now:
            self.next_at = now + self.interval
        return True

    def set(self, interval: float, now: float) -> None:
        """Another interval, from now on."""
        if interval != self.interval:
            self.interval, self.next_at = interval, now


@dataclass(slots=True)
class Counts:
    """What went over a link since this heart began; heard_at: when the last believed heartbeat came."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    heard_at: float | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a datagram led to: a heartbeat to act on, a sender to answer, a complaint for the log.

    session, turn: of the heartbeat, as `Failover.heard` wants them.
    """

    heartbeat: Heartbeat | None = None
    session: int = 0
    turn: int = 0
    answer: Sender | None = None
    begins: bool = False  # the first of a session: to be answered on all links
    complaint: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a datagram of gossip led to: entries to pass on, or a complaint for the log."""

    entries: tuple[dict[str, Any], ...] = ()
    complaint: str | None = None


class Traffic:
    """The gate, the numbers of the links and the counters. new_session: a random number above 0."""

    def __init__(self, settings: Settings, new_session: Callable[[], int]) -> None:
        self._new_session = new_session
        self.gate = Gate(node=settings.node, session=new_session(), keys=settings.keys)
        self.counts = {link: Counts() for link in settings.ways}
        self.refused: Counter[Refusal] = Counter()
        self.heard: Heartbeat | None = None  # the last one believed
        self.heard_at: float | None = None
        self.same_node_at: float | None = None
        self.other_key_at: float | None = None  # when the peer's address last sent with a key we do not have
        self._round = 0
        self._answered: dict[int, float] = {}
        self._complained: dict[Refusal, float] = {}

    def use(self, settings: Settings) -> None:
        """Other keys or links; the session and its numbers go on."""
        self.gate = replace(self.gate, node=settings.node, keys=settings.keys)
        for link in settings.ways:
            self.counts.setdefault(link, Counts())

    def seal(
        self, heartbeat: Heartbeat, links: Iterable[Link], to: Sender | None = None
    ) -> dict[Link, bytes]:
        """The next datagram of each of these links; to: an answer to this sender."""
        self._round += 1
        sealed = {}
        for link in links:
            counts = self.counts[link]
            counts.sent += 1
            sealed[link] = self.gate.seal(heartbeat, link, counts.sent, self._round, to)
        return sealed

    def receive(self, now: float, link: Link, datagram: bytes, *, from_peer: bool) -> Received:
        """Judges a datagram; from_peer: it came from the peer's address of that link."""
        if not from_peer:
            return Received(complaint=self._refuse(now, Refusal.FOREIGN, link))
        verdict = self.gate.accept(datagram, link)
        self.gate = verdict.gate
        if self.gate.crowded:
            self.gate = self.gate.renewed(self._new_session())
        if verdict.refusal is not None or verdict.envelope is None:
            return self._refused(now, link, verdict)
        counts = self.counts[link]
        counts.received += 1
        counts.lost += verdict.lost
        counts.heard_at = self.heard_at = now
        self.heard = verdict.heartbeat
        session, turn = verdict.envelope.session, verdict.envelope.round
        return Received(verdict.heartbeat, session, turn, begins=verdict.new)

    def tell(self, said: Iterable[bytes]) -> list[bytes]:
        """The datagrams of gossip that say this."""
        return [gossip.seal(one, self.gate.node, self.gate.signing_key) for one in said]

    def hear(self, now: float, link: Link, datagram: bytes, *, from_peer: bool) -> Heard:
        """Judges a datagram of gossip as `receive` does a heartbeat."""
        if not from_peer:
            return Heard(complaint=self._refuse(now, Refusal.FOREIGN, link))
        found = gossip.opened(datagram, self.gate.node, self.gate.keys)
        if isinstance(found, Refusal):
            return Heard(complaint=self._refuse(now, found, link))
        return Heard(tuple(found))

    def alive(self, now: float, deadtime: float) -> bool:
        """Whether the other router was heard within the dead time."""
        return self.heard_at is not None and now - self.heard_at < deadtime

    def _refused(self, now: float, link: Link, verdict: Verdict) -> Received:
        if verdict.same_node:
            self.same_node_at = now
        elif verdict.refusal is Refusal.FOREIGN:
            self.other_key_at = now
        answer = verdict.answer if verdict.answer and self._may_answer(now, verdict.answer) else None
        complaint = self._refuse(now, verdict.refusal or Refusal.MALFORMED, link)
        return Received(answer=answer, complaint=complaint)

    def _may_answer(self, now: float, sender: Sender) -> bool:
        self._answered = {one: at for one, at in self._answered.items() if now - at < ANSWER_PAUSE}
        if sender.session in self._answered or len(self._answered) >= ANSWERED:
            return False
        self._answered[sender.session] = now
        return True

    def _refuse(self, now: float, refusal: Refusal, link: Link) -> str | None:
        """Counts it; a sentence if it is time for one."""
        self.refused[refusal] += 1
        last = self._complained.get(refusal)
        # A start, ours or the other router's, is always unverified for a moment.
        if refusal is Refusal.UNVERIFIED or (last is not None and now - last < COMPLAIN_EVERY):
            return None
        self._complained[refusal] = now
        total = self.refused[refusal]
        return f"refused a heartbeat on the {link.name.lower()} link: {_WHY[refusal]} ({total} so far)"


_WHY = {
    Refusal.MALFORMED: "it is no heartbeat of this version; look who sends to this port",
    Refusal.FOREIGN: "it is not from the other router of this cluster, or with a key that this one has not; "
    "if the other router is not heard either, apply a revision, which brings both the same keys",
    Refusal.FORGED: "its signature is wrong; somebody tries to forge heartbeats",
    Refusal.REPLAYED: "it was seen before; somebody replays heartbeats, or the network delivers twice",
}
