"""The course of an examination: where the real server is, who answers, what the trials bring.

About two seconds at most, nothing is changed on this machine, and nothing that was begun is left open. In the
network namespace of the calling thread; needs CAP_NET_RAW.
"""

from __future__ import annotations

import secrets
import select
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Final

from lvs.config.model import Address, Forwarding
from lvs.errors import KernelError
from lvs.router import addresses, ways
from lvs.router.examination import faults, wire
from lvs.router.examination.found import Found
from lvs.router.examination.judgement import full_size, judged
from lvs.router.examination.place import placed
from lvs.router.examination.subject import Examination, Neighbours, Place, Subject
from lvs.router.examination.trials import full, trials
from lvs.router.frames import ETHERNET
from lvs.router.neighbours import Claim, Watch
from lvs.router.rtnetlink import Link, Rtnetlink
from lvs.router.seen import Remark, Way
from lvs.router.state import InterfaceAddress

ANSWER_SECONDS: Final = 0.2  # that a neighbour has; in a network segment it takes a thousandth of that
ROUNDS: Final = 3  # in which a neighbour that is silent is asked
LOOPBACK: Final = "lo"
MOST_NAMED: Final = 64  # real servers that are asked for when a stranger has the virtual address

Questions = list[tuple[str, Address]]


def examine(subject: Subject) -> Examination:
    """What is wrong with the set-up of a real server; KernelError when this process may not find out."""
    way = ways.ways([subject.address])[subject.address]
    unfit = _unfit(subject, way)
    if way is None or unfit is not None:
        return Examination((unfit,) if unfit else ())
    link = _link(way.interface)
    if link is None or link.kind != ETHERNET:
        return Examination((faults.not_ethernet(subject, f"{way.interface} is not Ethernet"),))
    here = addresses.read(None)
    try:
        place = placed(subject, way, link.mac, wire.mtu(way.interface), here)
    except OSError as error:
        raise KernelError(f"look at {way.interface}", error.strerror or str(error)) from error
    watch = Watch(clock=time.monotonic)
    try:
        return _examined(subject, place, here, watch)
    finally:
        watch.close()


def _unfit(subject: Subject, way: Way | None) -> Remark | None:
    """Why there is nothing to send."""
    if way is None:
        return faults.no_way(subject)
    if way.interface == LOOPBACK:
        return faults.is_this_router(subject)
    if subject.forwarding is Forwarding.DIRECT and way.gateway is not None:
        return faults.another_segment(subject, way.gateway, way.interface)
    return None


def _link(interface: str) -> Link | None:
    try:
        with Rtnetlink() as netlink:
            return next((one for one in netlink.links() if one.name == interface), None)
    except OSError as error:
        raise KernelError("look at the interfaces", error.strerror or str(error)) from error


def _examined(subject: Subject, place: Place, here: Iterable[InterfaceAddress], watch: Watch) -> Examination:
    neighbours = _neighbours(subject, place, here, watch)
    if not neighbours.hop:
        return judged(Found(subject, place, neighbours))
    place = replace(place, hop=neighbours.hop[0])
    number = secrets.randbits(32)
    with wire.Wire(place) as opened:
        sent = trials(subject, place, opened.reserve, number)
        try:
            heard = opened.try_out(sent) if sent else {}
        finally:
            opened.part(sent)
        found = Found(subject, place, neighbours, sent, heard)
        size = full_size(found)
        big = full(subject, place, size, number) if size is not None and size <= place.mtu else None
        if big is not None:
            found = replace(found, trials=(*sent, big), heard=heard | opened.try_out([big]))
    # What it said meanwhile counts as well: a real server may name the virtual address in its own questions.
    claims = watch.read()
    return judged(replace(found, neighbours=_with(neighbours, subject, place, claims)))


# ---- who is there


def _neighbours(subject: Subject, place: Place, here: Iterable[InterfaceAddress], watch: Watch) -> Neighbours:
    """Asks for the real server (or the gateway to it), the virtual address, and the other router."""
    hop = place.gateway or subject.address
    both: Questions = [(place.interface, hop), (place.interface, subject.virtual)]
    peers = _towards(subject.peers, here)
    if not subject.active and subject.gateway is not None:
        peers.append((place.interface, subject.gateway))
    claims = _asked(watch, [*both, *peers], (place.interface, hop))
    others = {address for _, address in peers}
    known = frozenset(claim.mac for claim in claims if claim.address in others)
    neighbours = Neighbours(asked=hop, hop=_macs(claims, place.interface, hop), peers=known)
    neighbours = _with(neighbours, subject, place, claims)
    strange = set(neighbours.virtual) - set(neighbours.hop) - known
    if not strange or not subject.others:
        return neighbours
    return replace(neighbours, names=_names(subject, place, watch, strange))


def _asked(watch: Watch, questions: Questions, needed: tuple[str, Address]) -> list[Claim]:
    """The claims; the one that is needed is asked for as often as it is silent."""
    claims: list[Claim] = []
    for _ in range(ROUNDS):
        watch.probe(questions)
        claims += _until(watch, time.monotonic() + ANSWER_SECONDS)
        if any((claim.interface, claim.address) == needed for claim in claims):
            break
    return claims


def _until(watch: Watch, end: float) -> list[Claim]:
    claims: list[Claim] = []
    while (left := end - time.monotonic()) > 0:
        select.select(watch.filenos(), [], [], left)
        claims += watch.read()
    return claims


def _with(neighbours: Neighbours, subject: Subject, place: Place, claims: Iterable[Claim]) -> Neighbours:
    """With those who claimed the virtual address; a standby that knows no other router knows no strangers."""
    virtual = (*neighbours.virtual, *_macs(claims, place.interface, subject.virtual))
    if not subject.active and not neighbours.peers:
        virtual = tuple(mac for mac in virtual if mac in neighbours.hop)
    return replace(neighbours, virtual=tuple(dict.fromkeys(virtual)))


def _macs(claims: Iterable[Claim], interface: str, address: Address) -> tuple[bytes, ...]:
    found = (one.mac for one in claims if (one.interface, one.address) == (interface, address))
    return tuple(dict.fromkeys(found))


def _towards(peers: Iterable[Address], here: Iterable[InterfaceAddress]) -> Questions:
    """Where the other router's addresses can be asked for: on the links whose networks they are in."""
    own = list(here)
    return [
        (each.interface, peer)
        for peer in peers
        for each in own
        if peer in ip_network(f"{each.address}/{each.prefix}", strict=False)
    ]


def _names(subject: Subject, place: Place, watch: Watch, strange: set[bytes]) -> Mapping[bytes, str]:
    """Which other real servers those are that have the virtual address."""
    asked = list(subject.others)[:MOST_NAMED]
    watch.probe((place.interface, address) for address in asked)
    claims = _until(watch, time.monotonic() + ANSWER_SECONDS)
    return {
        claim.mac: subject.others[claim.address]
        for claim in claims
        if claim.mac in strange and claim.address in subject.others
    }
