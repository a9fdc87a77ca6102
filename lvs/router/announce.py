"""Telling the neighbours where an address is now: gratuitous ARP and unsolicited neighbour advertisements.

A neighbour keeps the old owner's MAC for up to minutes after a takeover unless it is told. Frames are
sent on raw packet sockets (packet(7)), which needs CAP_NET_RAW, in the network namespace of the calling
thread.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address

from lvs.config.model import Address
from lvs.errors import KernelError
from lvs.router import frames, sysctl
from lvs.router.addresses import NOBODYS, missing_interface, nobodys
from lvs.router.frames import BROADCAST, ETHERNET
from lvs.router.state import InterfaceAddress

ALL_NODES = IPv6Address("ff02::1")
SEND_SECONDS = 1  # an interface whose queue stands still must not hold up the others
SIOCGIFHWADDR = 0x8927  # include/uapi/linux/sockios.h


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
    # One socket for all interfaces: to close one takes the kernel about 10 ms (packet_release waits for an
    # RCU grace period), for which the neighbours of the next interface would wait too.
    with ExitStack() as opened:
        packets = opened.enter_context(_open())
        for interface, those in sorted(by_interface.items()):
            try:
                if not _send(packets, interface, those):
                    skipped.append(
                        f"{interface} is not an Ethernet interface: nobody there keeps MAC addresses"
                    )
            except OSError as error:
                refused.append(_reason(interface, error))
                # The old one may be full of frames that do not leave.
                packets = opened.enter_context(_open())
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
    option = struct.pack("!BB6s", frames.TARGET_MAC, 1, mac)  # one unit of 8 bytes
    message = struct.pack("!BBHI16s", frames.ADVERTISEMENT, 0, 0, flags, address.packed) + option
    packet = frames.icmpv6_packet(address, ALL_NODES, message)
    return frames.multicast_mac(ALL_NODES) + mac + struct.pack("!H", frames.IPV6) + packet


def _arp_frame(address: IPv4Address, mac: bytes, operation: int, target_mac: bytes) -> bytes:
    body = struct.pack("!HHBBH", ETHERNET, 0x0800, 6, 4, operation)
    pair = mac + address.packed + target_mac + address.packed
    return BROADCAST + mac + struct.pack("!H", frames.ARP) + body + pair


def _check(address: InterfaceAddress) -> None:
    if nobodys(address.address):
        raise KernelError(f"announce {address.address} on {address.interface}", NOBODYS)


def _open() -> socket.socket:
    """A packet socket that only sends: with protocol 0 the kernel copies no received frame to it."""
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except OSError as error:
        raise KernelError("announce floating addresses", _reason("the kernel", error)) from error
    # SO_SNDTIMEO rather than settimeout(), which would cost a poll before every frame.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SEND_SECONDS, 0))
    return opened


def _send(packets: socket.socket, interface: str, addresses: Iterable[Address]) -> bool:
    """Sends the frames of one interface; False if it is not Ethernet."""
    if interface not in {name for _, name in socket.if_nameindex()}:
        raise OSError(errno.ENODEV, "no such interface")
    answer = fcntl.ioctl(packets, SIOCGIFHWADDR, struct.pack("16s24x", interface.encode()))
    (kind,) = struct.unpack_from("=H", answer, 16)
    if kind != ETHERNET:
        return False
    for frame in _frames(addresses, answer[18:24], interface):
        packets.sendto(frame, (interface, 0))
    return True


def _frames(addresses: Iterable[Address], mac: bytes, interface: str) -> Iterator[bytes]:
    router: bool | None = None  # the same for all addresses, and asked only if there is one of IPv6
    for address in addresses:
        if isinstance(address, IPv4Address):
            yield from arp_frames(address, mac)
            continue
        if router is None:
            path = f"net/ipv6/conf/{interface}/forwarding"
            router = sysctl.read([path])[path] != "0"
        yield advertisement_frame(address, mac, router=router)


def _reason(interface: str, error: OSError) -> str:
    if error.errno == errno.ENODEV:
        return missing_interface(interface)
    if error.errno == errno.ENETDOWN:
        return f"{interface} is down: bring it up (ip link set {interface} up)"
    if error.errno == errno.EPERM:
        return "permission denied: pulse needs to run as root or with CAP_NET_RAW"
    if error.errno == errno.EAGAIN:
        look = f"tc -s qdisc show dev {interface}"
        return f"{interface} has sent nothing for {SEND_SECONDS} s: check its queue ({look})"
    return f"{interface} did not send ({error.strerror}): check the interface"
