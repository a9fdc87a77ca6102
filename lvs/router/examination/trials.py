"""Which packets a real server is tried with, and what each is to tell. Pure.

All leave at once, so that an examination is short; each answer is told from the others by its flow. No
connection is ever made: a SYN-ACK is answered with RST, and at the end every SYN that was sent is taken back
in the same way, since its answer may have gone elsewhere.

From where they seem to come:

- from this router's own address on the link, which any real server can answer: is the service there?
- *foreign*: from this router's address in another network, preferably that of the virtual address. The answer
  takes the real server's way to clients there, and ends at this router.
- *outside*: from an address that is kept for documentation (RFC 5737, RFC 3849), as a client elsewhere. The
  answer takes the default route. Where that leads to the active router, as it should with NAT, it is seen
  there; the router passes that one packet on to its own default gateway, and nobody routes such addresses.

Packets to a virtual address must not go round in circles: a real server that does not have it and forwards
would send them back to the routers. Two hops get them as far as into a container of the real server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from lvs.config.model import Address, Forwarding, Protocol
from lvs.router.examination import packets
from lvs.router.examination.packets import HOPS, ICMP, ICMPV6, TCP, UDP, Flow
from lvs.router.examination.subject import Place, Port, Subject

FEW_HOPS = 2
NUMBERS = {Protocol.TCP: TCP, Protocol.UDP: UDP}  # SCTP is not tried
MOST_FURTHER = 6  # ports besides the first

Reserve = Callable[[int, Address], int]  # protocol number, own address: a port that nothing here uses


class Name(StrEnum):
    """What a trial is for."""

    SERVICE = "service"  # as the router sends clients' packets, from the real server's link
    FOREIGN = "foreign"
    OUTSIDE = "outside"
    FURTHER = "further"  # another port of the service
    PLAIN = "plain"  # to the virtual address without the tunnel
    OWN = "own"  # to the port at the real server's own address
    ECHO = "echo"  # its own address, ICMP
    ECHO_VIRTUAL = "echo virtual"  # the virtual address, ICMP
    FULL = "full"  # an echo as big as the biggest packet in the tunnel


@dataclass(frozen=True, slots=True)
class Trial:
    """A packet to send, and the flows by which its answer is known; farewell: to send when all is over."""

    name: Name
    what: str
    packet: bytes
    flows: tuple[Flow, ...]
    farewell: bytes | None = None
    port: Port | None = None
    size: int = 0


def trials(subject: Subject, place: Place, reserve: Reserve, number: int) -> tuple[Trial, ...]:
    """Everything that is sent at first. number: of the SYNs and echoes, hard to guess."""
    return tuple(_Making(subject, place, reserve, number).all())


def full(subject: Subject, place: Place, size: int, number: int) -> Trial | None:
    """An echo of that size to the real server's own address, not to be fragmented."""
    return _Making(subject, place, lambda *_: 0, number).echo(Name.FULL, size)


@dataclass(frozen=True, slots=True)
class _Making:
    subject: Subject
    place: Place
    reserve: Reserve
    number: int

    def all(self) -> Iterator[Trial]:
        subject, place = self.subject, self.place
        own, method = place.source, subject.forwarding
        link = f"from {own} on its own link" if place.gateway is None else f"from {own}"
        if own is not None:
            for position, port in enumerate(subject.ports[: MOST_FURTHER + 1]):
                yield from self.service(Name.FURTHER if position else Name.SERVICE, own, link, port)
        for name, source, words in (
            (Name.FOREIGN, place.foreign, "in another network of this router"),
            (Name.OUTSIDE, place.outside, "as a client elsewhere"),
        ):
            if source is not None:
                yield from self.service(name, source, f"from {source}, {words}", subject.port)
        if place.carrier is not None:
            yield from filter(None, [self.echo(Name.ECHO)])
            if method is not Forwarding.NAT:
                yield from self.own(place.carrier)
        if method is not Forwarding.NAT and own is not None and place.gateway is None:
            if method is Forwarding.TUNNEL:
                words = f"the same without the tunnel, in a frame to {subject.real_server}"
                yield from self.one(Name.PLAIN, own, subject.virtual, subject.port, words, tunnelled=False)
            yield from filter(None, [self.echo(Name.ECHO_VIRTUAL)])

    def service(self, name: Name, source: Address, words: str, port: Port) -> Iterator[Trial]:
        how = {Forwarding.NAT: "", Forwarding.DIRECT: " in a frame to it", Forwarding.TUNNEL: " in IP in IP"}
        what = f"{port} at {self.subject.target}{how[self.subject.forwarding]}, {words}"
        tunnelled = self.subject.forwarding is Forwarding.TUNNEL
        yield from self.one(name, source, self.subject.target, port, what, tunnelled=tunnelled)

    def own(self, source: Address) -> Iterator[Trial]:
        subject = self.subject
        what = f"{subject.port} at its own address {subject.address}"
        yield from self.one(Name.OWN, source, subject.address, subject.port, what, tunnelled=False)

    def one(
        self, name: Name, source: Address, target: Address, port: Port, what: str, *, tunnelled: bool
    ) -> Iterator[Trial]:
        protocol = NUMBERS.get(port.protocol)
        if protocol is None or (tunnelled and self.place.carrier is None):
            return
        flow = Flow(protocol, source, target, (self.reserve(protocol, source), port.number))
        hops = FEW_HOPS if target == self.subject.virtual else HOPS
        if protocol == TCP:
            packet, farewell = packets.syn(flow, self.number, hops), packets.reset(flow, self.number, hops)
        else:
            payload = self.subject.payload if port == self.subject.port else b""
            packet, farewell = packets.datagram(flow, payload, hops), None
        flows: tuple[Flow, ...] = (flow,)
        if protocol == UDP and target != self.subject.address:  # a program that answers from there is wrong
            flows = (flow, replace(flow, destination=self.subject.address))
        if tunnelled and self.place.carrier is not None:
            ends = self.place.carrier, self.subject.address
            flows = (*flows, packets.tunnel(packet, *ends))
            packet = packets.enclosed(packet, *ends)
            farewell = packets.enclosed(farewell, *ends) if farewell else None
        yield Trial(name, what, packet, flows, farewell, port)

    def echo(self, name: Name, size: int = 0) -> Trial | None:
        virtual = name is Name.ECHO_VIRTUAL
        target = self.subject.virtual if virtual else self.subject.address
        source = self.place.source if virtual else self.place.carrier
        if source is None:
            return None
        protocol = ICMPV6 if target.version == 6 else ICMP
        ports = (self.number & 0xFFFF, 1 + list(Name).index(name))
        flow = Flow(protocol, source, target, ports)
        packet = packets.echo(flow, size, FEW_HOPS if virtual else HOPS)
        what = f"ping of {target}" + (" in a frame to it" if virtual else "")
        if size:
            what = f"ping of {target} with {size} bytes, not to be fragmented"
        return Trial(name, what, packet, (flow,), size=size)
