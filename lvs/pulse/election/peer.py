"""What a router remembers of the other one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lvs.pulse.heartbeat import Heartbeat
from lvs.router.floating import Role

NOT = float("inf")  # in place of a time: it is not so


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The other router's last word, and since when it says what it says; times as in Failover.

    at: when it was heard. contact_at: when it was heard after a silence, or after it began anew. deaf_from:
    since when it says that it does not hear this router. idle_from: since when it is standby and fit.
    ready_from: since when it is standby, fit, hears this router and runs the same lvs.cf. differs_from: since
    when it has another lvs.cf (all of these: NOT if it does not). session, number: of its heart, as
    `Failover.heard` got them.
    """

    heartbeat: Heartbeat
    at: float
    contact_at: float
    session: int | None = None
    number: int | None = None
    deaf_from: float = NOT
    idle_from: float = NOT
    ready_from: float = NOT
    differs_from: float = NOT

    @property
    def active(self) -> bool:
        return self.heartbeat.role is Role.ACTIVE

    @property
    def up(self) -> bool:
        """It is active, and holds the floating addresses."""
        return self.active and not self.heartbeat.released

    @property
    def serves(self) -> bool:
        """It is `up` and does not hand over."""
        return self.up and not self.heartbeat.yielding

    @property
    def gone(self) -> bool:
        """It said that it ends, and that it holds no floating address."""
        return self.heartbeat.leaving and self.heartbeat.released

    @property
    def takes(self) -> bool:
        """It could take over: standby, fit, and it would hear that it is asked to."""
        word = self.heartbeat
        return word.role is Role.STANDBY and word.fit and word.hears and not word.leaving

    def is_older(self, session: int | None, number: int | None) -> bool:
        """Whether a heartbeat of this session and number was overtaken by the one that is known."""
        if session is None or session != self.session or number is None or self.number is None:
            return False
        return number < self.number

    def restarts_with(self, word: Heartbeat, session: int | None) -> bool:
        """Whether it has begun anew with word: another session, or it had said that it ends."""
        another = session is not None and self.session is not None and session != self.session
        return another or (self.heartbeat.leaving and not word.leaving)

    def forces(self, before: Peer | None) -> bool:
        """Whether it was just made active by force: of two that were, the one forced last is active."""
        return before is not None and not before.active and self.active and self.heartbeat.forced


def heard(
    before: Peer | None, now: float, word: Heartbeat, sha256: bytes, session: int | None, number: int | None
) -> Peer:
    """The peer once word has come. before: None after a silence, when nothing goes on. sha256: our lvs.cf."""
    fit_standby = word.role is Role.STANDBY and word.fit and not word.leaving
    same = word.sha256 == sha256

    def since(holds: bool, start: float) -> float:
        return min(now, start) if holds else NOT

    return Peer(
        heartbeat=word,
        at=now,
        contact_at=now if before is None else before.contact_at,
        session=session,
        number=number,
        deaf_from=since(not word.hears, before.deaf_from if before else NOT),
        idle_from=since(fit_standby, before.idle_from if before else NOT),
        ready_from=since(fit_standby and word.hears and same, before.ready_from if before else NOT),
        differs_from=since(not same, before.differs_from if before else NOT),
    )


def announcement(before: Peer | None, peer: Peer) -> str:
    """Why a router that stays active announces its addresses once peer was heard; empty: it need not.

    The neighbours believe who announced last: so after any time in which the other router may have announced.
    Not beside one that is active and does not hear this router, or hands over: it would not answer.
    """
    if not peer.active:
        if before is None:
            return "partner heard: resending arps"
        return "partner inactive: resending arps" if before.active else ""
    if not peer.heartbeat.hears or peer.heartbeat.yielding:
        return ""
    if before is not None and before.active and before.heartbeat.hears:
        return ""
    return "partner active: resending arps"
