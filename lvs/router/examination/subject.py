"""What is examined, and what came of it: plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lvs.config.model import Address, Forwarding, Protocol
from lvs.router.examination.packets import OUTER, Answer
from lvs.router.seen import Remark

SYSTEM = {4: "ip", 6: "ip -6"}


@dataclass(frozen=True, slots=True)
class Port:
    """A port as it stands in the packets that reach the real server."""

    protocol: Protocol
    number: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One real server behind one virtual server, on a router.

    ports: the first is tried on every path, the others only on the usual one. payload: what a UDP service is
    sent, b"" for an empty datagram. gateway: the floating address that NAT real servers have as gateway.
    interface: the one with the virtual address. active: whether this router is. floating: the cluster's
    addresses that move. peers: addresses of the other router. others: further real servers of the virtual
    server, by address.
    """

    virtual_server: str
    real_server: str
    forwarding: Forwarding
    virtual: Address
    address: Address
    ports: tuple[Port, ...]
    interface: str
    active: bool
    payload: bytes = b""
    gateway: Address | None = None
    floating: frozenset[Address] = frozenset()
    peers: frozenset[Address] = frozenset()
    others: Mapping[Address, str] = field(default_factory=dict)

    @property
    def port(self) -> Port:
        return self.ports[0]

    @property
    def target(self) -> Address:
        """Where packets for the service are addressed to when they reach the real server."""
        return self.address if self.forwarding is Forwarding.NAT else self.virtual

    @property
    def remedy(self) -> str:
        """Where the set-up is that it should have (`lvs.realservers`)."""
        way = self.forwarding.value + ("6" if self.address.version == 6 else "")
        return f"The set-up of {self.real_server} has the commands and a script for it: the way {way}."

    @property
    def outer(self) -> int:
        """Bytes that the router puts before each packet."""
        return OUTER[self.address.version] if self.forwarding is Forwarding.TUNNEL else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the real server is from here: the interface to it, with its MAC and MTU.

    gateway: through which it is reached, None: it is on the link. hop: the MAC that frames for it go to.
    source: an address of this router there, of the version of `Subject.target`; carrier: the same of the
    version of its own address. foreign: an address of this router in another network; outside: one that
    nobody has and that is reached by default routes. Each None where there is none.
    """

    interface: str
    mac: bytes
    mtu: int
    gateway: Address | None = None
    hop: bytes = b""
    source: Address | None = None
    carrier: Address | None = None
    foreign: Address | None = None
    outside: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Who answered, on the real server's link: MACs. asked: the address of the real server or its gateway.

    virtual: for the virtual address. peers: those of the other router. names: whose a MAC is besides.
    """

    asked: Address
    hop: tuple[bytes, ...] = ()
    virtual: tuple[bytes, ...] = ()
    peers: frozenset[bytes] = frozenset()
    names: Mapping[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, and where it came in: from the MAC, after that many seconds."""

    answer: Answer
    interface: str
    mac: bytes
    seconds: float

    def __str__(self) -> str:
        return f"{self.answer.kind} from {self.answer.source} after {self.seconds * 1000:.1f} ms"


@dataclass(frozen=True, slots=True)
class Tried:
    """Something that was tried. good: None: it cannot be told."""

    what: str
    good: bool | None
    said: str

    def document(self) -> dict[str, Any]:
        return {"what": self.what, "good": self.good, "said": self.said}


@dataclass(frozen=True, slots=True)
class Examination:
    """The worst remark first; what was tried in its order."""

    remarks: tuple[Remark, ...] = ()
    tried: tuple[Tried, ...] = ()


def host(mac: bytes) -> str:
    """A MAC as people write it."""
    return mac.hex(":")
