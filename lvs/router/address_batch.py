"""Many addresses at once, over rtnetlink (rtnetlink(7), include/uapi/linux/if_addr.h): read, added, removed.

A takeover is as long as it takes to raise its addresses: all go in one send, of which the kernel says what it
refused. What is refused is for `lvs.router.addresses` to look at one by one.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_interface

from lvs.router.genetlink import RTM_NEWADDR, Request, RouteNetlink, attribute, attributes
from lvs.router.rtnetlink import ADDRESS_HEAD as HEAD
from lvs.router.rtnetlink import IFA_ADDRESS, IFA_FLAGS, IFA_LABEL, IFA_LOCAL, RTM_DELADDR, RTM_GETADDR
from lvs.router.state import InterfaceAddress

IFA_BROADCAST, IFA_CACHEINFO = 4, 6
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
SIOCGIFFLAGS, IFF_BROADCAST = 0x8913, 0x2  # netdevice(7)
# struct ifa_cacheinfo: deprecated at once (a router's own connections never come from it), valid for ever.
DEPRECATED = struct.pack("=IIII", 0, 0xFFFFFFFF, 0, 0)
U32 = struct.Struct("=I")


def read() -> frozenset[InterfaceAddress]:
    """Every address in this network namespace, with its label where it is not the interface's name."""
    names = dict(socket.if_nameindex())
    with closing(RouteNetlink()) as netlink:
        found = netlink.dump(RTM_GETADDR, bytes(HEAD.size), partial(_address, names))
    return frozenset(each for each in found if each is not None)


def add(addresses: Sequence[InterfaceAddress], flags: int = 0) -> dict[InterfaceAddress, int]:
    """Adds these, whose interfaces exist, as `lvs.router.addresses.add` does; error numbers of the refused.

    flags: IFA_F_*, beside those that IPv6 always gets.
    """
    broadcasting = {name: _broadcasts(name) for name in {each.interface for each in addresses}}
    return _sent(
        addresses, [(RTM_NEWADDR, _new(each, broadcasting[each.interface], flags)) for each in addresses]
    )


def remove(addresses: Sequence[InterfaceAddress]) -> dict[InterfaceAddress, int]:
    """Removes exactly these, whose interfaces exist; the error numbers of the refused, also of those gone."""
    return _sent(addresses, [(RTM_DELADDR, _named(each)) for each in addresses])


def _sent(addresses: Sequence[InterfaceAddress], requests: Sequence[Request]) -> dict[InterfaceAddress, int]:
    with closing(RouteNetlink()) as netlink:
        refused = netlink.send(requests)
    return {addresses[position]: refused[position] for position in sorted(refused)}


def _named(address: InterfaceAddress) -> bytes:
    """What names an address to the kernel."""
    packed = address.address.packed
    if address.address.version == 6:
        return _head(address, socket.AF_INET6) + attribute(IFA_ADDRESS, packed)
    label = (address.label or address.interface).encode() + b"\0"
    return b"".join(
        (
            _head(address, socket.AF_INET),
            attribute(IFA_LOCAL, packed),
            attribute(IFA_ADDRESS, packed),
            attribute(IFA_LABEL, label),
        )
    )


def _new(address: InterfaceAddress, broadcasts: bool, flags: int) -> bytes:
    if address.address.version == 6:
        # A prefix of 128 bits needs no route: the local table has one.
        flags |= IFA_F_NODAD | (IFA_F_NOPREFIXROUTE if address.prefix == 128 else 0)
        return _named(address) + attribute(IFA_FLAGS, U32.pack(flags)) + attribute(IFA_CACHEINFO, DEPRECATED)
    message = _named(address) + (attribute(IFA_FLAGS, U32.pack(flags)) if flags else b"")
    if not broadcasts or address.prefix >= 31:  # RFC 3021: a /31 has no broadcast address
        return message
    network = ip_interface(f"{address.address}/{address.prefix}").network
    return message + attribute(IFA_BROADCAST, network.broadcast_address.packed)


def _head(address: InterfaceAddress, family: int) -> bytes:
    return HEAD.pack(family, address.prefix, 0, 0, socket.if_nametoindex(address.interface))


def _broadcasts(interface: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answer = fcntl.ioctl(asked, SIOCGIFFLAGS, struct.pack("16sH14x", interface.encode(), 0))
    (flags,) = struct.unpack_from("=H", answer, 16)
    return bool(flags & IFF_BROADCAST)


def _address(names: dict[int, str], buffer: bytearray, start: int, end: int) -> InterfaceAddress | None:
    """The address in a message; None when its interface came or went between the two questions."""
    family, prefix, _, _, index = HEAD.unpack_from(buffer, start)
    found = attributes(buffer, start + HEAD.size, end)
    if index not in names or family not in (socket.AF_INET, socket.AF_INET6):
        return None
    # Behind a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is always this one.
    place = found[IFA_LOCAL] if IFA_LOCAL in found else found[IFA_ADDRESS]
    if family == socket.AF_INET6:
        return InterfaceAddress(IPv6Address(bytes(buffer[place : place + 16])), prefix, names[index])
    place_of_label = found.get(IFA_LABEL)
    label = "" if place_of_label is None else _text(buffer, place_of_label)
    label = "" if label == names[index] else label
    return InterfaceAddress(IPv4Address(bytes(buffer[place : place + 4])), prefix, names[index], label)


def _text(buffer: bytearray, place: int) -> str:
    return buffer[place : buffer.index(0, place)].decode("ascii", "replace")
