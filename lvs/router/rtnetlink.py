"""rtnetlink (rtnetlink(7)) with the standard library: interfaces, addresses, neighbours, and their changes.

For the heart (see `lvs.router.neighbours`), and no more than it needs. A request
is answered while it is sent, so sockets do not block: an answer that is not there will not come. What the
kernel itself may wait for is somebody else's change of interfaces (its RTNL mutex). Sockets work in the
network namespace of the thread that made them. Reading needs no capability, deleting CAP_NET_ADMIN.

Layouts: include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,neighbour}.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, TypeVar

from lvs.router.genetlink import (
    ANSWER,
    ATTRIBUTE,
    NETLINK_CAP_ACK,
    SO_RCVBUFFORCE,
    SOL_NETLINK,
    TYPE_MASK,
    Decoded,
    Request,
    RouteNetlink,
    attribute,
)

Told = TypeVar("Told")

LONGEST: Final = (
    1 << 16
)  # bytes received at once; the kernel fills at most half of it (net/netlink/af_netlink.c)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_DELADDR, RTM_GETADDR = 21, 22
RTM_GETNEIGH = 30
RTMGRP_LINK: Final = 1

IFF_UP, IFF_RUNNING, IFF_LOWER_UP = 0x1, 0x40, 0x10000  # include/uapi/linux/if.h
IFLA_ADDRESS, IFLA_IFNAME, IFLA_EXT_MASK, IFLA_CARRIER_CHANGES = 1, 3, 29, 35
RTEXT_FILTER_SKIP_STATS: Final = 8  # counters are most of an answer, and take the longest to collect
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_FLAGS = 1, 2, 3, 8
IFA_F_SECONDARY: Final = 1
NDA_DST, NDA_LLADDR = 1, 2

_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
ADDRESS_HEAD = struct.Struct("=BBBBi")  # struct ifaddrmsg: family, prefix length, flags, scope, interface
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg
_NUMBER = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. flags: IFF_*; kind: ARPHRD_*; carrier_changes: how often its carrier came or went."""

    index: int
    name: str
    flags: int
    kind: int
    mac: bytes
    carrier_changes: int

    @property
    def is_up(self) -> bool:
        """Whether it can carry: switched on, with carrier, and ready for traffic (RFC 2863's "up").

        RUNNING is that operational state, or an unknown one, which drivers without any leave; the kernel
        derives it for what lies above others: a VLAN has its interface's, a bond and a bridge that of
        their best port (net/core/dev.c, dev_get_flags; Documentation/networking/operstates.rst).
        """
        wanted = IFF_UP | IFF_RUNNING | IFF_LOWER_UP
        return self.flags & wanted == wanted


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """An address of this machine, as the kernel tells it: local is its bytes, label "" where there is none.

    peer: IFA_ADDRESS, which differs from local behind a point-to-point link only.
    """

    index: int
    family: int
    prefix: int
    flags: int
    local: bytes
    peer: bytes
    label: str

    def deletion(self) -> Request:
        """The request to delete exactly this one."""
        body = ADDRESS_HEAD.pack(self.family, self.prefix, 0, 0, self.index)
        body += attribute(IFA_LOCAL, self.local) + attribute(IFA_ADDRESS, self.peer)
        if self.label:
            body += attribute(IFA_LABEL, self.label.encode() + b"\0")
        return RTM_DELADDR, body


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entry of the neighbour table. state: NUD_*."""

    index: int
    state: int
    address: bytes
    mac: bytes


class Rtnetlink(RouteNetlink):
    """A socket for requests, used in a `with`; every method raises OSError with the kernel's number.

    A table that never rests while it is read is given as it was read last: nearly right is what there is.
    """

    def __init__(self) -> None:
        super().__init__(_open(0))

    def __enter__(self) -> Rtnetlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def links(self) -> list[Link]:
        mask = attribute(IFLA_EXT_MASK, _NUMBER.pack(RTEXT_FILTER_SKIP_STATS))
        return self._all(RTM_GETLINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + mask, link)

    def addresses(self, family: int = socket.AF_UNSPEC) -> list[LocalAddress]:
        return self._all(RTM_GETADDR, ADDRESS_HEAD.pack(family, 0, 0, 0, 0), local_address)

    def neighbours(self, family: int) -> list[Neighbour]:
        return self._all(RTM_GETNEIGH, _NEIGHBOUR.pack(family, 0, 0, 0, 0), neighbour)

    def carry_out(self, requests: Sequence[Request]) -> list[int]:
        """The error number that each request met, 0 for none; ETIMEDOUT when its answer got lost."""
        refused = self.send(requests)
        return [refused.get(position, 0) for position in range(len(requests))]

    def _all(self, kind: int, body: bytes, decode: Callable[[bytes], Told]) -> list[Told]:
        return self.dump(kind, body, lambda buffer, start, end: decode(bytes(buffer[start:end])))

    def _restless(self, decoded: list[Decoded]) -> list[Decoded]:
        return decoded


def listener(groups: int) -> socket.socket:
    """A socket that gets the kernel's news of these groups (RTMGRP_*); raises OSError."""
    opened = _open(groups)
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return opened


