"""The messages of the kernel's IPVS interface: changes into attributes, dumps into values.

Source: Linux include/uapi/linux/ip_vs.h for the numbers, net/netfilter/ipvs/ip_vs_ctl.c for what each
command wants and how it answers. IPv4 and IPv6; TCP, UDP, SCTP and firewall marks. There is no flush
here: nothing in this project may empty a table that others write to as well.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from lvs.config.model import Address, Forwarding, Protocol
from lvs.router.genetlink import ATTRIBUTE, Request, attribute, attributes
from lvs.router.layout import Field, Layouts, at
from lvs.router.state import (
    Change,
    Counters,
    Destination,
    DestinationKey,
    Family,
    Part,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncState,
    Timeouts,
    Verb,
)

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8
NEW_DAEMON, DEL_DAEMON, GET_DAEMON = 9, 10, 11
SET_CONFIG, GET_CONFIG, GET_INFO = 12, 13, 15

CMD_SERVICE, CMD_DEST, CMD_DAEMON, CMD_TIMEOUT_TCP, CMD_TIMEOUT_TCP_FIN, CMD_TIMEOUT_UDP = 1, 2, 3, 4, 5, 6
SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT, SVC_FWMARK = 1, 2, 3, 4, 5
SVC_SCHED_NAME, SVC_FLAGS, SVC_TIMEOUT, SVC_NETMASK, SVC_STATS, SVC_STATS64 = 6, 7, 8, 9, 10, 12
DEST_ADDR, DEST_PORT, DEST_FWD_METHOD, DEST_WEIGHT, DEST_U_THRESH, DEST_L_THRESH = 1, 2, 3, 4, 5, 6
DEST_ACTIVE_CONNS, DEST_INACT_CONNS, DEST_PERSIST_CONNS = 7, 8, 9
DEST_STATS, DEST_ADDR_FAMILY, DEST_STATS64 = 10, 11, 12
STATS_CONNS, STATS_INPKTS, STATS_OUTPKTS, STATS_INBYTES, STATS_OUTBYTES = 1, 2, 3, 4, 5
INFO_VERSION, INFO_CONN_TAB_SIZE = 1, 2
DAEMON_STATE, DAEMON_MCAST_IFN, DAEMON_SYNC_ID, DAEMON_SYNC_MAXLEN = 1, 2, 3, 4
DAEMON_MCAST_GROUP, DAEMON_MCAST_GROUP6, DAEMON_MCAST_PORT, DAEMON_MCAST_TTL = 5, 6, 7, 8

FLAG_HASHED = 0x0002  # the kernel's own mark on every service in its table
FWD_MASK = 0x0007

U16 = struct.Struct("=H")
BE16 = struct.Struct("!H")
U32 = struct.Struct("=I")
BE32 = struct.Struct("!I")
# A whole destination: address, port, forwarding method, weight, thresholds, address family, each behind its
# attribute header (length and kind).
DESTINATION = struct.Struct("=HH16sHH2sxxHHIHHiHHIHHIHHHxx")

FAMILIES = {Family.V4: socket.AF_INET, Family.V6: socket.AF_INET6}
PROTOCOLS = {
    Protocol.TCP: socket.IPPROTO_TCP,
    Protocol.UDP: socket.IPPROTO_UDP,
    Protocol.SCTP: socket.IPPROTO_SCTP,
}
SYNC_STATES = {SyncState.MASTER: 1, SyncState.BACKUP: 2}  # IP_VS_STATE_*
SYNC_STATE_OF = {number: state for state, number in SYNC_STATES.items()}
PROTOCOL_OF = {int(number): protocol for protocol, number in PROTOCOLS.items()}
METHODS = {Forwarding.NAT: 0, Forwarding.TUNNEL: 2, Forwarding.DIRECT: 3}
# 1 and 4 are what the kernel makes of foreign entries (a local server, a bypass); they are only shown.
FORWARDING_OF = {
    0: Forwarding.NAT,
    1: Forwarding.NAT,
    2: Forwarding.TUNNEL,
    3: Forwarding.DIRECT,
    4: Forwarding.DIRECT,
}

COMMANDS = {
    (Part.SERVICE, Verb.ADD): NEW_SERVICE,
    (Part.SERVICE, Verb.CHANGE): SET_SERVICE,
    (Part.SERVICE, Verb.REMOVE): DEL_SERVICE,
    (Part.DESTINATION, Verb.ADD): NEW_DEST,
    (Part.DESTINATION, Verb.CHANGE): SET_DEST,
    (Part.DESTINATION, Verb.REMOVE): DEL_DEST,
}


@dataclass(frozen=True, slots=True)
class Info:
    """version: of IPVS (1.2.1); connection_table_size: the hash table's buckets."""

    version: str
    connection_table_size: int


