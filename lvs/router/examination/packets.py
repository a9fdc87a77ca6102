"""IP packets as bytes: those that a real server is tried with, and what comes back. Pure.

Without Ethernet header, as packet sockets of the type SOCK_DGRAM take and give them (packet(7)). Formats:
RFC 791, 792, 768, 9293 (TCP), 2003 (IP in IP), 8200, 4443, 2473 (tunnels in IPv6).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address

from lvs.config.model import Address

ICMP, IP_IN_IP, TCP, UDP, IPV6_IN_IP, ICMPV6 = 1, 4, 6, 17, 41, 58  # IANA's protocol numbers
TUNNELLED = (IP_IN_IP, IPV6_IN_IP)
OUTER = {4: 20, 6: 40}  # bytes of an IP header without options
HOPS = 64

_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_END, _NOTHING, _SEGMENT = 0, 1, 2  # TCP options
_WINDOW = 64240
_DO_NOT_FRAGMENT = 0x4000

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_ICMP = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number (or what they stand for)


@dataclass(frozen=True, slots=True)
class Flow:
    """What tells a packet and the answers to it from others, from the side of the one who asks.

    protocol: a number of IANA's. ports: own and the other's; of an echo its identifier and number; (0, 0) of
    a packet in a tunnel.
    """

    protocol: int
    source: Address
    destination: Address
    ports: tuple[int, int] = (0, 0)


class Kind(StrEnum):
    """What an answer is."""

    SYN_ACK = "SYN-ACK"
    RESET = "RST"
    DATAGRAM = "datagram"
    ECHO = "echo reply"
    NO_PORT = "port unreachable"
    NO_PROTOCOL = "protocol unreachable"
    FORBIDDEN = "administratively prohibited"
    NO_HOST = "host unreachable"
    TOO_BIG = "packet too big"
    EXPIRED = "time exceeded"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a flow: from whom; segment: the MSS of a SYN-ACK, None: it names none."""

    kind: Kind
    flow: Flow
    source: Address
    segment: int | None = None


# ICMP destination unreachable by code (RFC 792, RFC 1812 5.2.7.1), ICMPv6 by code (RFC 4443, 3.1).
_UNREACHABLE = {
    2: Kind.NO_PROTOCOL,
    3: Kind.NO_PORT,
    4: Kind.TOO_BIG,
    9: Kind.FORBIDDEN,
    10: Kind.FORBIDDEN,
    13: Kind.FORBIDDEN,
}
_UNREACHABLE6 = {1: Kind.FORBIDDEN, 4: Kind.NO_PORT, 5: Kind.FORBIDDEN, 6: Kind.FORBIDDEN}


# ---- to send


def syn(flow: Flow, number: int, hops: int = HOPS) -> bytes:
    """Asks for a connection, `number` being the initial sequence number."""
    segment = 1500 - OUTER[flow.destination.version] - _TCP.size
    option = struct.pack("!BBH", _SEGMENT, 4, segment)
    return _segment(flow, number, _SYN, option, hops)


def reset(flow: Flow, number: int, hops: int = HOPS) -> bytes:
    """Ends the connection that a SYN of this number began: RFC 9293, 3.10.7.4 wants exactly the next one."""
    return _segment(flow, (number + 1) & 0xFFFFFFFF, _RST, b"", hops)


def datagram(flow: Flow, payload: bytes, hops: int = HOPS) -> bytes:
    head = _UDP.pack(*flow.ports, _UDP.size + len(payload), 0)
    total = _checksum(_pseudo_header(flow, len(head) + len(payload)) + head + payload)
    return _packet(flow, head[:6] + struct.pack("!H", total or 0xFFFF) + payload, hops)


def echo(flow: Flow, size: int = 0, hops: int = HOPS) -> bytes:
    """An echo request; size: of the whole packet, in bytes; it must not be fragmented."""
    six = flow.destination.version == 6
    padding = bytes(max(16, size - OUTER[flow.destination.version] - _ICMP.size))
    kind = 128 if six else 8
    head = _ICMP.pack(kind, 0, 0, *flow.ports)
    pseudo = _pseudo_header(flow, len(head) + len(padding)) if six else b""
    total = _checksum(pseudo + head + padding)
    return _packet(flow, head[:2] + struct.pack("!H", total) + head[4:] + padding, hops)


def enclosed(packet: bytes, source: Address, destination: Address) -> bytes:
    """A packet in another one, as the router sends it through a tunnel."""
    return _packet(tunnel(packet, source, destination), packet, HOPS)


def tunnel(packet: bytes, source: Address, destination: Address) -> Flow:
    """The flow of a packet in another one: what an ICMP message from the tunnel's end is about."""
    return Flow(IPV6_IN_IP if packet[0] >> 4 == 6 else IP_IN_IP, source, destination)


def _segment(flow: Flow, number: int, flags: int, options: bytes, hops: int) -> bytes:
    words = (_TCP.size + len(options)) // 4
    head = _TCP.pack(*flow.ports, number, 0, words << 4, flags, _WINDOW if flags & _SYN else 0, 0, 0)
    total = _checksum(_pseudo_header(flow, len(head) + len(options)) + head + options)
    return _packet(flow, head[:16] + struct.pack("!H", total) + head[18:] + options, hops)


