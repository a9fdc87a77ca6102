"""What a router that gave the active role away still has to tell the other one: its youngest connections.

The kernel's sync daemon keeps its last message until the next connection needs the room, or for two to three
seconds, and of half-open connections it tells nothing. Once the other router has the addresses, no packet
comes here that would end either. So the message is pushed out, and what is half open is told from here, in
the kernel's own form. Both work in the network namespace of the calling thread, and raise KernelError.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

from lvs.config.model import Forwarding, Protocol
from lvs.errors import KernelError
from lvs.router import sync, sync_messages
from lvs.router.ipvs import Ipvs
from lvs.router.state import (
    Change,
    Destination,
    DestinationKey,
    Family,
    KernelState,
    Part,
    Service,
    ServiceKey,
    SyncDaemon,
    Verb,
)

LISTING = "/proc/thread-self/net/ip_vs_conn"
CHUNK = 65536
# There for a moment only: a service that nobody else can reach, of a real server that does not listen.
SERVICE = ServiceKey(Family.V4, Protocol.UDP, sync.PUSH_PLACE, sync.PORT)
REAL_SERVER = DestinationKey(sync.PUSH_PLACE, sync.PORT)
MOST = 64  # connections made for a push: enough for a message of an Ethernet frame
PUSH = "push the sync daemon's last message out"


def push_out(maxlen: int, scheduler: str) -> None:
    """Has the kernel send at once what it has gathered for a message of maxlen bytes.

    By as many connections, through its own table, as fill it and need one more: IPVS offers no other way, and
    loses what it has gathered when the sync daemon is stopped (sync_thread_master). Where somebody raised
    net/ipv4/vs/sync_ports above 1 there are several such messages, and some go out late. scheduler: one that
    is loaded.
    """
    with Ipvs() as ipvs:
        _change(ipvs, Change(Part.SERVICE, Verb.ADD, PUSH, SERVICE, Service(scheduler)))
        try:
            here = Destination(Forwarding.DIRECT, 1)
            _change(ipvs, Change(Part.DESTINATION, Verb.ADD, PUSH, SERVICE, None, REAL_SERVER, here))
            for _ in range(min(MOST, 1 + maxlen // sync_messages.SHORTEST)):
                _connect()
        finally:
            _change(ipvs, Change(Part.SERVICE, Verb.REMOVE, PUSH, SERVICE))


def recover() -> None:
    """Takes out what a pulse that was killed in the middle of `push_out` left; fine if there is nothing."""
    with suppress(KernelError), Ipvs() as ipvs:
        _change(ipvs, Change(Part.SERVICE, Verb.REMOVE, PUSH, SERVICE))


def _change(ipvs: Ipvs, change: Change) -> None:
    for reason in ipvs.carry_out([change]).values():
        raise KernelError(PUSH, reason)


def _connect() -> None:
    """A datagram from a port of its own, which is a new connection to IPVS; that nobody listens is fine."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.setblocking(False)
            with suppress(PermissionError):  # by a filter of this machine, which comes after IPVS
                opened.sendto(b"", (str(sync.PUSH_PLACE), sync.PORT))
    except OSError as error:
        raise KernelError(PUSH, f"{error.strerror}: bring the interface lo up (ip link set lo up)") from error


def tell_half_open(master: SyncDaemon, state: KernelState, seconds: float) -> int:
    """Tells of the half-open TCP connections in the kernel's table, and how many they are.

    master: this router's telling half. state: what is in the kernel here. It looks for so many seconds at the
    most: before Linux 6.16 reading the table gets slower the longer it is, 35,000 lines in the first second
    (ip_vs_conn_array).
    """
    told, until = 0, time.monotonic() + seconds
    try:
        with _sending(master) as opened:
            for lines in _listed(until):
                found = list(sync_messages.half_open(lines))
                for message in sync_messages.messages(found, master.syncid, state):
                    opened.send(message)
                told += len(found)
    except OSError as error:
        raise KernelError("tell of half-open connections", error.strerror or str(error)) from error
    return told


def _listed(until: float) -> Iterator[bytes]:
    """The kernel's list, whole lines, some at a time, until this moment of the monotonic clock."""
    rest = b""
    with open(LISTING, "rb", buffering=0) as file:
        while time.monotonic() < until and (part := file.read(CHUNK)):
            lines, _, rest = (rest + part).rpartition(b"\n")
            yield lines


def _sending(master: SyncDaemon) -> socket.socket:
    """A socket like the kernel's own (make_send_sock, ip_vs_sync.c)."""
    group, ttl = master.group or sync.GROUP, master.ttl or sync.TTL
    index = socket.if_nametoindex(master.interface)
    if group.version == 6:
        opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        level, by = socket.IPPROTO_IPV6, struct.pack("=i", index)
        options = (socket.IPV6_MULTICAST_IF, socket.IPV6_MULTICAST_HOPS, socket.IPV6_MULTICAST_LOOP)
    else:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        level, by = socket.IPPROTO_IP, struct.pack("=4s4si", b"", b"", index)  # struct ip_mreqn, ip(7)
        options = (socket.IP_MULTICAST_IF, socket.IP_MULTICAST_TTL, socket.IP_MULTICAST_LOOP)
    try:
        by_interface, hops, looped = options
        opened.setsockopt(level, by_interface, by)
        opened.setsockopt(level, hops, ttl)
        opened.setsockopt(level, looped, 0)
        scope = (0, index) if group.version == 6 else ()
        opened.connect((str(group), master.port or sync.PORT, *scope))
    except OSError:
        opened.close()
        raise
    return opened
