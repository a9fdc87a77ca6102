"""Telling the neighbours where an address is now: gratuitous ARP and unsolicited neighbour advertisements.

A neighbour keeps the old owner's MAC for up to minutes after a takeover unless it is told. Frames are
sent on raw packet sockets (packet(7)), which needs CAP_NET_RAW, in the network namespace of the calling
thread.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from itertools import chain

from lvs.config.model import Address
from lvs.errors import KernelError
from lvs.router import sysctl
from lvs.router.addresses import NOBODYS, missing_interface, nobodys
from lvs.router.state import InterfaceAddress

ETHERNET = 1  # ARPHRD_ETHER, include/uapi/linux/if_arp.h; VLANs, bonds, bridges and veth are Ethernet too
BROADCAST = b"\xff" * 6
ALL_NODES = IPv6Address("ff02::1")
ALL_NODES_MAC = bytes.fromhex("333300000001")  # RFC 2464, 7


def announce(addresses: Iterable[InterfaceAddress]) -> tuple[str, ...]:
    """One round: for each IPv4 address an ARP request and a reply, for each IPv6 address an advertisement.

    Gives a sentence for each interface that was left out because it is not Ethernet and so has nobody to
    tell. An interface that cannot send does not keep the others from it: KernelError comes at the end,
    with all of them.
    """
    by_interface: defaultdict[str, list[Address]] = defaultdict(list)
    for address in addresses:
        _check(address)
        by_interface[address.interface].append(address.address)
    skipped, refused = [], []
    for interface, those in sorted(by_interface.items()):
        try:
            if not _send(interface, those):
                skipped.append(f"{interface} is not an Ethernet interface: nobody there keeps MAC addresses")
        except OSError as error:
            refused.append(_reason(interface, error))
        except KernelError as error:
            refused.append(error.reason)
    if refused:
        raise KernelError("announce floating addresses", "; ".join(refused))
    return tuple(skipped)


def arp_frames(address: IPv4Address, mac: bytes) -> tuple[bytes, bytes]:
    """A gratuitous ARP as request and as reply (RFC 826; RFC 5944, 4.6), Ethernet header included.

    Sender and target are the address. Some hosts heed the one form only, some the other; Linux takes a
    reply for gratuitous only if the target's hardware address is the sender's (net/ipv4/arp.c,
    arp_is_garp).
    """
    return _arp_frame(address, mac, 1, bytes(6)), _arp_frame(address, mac, 2, mac)


def advertisement_frame(address: IPv6Address, mac: bytes, *, router: bool) -> bytes:
    """An unsolicited neighbour advertisement to all nodes (RFC 4861, 4.4, 7.2.6), Ethernet header included.

    The override flag replaces what neighbours have cached. router: whether this machine forwards IPv6;
    hosts that see a router without the flag strike it off their default routers.
    """
    flags = (0x80000000 if router else 0) | 0x20000000
    option = struct.pack("!BB6s", 2, 1, mac)  # target link-layer address, one unit of 8 bytes
    unchecked = struct.pack("!BBHI16s", 136, 0, 0, flags, address.packed) + option
    pseudo_header = struct.pack("!16s16sIxxxB", address.packed, ALL_NODES.packed, len(unchecked), 58)
    message = unchecked[:2] + struct.pack("!H", _checksum(pseudo_header + unchecked)) + unchecked[4:]
    # The hop limit of 255 proves to the receiver that no router passed the packet on.
    header = struct.pack("!IHBB16s16s", 6 << 28, len(message), 58, 255, address.packed, ALL_NODES.packed)
    return ALL_NODES_MAC + mac + struct.pack("!H", 0x86DD) + header + message


def _arp_frame(address: IPv4Address, mac: bytes, operation: int, target_mac: bytes) -> bytes:
    body = struct.pack("!HHBBH", ETHERNET, 0x0800, 6, 4, operation)
    pair = mac + address.packed + target_mac + address.packed
    return BROADCAST + mac + struct.pack("!H", 0x0806) + body + pair


def _checksum(message: bytes) -> int:
    """The internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _check(address: InterfaceAddress) -> None:
    if nobodys(address.address):
        raise KernelError(f"announce {address.address} on {address.interface}", NOBODYS)


def _send(interface: str, addresses: Iterable[Address]) -> bool:
    """Sends the frames of one interface; False if it is not Ethernet."""
    # Protocol 0: this socket only sends, the kernel copies no received frame to it.
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
        packets.bind((interface, 0))
        _, _, _, kind, mac = packets.getsockname()
        if kind != ETHERNET:
            return False
        for frame in chain.from_iterable(_frames(address, mac, interface) for address in addresses):
            packets.send(frame)
    return True


def _frames(address: Address, mac: bytes, interface: str) -> tuple[bytes, ...]:
    if isinstance(address, IPv4Address):
        return arp_frames(address, mac)
    path = f"net/ipv6/conf/{interface}/forwarding"
    return (advertisement_frame(address, mac, router=sysctl.read([path])[path] != "0"),)


def _reason(interface: str, error: OSError) -> str:
    if error.errno == errno.ENODEV:
        return missing_interface(interface)
    if error.errno == errno.ENETDOWN:
        return f"{interface} is down: bring it up (ip link set {interface} up)"
    if error.errno == errno.EPERM:
        return "permission denied: pulse needs to run as root or with CAP_NET_RAW"
    return f"{interface} did not send ({error.strerror}): check the interface"