# ---- writing


def requests(changes: Sequence[Change]) -> list[Request]:
    """One request for each change; every change is about a service or a destination."""
    made: list[Request] = []
    last: ServiceKey | None = None
    nested = b""
    for change in changes:
        key = change.service_key
        if key is None:
            raise ValueError(f"not an IPVS change: {change.text}")
        command = COMMANDS[change.part, change.verb]
        if change.service is not None:
            made.append((command, attribute(CMD_SERVICE, service_attributes(key, change.service))))
            continue
        if key is not last:
            last, nested = key, service_attribute(key)
        if change.destination_key is None:
            made.append((command, nested))
        else:
            made.append((command, nested + destination_attribute(change.destination_key, change.destination)))
    return made


def service_key_attributes(key: ServiceKey) -> bytes:
    family = attribute(SVC_AF, U16.pack(FAMILIES[key.family]))
    if key.fwmark:
        return family + attribute(SVC_FWMARK, U32.pack(key.fwmark))
    if key.protocol is None or key.address is None:
        raise ValueError(f"a service needs a firewall mark, or protocol and address: {key}")
    return b"".join(
        (
            family,
            attribute(SVC_PROTOCOL, U16.pack(PROTOCOLS[key.protocol])),
            attribute(SVC_ADDR, key.address.packed.ljust(16, b"\0")),
            attribute(SVC_PORT, BE16.pack(key.port)),
        )
    )


def service_attribute(key: ServiceKey) -> bytes:
    return attribute(CMD_SERVICE, service_key_attributes(key))


def service_attributes(key: ServiceKey, service: Service) -> bytes:
    if key.family is Family.V4:
        netmask = BE32.pack(0xFFFFFFFF << (32 - service.netmask) & 0xFFFFFFFF)
    else:
        netmask = U32.pack(service.netmask)  # IPv6: the prefix length itself
    return b"".join(
        (
            service_key_attributes(key),
            attribute(SVC_SCHED_NAME, service.scheduler.encode() + b"\0"),
            attribute(SVC_FLAGS, U32.pack(service.flags) + b"\xff\xff\xff\xff"),  # value, and the bits meant
            attribute(SVC_TIMEOUT, U32.pack(service.persistence)),
            attribute(SVC_NETMASK, netmask),
        )
    )


def destination_attribute(key: DestinationKey, destination: Destination | None) -> bytes:
    """The attribute that names a real server and, unless destination is None, sets it."""
    address = key.address
    packed = address.packed  # the struct pads an IPv4 address to sixteen bytes
    if destination is None:
        port = attribute(DEST_PORT, BE16.pack(key.port))
        family = attribute(DEST_ADDR_FAMILY, U16.pack(_family(address)))
        return attribute(CMD_DEST, attribute(DEST_ADDR, packed.ljust(16, b"\0")) + port + family)
    # fmt: off
    return DESTINATION_NEST + DESTINATION.pack(
        20, DEST_ADDR, packed,
        6, DEST_PORT, BE16.pack(key.port),
        8, DEST_FWD_METHOD, METHODS[destination.forwarding],
        8, DEST_WEIGHT, destination.weight,
        8, DEST_U_THRESH, destination.upper_threshold,
        8, DEST_L_THRESH, destination.lower_threshold,
        6, DEST_ADDR_FAMILY, _family(address),
    )
    # fmt: on


DESTINATION_NEST = struct.pack("=HH", 4 + DESTINATION.size, CMD_DEST)


