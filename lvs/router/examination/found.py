"""What an examination brought, and what each answer is worth. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lvs.config.model import Forwarding, Protocol
from lvs.router.examination.packets import TUNNELLED, Kind
from lvs.router.examination.subject import Heard, Neighbours, Place, Subject, Tried, host
from lvs.router.examination.trials import Name, Trial

TAKEN = frozenset({Kind.SYN_ACK, Kind.RESET, Kind.DATAGRAM, Kind.NO_PORT})  # the packet reached its address
SERVED = frozenset({Kind.SYN_ACK, Kind.DATAGRAM})


@dataclass(frozen=True, slots=True)
class Found:
    """All that an examination brought. heard: by trial; those that are missing met silence."""

    subject: Subject
    place: Place
    neighbours: Neighbours
    trials: tuple[Trial, ...] = ()
    heard: Mapping[Trial, Heard] = field(default_factory=dict)

    def trial(self, name: Name) -> Trial | None:
        return next((each for each in self.trials if each.name is name), None)

    def at(self, name: Name) -> Heard | None:
        """What came back to the (first) trial of that name."""
        trial = self.trial(name)
        return self.heard.get(trial) if trial else None

    def kind(self, name: Name) -> Kind | None:
        heard = self.at(name)
        return heard.answer.kind if heard else None

    @property
    def is_tcp(self) -> bool:
        return self.subject.port.protocol is Protocol.TCP

    @property
    def is_taken(self) -> bool:
        """Whether the real server took what came for the service, and answered; be it that nobody listens."""
        heard = self.at(Name.SERVICE)
        return heard is not None and heard.answer.kind in TAKEN and not about_the_tunnel(heard)

    def came_back(self, heard: Heard) -> bool:
        """Whether an answer with NAT took the way through the active router."""
        if not self.subject.active:
            return heard.mac in self.neighbours.peers
        if self.place.gateway is not None:  # routers on the way may choose among ways
            return True
        return heard.interface == self.place.interface and heard.mac == self.place.hop

    def tried(self) -> Iterator[Tried]:
        """Everything in a line each."""
        yield from self._asked()
        for trial in self.trials:
            heard = self.heard.get(trial)
            said = f"{heard}{self._way(trial, heard)}" if heard else self._silence(trial)
            yield Tried(trial.what, self.good(trial), said)

    def _asked(self) -> Iterator[Tried]:
        asked, place, neighbours = self.neighbours.asked, self.place, self.neighbours
        macs = ", ".join(map(host, neighbours.hop))
        what = f"who has {asked} on {place.interface}"
        yield Tried(what, bool(macs), macs or "nobody")
        if neighbours.hop and place.gateway is None:
            macs = ", ".join(self.whose(mac) for mac in neighbours.virtual)
            theirs = any(mac in neighbours.hop for mac in neighbours.virtual)
            what = f"who has {self.subject.virtual} on {place.interface}"
            yield Tried(what, not theirs, macs or "nobody else")

    def whose(self, mac: bytes) -> str:
        if mac in self.neighbours.hop:
            return f"{host(mac)} ({self.subject.real_server})"
        if mac in self.neighbours.peers:
            return f"{host(mac)} (the other router)"
        name = self.neighbours.names.get(mac)
        return f"{host(mac)} ({name})" if name else host(mac)

    def _silence(self, trial: Trial) -> str:
        by_itself = self.subject.forwarding is not Forwarding.NAT and self.is_taken
        if trial.name is Name.OUTSIDE and by_itself:
            return "no answer came to this router, as it should be"
        return "no answer"

    def _way(self, trial: Trial, heard: Heard) -> str:
        """Where an answer came in, where that matters."""
        if trial.name not in (Name.FOREIGN, Name.OUTSIDE):
            return ""
        return f", on {heard.interface} from {self.whose(heard.mac)}"

    def good(self, trial: Trial) -> bool | None:
        """What the answer to a trial is worth; None: it cannot be told, or is only evidence."""
        heard = self.heard.get(trial)
        if trial.name in (Name.SERVICE, Name.FURTHER):
            if heard is None:
                unsure = trial.port is not None and trial.port.protocol is not Protocol.TCP
                return None if unsure else False
            return heard.answer.kind in SERVED and heard.answer.source == self.subject.target
        if trial.name in (Name.FOREIGN, Name.OUTSIDE):
            return self._is_way_back_good(trial.name, heard) if self.is_taken else None
        if trial.name is Name.FULL:
            small = self.kind(Name.ECHO) is Kind.ECHO
            return (heard is not None and heard.answer.kind is Kind.ECHO) if small else None
        return True if heard and heard.answer.kind in SERVED | {Kind.ECHO} else None

    def _is_way_back_good(self, name: Name, heard: Heard | None) -> bool | None:
        if self.subject.forwarding is Forwarding.NAT:
            if heard is not None:
                return self.came_back(heard)
            return False if self.subject.active else None
        if name is Name.OUTSIDE:
            return heard is None
        return True if heard is not None else None


def about_the_tunnel(heard: Heard) -> bool:
    """Whether an ICMP error is about the outer packet: what was inside never got out of it."""
    return heard.answer.flow.protocol in TUNNELLED
