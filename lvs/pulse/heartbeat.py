"""The heartbeat's datagram: what it says, how it is written, and which ones are believed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from lvs.router.state import Node, Role


class Link(IntEnum):
    """The two ways between the routers; the number is the datagram's."""

    PUBLIC = 1
    PRIVATE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a router says of itself.

    fit: it could take over now, or serves well. yielding: it is active and asks the receiver to take over.
    asks: it is standby and its administrator asks for the active role. leaving: its pulse ends after this;
    released: it holds no floating address any more. hears: it has accepted a heartbeat of the receiver
    within its dead time. forced: its administrator made it active. serial, sha256: the installed lvs.cf (0 and
    32 zero bytes: none). healthy, total: its real servers. keepalive, deadtime: its own, in seconds.
    """

    node: Node
    role: Role
    fit: bool = True
    yielding: bool = False
    asks: bool = False
    leaving: bool = False
    released: bool = False
    hears: bool = False
    forced: bool = False
    serial: int = 0
    sha256: bytes = bytes(32)
    healthy: int = 0
    total: int = 0
    keepalive: float = 0.0
    deadtime: float = 0.0