def _family(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def timeouts_attributes(timeouts: Timeouts) -> bytes:
    """Those that are not 0."""
    values = (
        (CMD_TIMEOUT_TCP, timeouts.tcp),
        (CMD_TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (CMD_TIMEOUT_UDP, timeouts.udp),
    )
    return b"".join(attribute(kind, U32.pack(seconds)) for kind, seconds in values if seconds)


def sync_daemon_attributes(daemon: SyncDaemon) -> bytes:
    """All that it takes to start one half; what is 0 or None is left to the kernel (since Linux 4.3)."""
    group = b""
    if daemon.group is not None:
        kind = DAEMON_MCAST_GROUP if daemon.group.version == 4 else DAEMON_MCAST_GROUP6
        group = attribute(kind, daemon.group.packed)
    return attribute(
        CMD_DAEMON,
        b"".join(
            (
                attribute(DAEMON_STATE, U32.pack(SYNC_STATES[daemon.state])),
                attribute(DAEMON_MCAST_IFN, daemon.interface.encode() + b"\0"),
                attribute(DAEMON_SYNC_ID, U32.pack(daemon.syncid)),
                attribute(DAEMON_SYNC_MAXLEN, U16.pack(daemon.maxlen)) if daemon.maxlen else b"",
                group,
                attribute(DAEMON_MCAST_PORT, U16.pack(daemon.port)) if daemon.port else b"",
                attribute(DAEMON_MCAST_TTL, bytes([daemon.ttl])) if daemon.ttl else b"",
            )
        ),
    )


def sync_state_attributes(state: SyncState) -> bytes:
    """What names the half to stop."""
    return attribute(CMD_DAEMON, attribute(DAEMON_STATE, U32.pack(SYNC_STATES[state])))


# ---- reading


@lru_cache(maxsize=1 << 16)
def _address(family: int, packed: bytes) -> Address:
    return IPv4Address(packed[:4]) if family == socket.AF_INET else IPv6Address(packed)


@lru_cache(maxsize=1 << 16)
def _destination_key(family: int, packed: bytes, port: bytes) -> DestinationKey:
    return DestinationKey(_address(family, packed), int.from_bytes(port, "big"))


@lru_cache(maxsize=1 << 12)
def _destination_value(method: int, weight: int, upper: int, lower: int) -> Destination:
    return Destination(FORWARDING_OF.get(method & FWD_MASK, Forwarding.NAT), weight, upper, lower)


def _statistics(outer: int, wide: int, narrow: int) -> tuple[Field, ...]:
    """The five counters: of 64 bits where the kernel has them (since Linux 4.1), else as they were before."""
    before = {
        STATS_CONNS: "I",
        STATS_INPKTS: "I",
        STATS_OUTPKTS: "I",
        STATS_INBYTES: "Q",
        STATS_OUTBYTES: "Q",
    }
    return tuple(
        Field((((outer, wide, kind), "Q"), ((outer, narrow, kind), old))) for kind, old in before.items()
    )


_DESTINATION_FIELDS = (
    at((CMD_DEST, DEST_ADDR), "16s"),
    at((CMD_DEST, DEST_PORT), "2s"),
    at((CMD_DEST, DEST_FWD_METHOD), "I"),
    at((CMD_DEST, DEST_WEIGHT), "i"),
    at((CMD_DEST, DEST_U_THRESH), "I"),
    at((CMD_DEST, DEST_L_THRESH), "I"),
    at((CMD_DEST, DEST_ADDR_FAMILY), "H"),
)
_CONNECTION_FIELDS = tuple(
    at((CMD_DEST, kind), "I") for kind in (DEST_ACTIVE_CONNS, DEST_INACT_CONNS, DEST_PERSIST_CONNS)
)
_destinations = Layouts(_DESTINATION_FIELDS)
_counted_destinations = Layouts(
    (*_DESTINATION_FIELDS, *_statistics(CMD_DEST, DEST_STATS64, DEST_STATS), *_CONNECTION_FIELDS)
)
_service_statistics = Layouts(_statistics(CMD_SERVICE, SVC_STATS64, SVC_STATS))


def destination(buffer: bytearray, start: int, end: int) -> tuple[DestinationKey, Destination]:
    packed, port, method, weight, upper, lower, family = _destinations.read(buffer, start, end)
    return _destination_key(family, packed, port), _destination_value(method, weight, upper, lower)


def counted_destination(
    buffer: bytearray, start: int, end: int
) -> tuple[DestinationKey, Destination, Counters]:
    values = _counted_destinations.read(buffer, start, end)
    packed, port, method, weight, upper, lower, family = values[:7]
    key = _destination_key(family, packed, port)
    return key, _destination_value(method, weight, upper, lower), Counters(*values[7:])


def service(buffer: bytearray, start: int, end: int) -> tuple[ServiceKey, Service] | None:
    """A service, or None when it is of a protocol that this project does not know."""
    length, _ = ATTRIBUTE.unpack_from(buffer, start)
    found = attributes(buffer, start + 4, start + length)
    (af,) = U16.unpack_from(buffer, found[SVC_AF])
    family = Family.V4 if af == socket.AF_INET else Family.V6
    if SVC_FWMARK in found:
        key = ServiceKey(family, fwmark=U32.unpack_from(buffer, found[SVC_FWMARK])[0])
    else:
        protocol = PROTOCOL_OF.get(U16.unpack_from(buffer, found[SVC_PROTOCOL])[0])
        if protocol is None:
            return None
        place = found[SVC_ADDR]
        address = _address(af, bytes(buffer[place : place + 16]))
        key = ServiceKey(family, protocol, address, BE16.unpack_from(buffer, found[SVC_PORT])[0])
    place = found[SVC_SCHED_NAME]
    scheduler = buffer[place : buffer.index(0, place)].decode("ascii", "replace")
    flags = U32.unpack_from(buffer, found[SVC_FLAGS])[0] & ~FLAG_HASHED
    (persistence,) = U32.unpack_from(buffer, found[SVC_TIMEOUT])
    if family is Family.V4:
        netmask = BE32.unpack_from(buffer, found[SVC_NETMASK])[0].bit_count()
    else:
        (netmask,) = U32.unpack_from(buffer, found[SVC_NETMASK])
    return key, Service(scheduler, flags, persistence, netmask)


def counted_service(buffer: bytearray, start: int, end: int) -> tuple[ServiceKey, Service, Counters] | None:
    found = service(buffer, start, end)
    return found and (*found, Counters(*_service_statistics.read(buffer, start, end)))


def timeouts(buffer: bytearray, start: int, end: int) -> Timeouts:
    found = attributes(buffer, start, end)
    kinds = (CMD_TIMEOUT_TCP, CMD_TIMEOUT_TCP_FIN, CMD_TIMEOUT_UDP)
    return Timeouts(*(U32.unpack_from(buffer, found[kind])[0] if kind in found else 0 for kind in kinds))


def info(buffer: bytearray, start: int, end: int) -> Info:
    found = attributes(buffer, start, end)
    (version,) = U32.unpack_from(buffer, found[INFO_VERSION])
    (buckets,) = U32.unpack_from(buffer, found[INFO_CONN_TAB_SIZE])
    return Info(f"{version >> 16 & 255}.{version >> 8 & 255}.{version & 255}", buckets)


def sync_daemon(buffer: bytearray, start: int, end: int) -> SyncDaemon:
    """A running half of the sync daemon; of length, group, port and TTL Linux tells since 4.3."""
    length, _ = ATTRIBUTE.unpack_from(buffer, start)
    found = attributes(buffer, start + 4, start + length)
    place = found[DAEMON_MCAST_IFN]
    group: Address | None = None
    if DAEMON_MCAST_GROUP in found:
        group = _address(socket.AF_INET, bytes(buffer[found[DAEMON_MCAST_GROUP] :][:4]))
    elif DAEMON_MCAST_GROUP6 in found:
        group = _address(socket.AF_INET6, bytes(buffer[found[DAEMON_MCAST_GROUP6] :][:16]))
    return SyncDaemon(
        SYNC_STATE_OF[U32.unpack_from(buffer, found[DAEMON_STATE])[0]],
        buffer[place : buffer.index(0, place)].decode("ascii", "replace"),
        U32.unpack_from(buffer, found[DAEMON_SYNC_ID])[0],
        _short(buffer, found.get(DAEMON_SYNC_MAXLEN)),
        group,
        _short(buffer, found.get(DAEMON_MCAST_PORT)),
        buffer[found[DAEMON_MCAST_TTL]] if DAEMON_MCAST_TTL in found else 0,
    )


def _short(buffer: bytearray, place: int | None) -> int:
    return 0 if place is None else int(U16.unpack_from(buffer, place)[0])