def _packet(flow: Flow, body: bytes, hops: int) -> bytes:
    ends = flow.source.packed, flow.destination.packed
    if flow.destination.version == 6:
        return _IPV6.pack(6 << 28, len(body), flow.protocol, hops, *ends) + body
    head = (0x45, 0, _IPV4.size + len(body), 0, _DO_NOT_FRAGMENT, hops, flow.protocol)
    total = _checksum(_IPV4.pack(*head, 0, *ends))
    return _IPV4.pack(*head, total, *ends) + body


def _pseudo_header(flow: Flow, length: int) -> bytes:
    ends = flow.source.packed + flow.destination.packed
    if flow.destination.version == 6:
        return ends + struct.pack("!IxxxB", length, flow.protocol)
    return ends + struct.pack("!xBH", flow.protocol, length)


def _checksum(octets: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = octets + bytes(len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# ---- that came back


def answer(packet: bytes) -> Answer | None:
    """What a packet says to something that was asked; None: nothing that is of interest, or malformed."""
    opened = _opened(packet)
    if opened is None:
        return None
    there, body = opened
    if there.protocol in (ICMP, ICMPV6):
        return _of_icmp(there, body)
    flow = _asked(there, body)
    if flow is None:
        return None
    if there.protocol == UDP:
        return Answer(Kind.DATAGRAM, flow, there.source)
    if len(body) < _TCP.size:
        return None
    flags = body[13]
    if flags & _RST:
        return Answer(Kind.RESET, flow, there.source)
    if flags & _SYN and flags & _ACK:
        return Answer(Kind.SYN_ACK, flow, there.source, _segment_size(body))
    return None


def _opened(packet: bytes) -> tuple[Flow, bytes] | None:
    """Who says it to whom by which protocol, and what stands behind the header; extension headers: None."""
    if not packet:
        return None
    if packet[0] >> 4 == 4 and len(packet) >= _IPV4.size:
        start = (packet[0] & 0x0F) * 4
        *_, protocol, _, source, destination = _IPV4.unpack_from(packet)
        return Flow(protocol, ip_address(source), ip_address(destination)), packet[start:]
    if packet[0] >> 4 == 6 and len(packet) >= _IPV6.size:
        _, _, protocol, _, source, destination = _IPV6.unpack_from(packet)
        return Flow(protocol, ip_address(source), ip_address(destination)), packet[_IPV6.size :]
    return None


def _asked(there: Flow, body: bytes) -> Flow | None:
    """The flow that a TCP segment or datagram answers."""
    if there.protocol not in (TCP, UDP) or len(body) < 8:
        return None
    others, own = struct.unpack_from("!HH", body)
    return Flow(there.protocol, there.destination, there.source, (own, others))


def _of_icmp(there: Flow, body: bytes) -> Answer | None:
    if len(body) < _ICMP.size:
        return None
    kind, code, _, identifier, number = _ICMP.unpack_from(body)
    if kind == (0 if there.protocol == ICMP else 129):
        flow = Flow(there.protocol, there.destination, there.source, (identifier, number))
        return Answer(Kind.ECHO, flow, there.source)
    meaning = _meaning(there.protocol, kind, code)
    flow_of = _quoted(body[_ICMP.size :])
    return Answer(meaning, flow_of, there.source) if meaning and flow_of else None


def _meaning(protocol: int, kind: int, code: int) -> Kind | None:
    """What an ICMP error says of the packet that it quotes."""
    if protocol == ICMP:
        if kind == 3:
            return _UNREACHABLE.get(code, Kind.NO_HOST)
        return Kind.EXPIRED if kind == 11 else None
    if kind == 1:
        return _UNREACHABLE6.get(code, Kind.NO_HOST)
    if kind == 4:  # parameter problem; code 1: the next header is not known (RFC 4443, 3.4)
        return Kind.NO_PROTOCOL if code == 1 else None
    return {2: Kind.TOO_BIG, 3: Kind.EXPIRED}.get(kind)


def _quoted(packet: bytes) -> Flow | None:
    """The flow of a packet that an ICMP error quotes, of which 8 bytes behind its header are certain."""
    opened = _opened(packet)
    if opened is None:
        return None
    sent, body = opened
    if sent.protocol in TUNNELLED:
        return sent
    if sent.protocol in (TCP, UDP) and len(body) >= 4:
        return replace(sent, ports=struct.unpack_from("!HH", body))
    if sent.protocol in (ICMP, ICMPV6) and len(body) >= _ICMP.size:
        return replace(sent, ports=struct.unpack_from("!HH", body, 4))
    return None


def _segment_size(body: bytes) -> int | None:
    """The MSS among the options of a TCP header."""
    end = min((body[12] >> 4) * 4, len(body))
    place = _TCP.size
    while place < end:
        option = body[place]
        if option == _END:
            break
        if option == _NOTHING:
            place += 1
            continue
        length = body[place + 1] if place + 1 < end else 0
        if length < 2 or place + length > end:
            break
        if option == _SEGMENT and length == 4:
            return int(struct.unpack_from("!H", body, place + 2)[0])
        place += length
    return None
