"""ARP and neighbour discovery as bytes: questions to the neighbours, and what their answers say. Pure.

Packets are without their Ethernet header: sockets of the type SOCK_DGRAM (packet(7)) put it on and take it
off, whatever length it has (a VLAN's may be longer).
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

ARP, IPV6 = 0x0806, 0x86DD  # ETH_P_*, include/uapi/linux/if_ether.h
ETHERNET = 1  # ARPHRD_ETHER, include/uapi/linux/if_arp.h; VLANs, bonds, bridges and veth are Ethernet too
BROADCAST = b"\xff" * 6
NOWHERE = IPv6Address(0)  # the unspecified address ::
ICMPV6 = 58
ONE_HOP = 255  # RFC 4861, 7.1: proves to the receiver that no router passed the packet on
SOLICITATION, ADVERTISEMENT = 135, 136
SOURCE_MAC, TARGET_MAC = 1, 2  # options, RFC 4861, 4.6.1

_ARP_PACKET = struct.Struct("!HHBBH6s4s6s4s")
_IPV6_HEADER = struct.Struct("!IHBB16s16s")
_MESSAGE = struct.Struct("!BBHI16s")  # solicitation and advertisement, RFC 4861, 4.3 and 4.4
_MESSAGE_AT = _IPV6_HEADER.size
_OPTIONS_AT = _MESSAGE_AT + _MESSAGE.size


def arp_probe(address: IPv4Address, mac: bytes) -> bytes:
    """Asks who has an address without saying who asks (RFC 5227, 2.1.1), so that nobody's cache changes."""
    return _ARP_PACKET.pack(ETHERNET, 0x0800, 6, 4, 1, mac, bytes(4), bytes(6), address.packed)


def arp_sender(packet: bytes) -> tuple[IPv4Address, bytes] | None:
    """The address and MAC that the sender of an ARP packet, request or reply, gives as its own.

    None: not an ARP packet for IPv4 on Ethernet, or a probe, whose sender has no address yet.
    """
    if len(packet) < _ARP_PACKET.size:
        return None
    *kind, operation, mac, sender, _, _ = _ARP_PACKET.unpack_from(packet)
    if kind != [ETHERNET, 0x0800, 6, 4] or operation not in (1, 2) or not any(mac):
        return None
    address = IPv4Address(sender)
    if address.is_unspecified or address.is_loopback or address.is_multicast or sender == b"\xff" * 4:
        return None
    return address, mac


def solicitation(address: IPv6Address, source: IPv6Address, mac: bytes) -> bytes:
    """Asks who has an address (RFC 4861, 4.3): an IPv6 packet for `solicited_node(address)`.

    From :: it is the question of duplicate address detection and must not name a MAC (RFC 4862, 5.4.2).
    """
    option = b"" if source == NOWHERE else struct.pack("!BB6s", SOURCE_MAC, 1, mac)
    message = _MESSAGE.pack(SOLICITATION, 0, 0, 0, address.packed) + option
    return icmpv6_packet(source, solicited_node(address), message)


def solicited_node(address: IPv6Address) -> IPv6Address:
    """The multicast group in which the owner of an address listens (RFC 4291, 2.7.1)."""
    return IPv6Address(b"\xff\x02" + bytes(9) + b"\x01\xff" + address.packed[-3:])


def multicast_mac(group: IPv6Address) -> bytes:
    """Where Ethernet sends what is for a multicast group (RFC 2464, 7)."""
    return b"\x33\x33" + group.packed[-4:]


def advertised(packet: bytes, sender: bytes) -> tuple[IPv6Address, bytes] | None:
    """The address and MAC of a neighbour advertisement (RFC 4861, 4.4) that came from the MAC `sender`.

    The MAC is the one that it names, or the sender's where it names none. None: not an advertisement that a
    host may believe (7.1.2). The checksum is not looked at: between guests of one host it may be left for
    hardware to fill in, and a claim that is missed does more harm here than one that was garbled.
    """
    if len(packet) < _OPTIONS_AT or packet[0] >> 4 != 6:
        return None
    _, length, protocol, hops, _, _ = _IPV6_HEADER.unpack_from(packet)
    kind, code, _, _, target = _MESSAGE.unpack_from(packet, _MESSAGE_AT)
    if (protocol, hops, kind, code) != (ICMPV6, ONE_HOP, ADVERTISEMENT, 0):
        return None
    options = packet[_OPTIONS_AT : _MESSAGE_AT + length]
    named = _target_mac(options) if length >= _MESSAGE.size else None
    address = IPv6Address(target)
    if named is None or address.is_multicast or address.is_unspecified or address.is_loopback:
        return None
    mac = named or sender
    return (address, mac) if len(mac) == 6 and any(mac) else None


def _target_mac(options: bytes) -> bytes | None:
    """The target's link-layer address among the options; empty: not given; None: they are malformed."""
    found = b""
    while options:
        length = options[1] * 8 if len(options) > 1 else 0
        if not 0 < length <= len(options):
            return None
        if options[0] == TARGET_MAC:
            found = options[2:8]
        options = options[length:]
    return found


def icmpv6_packet(source: IPv6Address, destination: IPv6Address, unchecked: bytes) -> bytes:
    """An IPv6 packet, good for one hop, with this ICMPv6 message (an even number of bytes, checksum 0)."""
    pseudo_header = struct.pack("!16s16sIxxxB", source.packed, destination.packed, len(unchecked), ICMPV6)
    message = unchecked[:2] + struct.pack("!H", _checksum(pseudo_header + unchecked)) + unchecked[4:]
    header = (6 << 28, len(message), ICMPV6, ONE_HOP, source.packed, destination.packed)
    return _IPV6_HEADER.pack(*header) + message


def _checksum(message: bytes) -> int:
    """The internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
