"""What the answers to the trials say of a real server's set-up. Pure.

Of several faults that one silence may have, the remark names the one that the other answers leave, and says
where they leave two. What follows from a fault is not held against the real server as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from lvs.config.model import Forwarding, Protocol
from lvs.router.examination import faults, faults_of_tunnels
from lvs.router.examination.found import TAKEN, Found, about_the_tunnel
from lvs.router.examination.packets import OUTER, Kind
from lvs.router.examination.subject import Examination
from lvs.router.examination.trials import Name
from lvs.router.seen import Level, Remark

ORDER: Final = tuple(Level)
ETHERNET: Final = 1500  # bytes of the biggest packet that clients are taken to send
TCP_HEADER: Final = 20


def judged(found: Found) -> Examination:
    """The remarks, the worst first, and everything that was tried."""
    remarks = sorted(_remarks(found), key=lambda remark: ORDER.index(remark.level))
    return Examination(tuple(remarks), tuple(found.tried()))


def full_size(found: Found) -> int | None:
    """How big the biggest packet in the tunnel will be, by the SYN-ACK; None: there is no tunnel, or none."""
    heard = found.at(Name.SERVICE)
    if found.subject.forwarding is not Forwarding.TUNNEL or heard is None or heard.answer.segment is None:
        return None
    inside = heard.answer.segment + OUTER[found.subject.virtual.version] + TCP_HEADER
    return min(inside, ETHERNET) + found.subject.outer


def _remarks(found: Found) -> Iterator[Remark]:
    if not found.neighbours.hop:
        yield faults.nobody_there(found)
        return
    if found.place.gateway is not None and not found.heard and found.is_tcp:
        yield faults.nothing_comes(found)
        return
    yield from _of_neighbours(found)
    if found.trial(Name.SERVICE) is None:
        yield faults.not_tried(found)
        return
    yield from _OF_METHOD[found.subject.forwarding](found)
    if found.is_taken:
        yield from _further(found)


def _of_neighbours(found: Found) -> Iterator[Remark]:
    neighbours = found.neighbours
    if found.place.gateway is not None:
        return
    if len(neighbours.hop) > 1:
        yield faults.two_machines(found)
    if any(mac in neighbours.hop for mac in neighbours.virtual):
        yield faults.answers_for_virtual(found)
    for mac in neighbours.virtual:
        if mac not in neighbours.hop and mac not in neighbours.peers:
            yield faults.stranger(found, mac)


def _further(found: Found) -> Iterator[Remark]:
    for trial in found.trials:
        if trial.name is not Name.FURTHER or trial.port is None:
            continue
        heard = found.heard.get(trial)
        if heard is None:
            if trial.port.protocol is Protocol.TCP:
                yield faults.dropped(found, trial)
        elif heard.answer.kind is Kind.RESET or (
            heard.answer.kind is Kind.NO_PORT and trial.port.protocol is Protocol.UDP
        ):
            yield faults.nothing_listens(found, trial, heard)
        elif heard.answer.kind not in TAKEN - {Kind.NO_PORT}:
            yield faults.refused(found, trial, heard)


def _of_service(found: Found) -> Iterator[Remark]:
    """What the service itself answered, on the usual way, where it answered at all."""
    trial, heard = found.trial(Name.SERVICE), found.at(Name.SERVICE)
    if trial is None or heard is None:
        return
    kind = heard.answer.kind
    if kind is Kind.RESET or (kind is Kind.NO_PORT and not found.is_tcp):
        yield faults.nothing_listens(found, trial, heard)
    elif kind is Kind.DATAGRAM and heard.answer.source != found.subject.target:
        yield faults.answers_from_its_own(found, heard)
    elif kind in (Kind.NO_PORT, Kind.FORBIDDEN, Kind.NO_HOST, Kind.NO_PROTOCOL):
        yield faults.refused(found, trial, heard)


# ---- NAT


def _nat(found: Found) -> Iterator[Remark]:
    trial = found.trial(Name.SERVICE)
    if trial is not None and found.at(Name.SERVICE) is None:
        yield faults.dropped(found, trial) if found.is_tcp else faults.untold_udp(found)
        return
    yield from _of_service(found)
    if found.is_taken:
        yield from _nat_way_back(found)


def _nat_way_back(found: Found) -> Iterator[Remark]:
    """The answers must come back to the active router."""
    foreign, outside = found.trial(Name.FOREIGN), found.trial(Name.OUTSIDE)
    if foreign is not None:
        good = found.good(foreign)
        if good is False and outside is not None and found.good(outside):
            yield faults.past_the_router_nearby(found, foreign)
        elif good is False:
            yield faults.wrong_gateway(found, foreign)
        elif good is None:
            yield faults.only_on_the_active(found)
        if not good:
            return
    if outside is not None:
        if not found.good(outside):
            yield faults.wrong_gateway(found, outside)
    elif foreign is None:
        yield faults.only_on_the_active(found)


# ---- direct routing


def _direct(found: Found) -> Iterator[Remark]:
    trial, heard = found.trial(Name.SERVICE), found.at(Name.SERVICE)
    if trial is None:
        return
    if heard is not None and heard.answer.kind is not Kind.EXPIRED:
        yield from _of_service(found)
        if found.is_taken:
            yield from _way_out(found)
    elif heard is None and found.kind(Name.ECHO_VIRTUAL) is Kind.ECHO:
        yield faults.dropped(found, trial) if found.is_tcp else faults.untold_udp(found)
    elif heard is not None or found.is_tcp:
        yield faults.without_virtual(found)
    else:
        yield faults.perhaps_without_virtual(found)


def _way_out(found: Found) -> Iterator[Remark]:
    """The answers go to the clients by themselves, past the routers."""
    if found.trial(Name.FOREIGN) is not None and found.at(Name.FOREIGN) is None:
        yield faults.foreign_unanswered(found)
    if found.at(Name.OUTSIDE) is not None:
        yield faults.through_the_router(found)


# ---- tunnelling


def _tunnel(found: Found) -> Iterator[Remark]:
    heard = found.at(Name.SERVICE)
    if heard is None:
        yield _silent_tunnel(found)
    elif about_the_tunnel(heard):
        yield faults_of_tunnels.of_the_outer(found, heard)
    elif heard.answer.kind is Kind.EXPIRED:
        yield faults.without_virtual(found)
    else:
        yield from _of_service(found)
        if found.is_taken:
            yield from _way_out(found)
            yield from _segments(found)


def _silent_tunnel(found: Found) -> Remark:
    """Why what was sent in the tunnel met silence."""
    plain = found.kind(Name.PLAIN)
    has_virtual = plain in TAKEN or found.kind(Name.ECHO_VIRTUAL) is Kind.ECHO
    if has_virtual and (found.is_tcp or plain in TAKEN):
        return faults_of_tunnels.dropped_inside(found)
    if not found.is_tcp:
        return faults.untold_udp(found)
    if found.trial(Name.PLAIN) is not None:
        return faults.without_virtual(found)
    return faults_of_tunnels.dropped_somewhere(found)


def _segments(found: Found) -> Iterator[Remark]:
    size = full_size(found)
    if size is None:
        return
    if size > found.place.mtu:
        yield faults_of_tunnels.too_big_for_the_link(found, size)
        return
    trial, heard = found.trial(Name.FULL), found.at(Name.FULL)
    if trial is None or found.good(trial) is not False:
        return
    if heard is not None and heard.answer.kind is Kind.TOO_BIG:
        yield faults_of_tunnels.too_big_on_the_way(found, trial, heard)
    else:
        yield faults_of_tunnels.swallowed(found, trial)


_OF_METHOD: Mapping[Forwarding, Callable[[Found], Iterator[Remark]]] = {
    Forwarding.NAT: _nat,
    Forwarding.DIRECT: _direct,
    Forwarding.TUNNEL: _tunnel,
}
