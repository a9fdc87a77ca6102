"""What a kernel lists of its half-open connections, and the messages that tell another router of them. Pure.

The kernel's own messages leave them out: it tells of a TCP connection from when it is established
(ip_vs_sync_conn_needed). Version 1 of the form. Source: Linux net/netfilter/ipvs/ip_vs_sync.c (the form, and
what the other router makes of it), ip_vs_conn.c (ip_vs_conn_seq_show), include/uapi/linux/ip_vs.h.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

from lvs.config.model import Address, Protocol
from lvs.router import sync
from lvs.router.ipvs_messages import METHODS
from lvs.router.state import DestinationKey, Family, KernelState, ServiceKey

# A line of /proc/net/ip_vs_conn: protocol, then of client, service and real server the address and the port,
# in hexadecimal, then the state, and the seconds for which it is still kept.
_PLACE = rb"([0-9A-Fa-f:]+) ([0-9A-F]{4}) "
HALF_OPEN = re.compile(rb"^TCP " + 3 * _PLACE + rb"SYN_RECV ", re.MULTILINE)
SYN_RECV, SECONDS = 3, 60  # of enum ip_vs_tcp states; for how long a kernel keeps one in that state
# With this flag a message only adds: where the client has begun anew meanwhile, and been sent to another real
# server, the other router keeps that (ip_vs_proc_conn). Once established the connection counts as active.
INACTIVE = 0x0100
TCP, IPV6, VERSION = 6, 1, 1
HEAD = struct.Struct("!BBHBbH")  # zero, id, size, how many connections, version, zero
CONNECTION = struct.Struct("!BBHIHHHHII")  # then the addresses of client, service and real server
SHORTEST, LONGEST = CONNECTION.size + 3 * 4, CONNECTION.size + 3 * 16  # bytes of a connection


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """A TCP connection that the client has not yet confirmed; all three addresses are of one family."""

    client: tuple[Address, int]
    virtual: tuple[Address, int]
    real: tuple[Address, int]


def half_open(lines: bytes) -> Iterator[HalfOpen]:
    """Those among lines of the kernel's list."""
    for found in HALF_OPEN.finditer(lines):
        words = [word.decode() for word in found.groups()]
        client, virtual, real = ((_address(words[at]), int(words[at + 1], 16)) for at in (0, 2, 4))
        if client[0].version == real[0].version:  # no message tells of a tunnel to another family
            yield HalfOpen(client, virtual, real)


def _address(text: str) -> Address:
    return IPv6Address(text) if ":" in text else IPv4Address(int(text, 16))


def messages(connections: Iterable[HalfOpen], syncid: int, state: KernelState) -> Iterator[bytes]:
    """Messages with all of these connections, each short enough for any taking half.

    state: of the router that has them; with its services and real servers the other one looks them up.
    """
    waiting = iter(connections)
    while some := list(islice(waiting, (sync.SHORTEST_READ - HEAD.size) // LONGEST)):
        body = b"".join(_packed(each, state) for each in some)
        yield HEAD.pack(0, syncid, HEAD.size + len(body), len(some), VERSION, 0) + body


def _packed(connection: HalfOpen, state: KernelState) -> bytes:
    (client, client_port), (virtual, port), (real, real_port) = (
        connection.client,
        connection.virtual,
        connection.real,
    )
    version6 = virtual.version == 6
    key = ServiceKey(Family.V6 if version6 else Family.V4, Protocol.TCP, virtual, port)
    mark = 0 if key in state.services else _mark(virtual, port, state)
    if mark:
        key = ServiceKey(key.family, fwmark=mark)
    members = state.destinations.get(key, {})
    known = members.get(DestinationKey(real, real_port)) or members.get(DestinationKey(real, 0))
    flags = INACTIVE | (METHODS[known.forwarding] if known else 0)
    addresses = client.packed + virtual.packed + real.packed
    size = CONNECTION.size + len(addresses)
    ports = (client_port, port, real_port)
    head = CONNECTION.pack(IPV6 if version6 else 0, TCP, size, flags, SYN_RECV, *ports, mark, SECONDS)
    return head + addresses


def _mark(virtual: Address, port: int, state: KernelState) -> int:
    """The firewall mark of packets to this place; 0: none."""
    marks = state.netfilter.marks if state.netfilter else ()
    place = (virtual, Protocol.TCP)
    found = (
        rule.fwmark
        for rule in marks
        if (rule.address, rule.protocol) == place and rule.ports.first <= port <= rule.ports.last
    )
    return next(found, 0)
