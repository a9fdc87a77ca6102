"""A real server and a router in words, for the tests of what is tried and of the judgement."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from lvs.config.model import Forwarding, Protocol
from lvs.router.examination.found import Found
from lvs.router.examination.packets import Answer, Kind
from lvs.router.examination.subject import Heard, Neighbours, Place, Port, Subject
from lvs.router.examination.trials import Name, Trial, trials

NAT, DIRECT, TUNNEL = Forwarding.NAT, Forwarding.DIRECT, Forwarding.TUNNEL
REAL_MAC, ROUTER_MAC, PEER_MAC, STRANGE_MAC = (bytes([2, 0, 0, 0, 0, number]) for number in range(1, 5))
HTTP, DNS = Port(Protocol.TCP, 80), Port(Protocol.UDP, 53)
GATEWAY = ip_address("10.0.0.254")


def subject(method: Forwarding, **more: Any) -> Subject:
    return replace(
        Subject(
            virtual_server="shop",
            real_server="web1",
            forwarding=method,
            virtual=ip_address("192.168.1.80"),
            address=ip_address("10.0.0.1"),
            ports=(HTTP,),
            interface="eth0",
            active=True,
            gateway=ip_address("10.0.0.10"),
        ),
        **more,
    )


def place(method: Forwarding, **more: Any) -> Place:
    made = Place(
        interface="eth1",
        mac=ROUTER_MAC,
        mtu=1500,
        hop=REAL_MAC,
        source=ip_address("10.0.0.9"),
        carrier=ip_address("10.0.0.9"),
        foreign=None if method is TUNNEL else ip_address("192.168.1.9"),
        outside=ip_address("192.0.2.1"),
    )
    return replace(made, **more)


def sent(about: Subject, where: Place) -> tuple[Trial, ...]:
    numbers = itertools.count(40000)
    return trials(about, where, lambda protocol, address: next(numbers), 77)


Said = Kind | tuple[Kind, str, bytes]  # with interface and MAC where they matter


def found(
    method: Forwarding,
    said: Mapping[Name, Said] | None = None,
    *,
    about: Subject | None = None,
    where: Place | None = None,
    neighbours: Neighbours | None = None,
    outer: bool = False,
    segment: int | None = None,
) -> Found:
    """What an examination brought. outer: the error to the service was about the tunnel itself."""
    about, where = about or subject(method), where or place(method)
    tried = sent(about, where)
    heard = {}
    for trial in tried:
        if said is None or trial.name not in said:
            continue
        what = said[trial.name]
        kind, interface, mac = (what, "eth1", REAL_MAC) if isinstance(what, Kind) else what
        flow = trial.flows[-1 if outer else 0]
        heard[trial] = Heard(Answer(kind, flow, trial.flows[0].destination, segment), interface, mac, 0.001)
    there = neighbours or Neighbours(asked=about.address, hop=(REAL_MAC,))
    return Found(about, where, there, tried, heard)