def _open(groups: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    opened = socket.socket(socket.AF_NETLINK, kind, 0)  # NETLINK_ROUTE
    opened.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    opened.bind((0, groups))
    return opened


def split(received: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The messages of one receive: type, flags, sequence number, what follows the header."""
    start = 0
    while start + ANSWER.size <= len(received):
        length, kind, flags, sequence, _ = ANSWER.unpack_from(received, start)
        if length < ANSWER.size or start + length > len(received):  # cut off: nothing behind it can be read
            return
        yield kind, flags, sequence, received[start + ANSWER.size : start + length]
        start += (length + 3) & ~3


def link(body: bytes) -> Link:
    """What follows the header of RTM_NEWLINK or RTM_DELLINK."""
    _, kind, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body, _LINK.size)
    changes = _number(found, IFLA_CARRIER_CHANGES)
    return Link(index, _text(found, IFLA_IFNAME), flags, kind, found.get(IFLA_ADDRESS, b""), changes or 0)


def is_bridge_port(body: bytes) -> bool:
    """Whether a link message is a bridge's about its port, which says nothing of the interface itself.

    When a port leaves its bridge, the bridge says so with RTM_DELLINK (net/bridge/br_netlink.c).
    """
    return body[0] != socket.AF_UNSPEC


def local_address(body: bytes) -> LocalAddress:
    """What follows the header of RTM_NEWADDR; IPv6 has no IFA_LOCAL except behind point-to-point links."""
    family, prefix, short_flags, _, index = ADDRESS_HEAD.unpack_from(body)
    found = attributes(body, ADDRESS_HEAD.size)
    peer = found.get(IFA_ADDRESS, b"")
    flags = _number(found, IFA_FLAGS)
    flags = short_flags if flags is None else flags
    local = found.get(IFA_LOCAL, peer)
    return LocalAddress(index, family, prefix, flags, local, peer or local, _text(found, IFA_LABEL))


def neighbour(body: bytes) -> Neighbour:
    """What follows the header of RTM_NEWNEIGH."""
    _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    found = attributes(body, _NEIGHBOUR.size)
    return Neighbour(index, state, found.get(NDA_DST, b""), found.get(NDA_LLADDR, b""))


def attributes(body: bytes, start: int) -> dict[int, bytes]:
    """The attributes from start on: kind to value."""
    found = {}
    while start + ATTRIBUTE.size <= len(body):
        length, kind = ATTRIBUTE.unpack_from(body, start)
        if length < ATTRIBUTE.size:
            break
        found[kind & TYPE_MASK] = body[start + ATTRIBUTE.size : start + length]
        start += (length + 3) & ~3
    return found


def _number(found: dict[int, bytes], kind: int) -> int | None:
    value = found.get(kind, b"")
    return int(_NUMBER.unpack_from(value)[0]) if len(value) >= _NUMBER.size else None


def _text(found: dict[int, bytes], kind: int) -> str:
    return os.fsdecode(found.get(kind, b"").partition(b"\0")[0])
