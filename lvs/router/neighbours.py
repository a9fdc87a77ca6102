"""Who on the network says that an address is theirs: listening to ARP and neighbour discovery, and asking.

What a claim proves: some machine in the same Ethernet segment (VLAN) has said just now that this address is
to be found at this MAC. It does not prove more:

- Nothing is signed. Whoever can send into the segment can claim any address.
- Linux answers an ARP question for an address of any of its interfaces, lo too, on each interface where it
  is asked (net/ipv4/arp.c, arp_process), unless arp_ignore forbids: 1 and 2 answer only on the interface that
  has the address, 8 never. So an answer may come from a real server of direct routing whose arp_ignore was
  forgotten: a fault to be told of, but not another router. For IPv6 only the interface that has the address
  answers (net/ipv6/ndisc.c, ndisc_recv_ns).
- That a kernel answers says nothing of the programs: it also answers when all of them are dead. That is what
  the question is for.

Silence proves less than a claim: a frame may be lost, a switch port may be learning. Ask more than once.

This is part of the heart, which must start fast, stay small and never wait: standard library only, no call
waits for anything but the kernel itself. Sockets work in the network namespace of the thread that made them;
they need CAP_NET_RAW.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from lvs.clock import boottime
from lvs.config.address import Address
from lvs.errors import KernelError
from lvs.router import frames

FRAMES_A_READ: Final = 128  # of each kind: a storm must not keep the heart from its other work
LONGEST_FRAME: Final = 2048  # bytes; what is behind them cannot be of interest
RECEIVE_BUFFER: Final = 1 << 20  # bytes, some 2,500 frames: answers must not drown in other machines' ARP

SO_ATTACH_FILTER: Final = 26  # include/uapi/asm-generic/socket.h
SO_RCVBUFFORCE: Final = 33
SIOCGIFHWADDR: Final = 0x8927  # include/uapi/linux/sockios.h
LINK_SCOPE_GROUP: Final = "ff02::1"

# Classic BPF (Documentation/networking/filter.rst): code, jump if true, jump if false, operand.
_BYTE, _WORD, _EQUAL, _GREATER, _RETURN = 0x30, 0x20, 0x15, 0x25, 0x06
_PACKET_TYPE = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE
_MULTICAST = 2  # the kernel's types to here are for us: host, broadcast, multicast
_Instruction = tuple[int, int, int, int]

# The kernel hands a frame of a VLAN that this machine has no interface for to the interface below, as "for
# another host" (net/core/dev.c, __netif_receive_skb_core): a claim in another segment, which is none here.
FOR_US: Final[tuple[_Instruction, ...]] = ((_BYTE, 0, 0, _PACKET_TYPE), (_GREATER, 0, 1, _MULTICAST))
_NO, _YES = (_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFF)
ARP_CLAIMS: Final[tuple[_Instruction, ...]] = (
    *FOR_US,
    _NO,
    (_WORD, 0, 0, 14),  # the sender's IPv4 address; a probe has none
    (_EQUAL, 0, 1, 0),
    _NO,
    _YES,
)
ADVERTISEMENTS: Final[tuple[_Instruction, ...]] = (
    *FOR_US,
    _NO,
    (_BYTE, 0, 0, 6),  # the next header
    (_EQUAL, 1, 0, frames.ICMPV6),
    _NO,
    (_BYTE, 0, 0, 40),  # the ICMPv6 type
    (_EQUAL, 1, 0, frames.ADVERTISEMENT),
    _NO,
    _YES,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A machine said on this interface's network that the address is at this MAC (6 bytes).

    at: when it was read, in seconds of the watch's clock.
    """

    interface: str
    address: Address
    mac: bytes
    at: float


class Watch:
    """Listens on all interfaces, those too that come later; not for several threads at once.

    Reading and asking never wait. An ARP request, reply or gratuitous announcement claims its sender's
    address, a neighbour advertisement its target's. What this machine sends itself is not heard, unless the
    network brings it back.
    """

    def __init__(self, clock: Callable[[], float] = boottime) -> None:
        """Raises KernelError when this process may not listen."""
        self._clock = clock
        self._arp = listen(frames.ARP, ARP_CLAIMS)
        try:
            self._discovery = listen(frames.IPV6, ADVERTISEMENTS)
        except BaseException:
            self._arp.close()
            raise

    def filenos(self) -> tuple[int, ...]:
        """What to wait on: readable when there may be claims to read."""
        return self._arp.fileno(), self._discovery.fileno()

    def close(self) -> None:
        self._arp.close()
        self._discovery.close()

    def read(self) -> list[Claim]:
        """The claims that have come, ARP's first, each kind in its order; at most `FRAMES_A_READ` of each.

        What was left stays for the next call: the descriptors remain readable.
        """
        at = self._clock()
        claims = []
        for listener in (self._arp, self._discovery):
            for _ in range(FRAMES_A_READ):
                try:
                    packet, (interface, _, _, _, sender) = listener.recvfrom(LONGEST_FRAME)
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno != errno.ENETDOWN:  # an interface went down: the others go on
                        raise KernelError("listen to the neighbours", error.strerror or str(error)) from error
                    continue
                said = (
                    frames.arp_sender(packet) if listener is self._arp else frames.advertised(packet, sender)
                )
                if said and interface:  # no name: it was removed meanwhile
                    claims.append(Claim(interface, said[0], said[1], at))
        return claims

    def probe(self, wanted: Iterable[tuple[str, Address]]) -> tuple[str, ...]:
        """Asks on each interface who has the address; answers come as claims. Gives what could not be asked.

        IPv4: an ARP probe, which names no sender, so that it changes nobody's cache; the answer comes to this
        machine alone. IPv6: a solicitation from the interface's link-local address, for the same reason: to
        one from ::, as the machine's duplicate address detection would ask, the owner answers to everybody,
        and an owner whose own detection is not done yet gives the address up (RFC 4862, 5.4.3). Only where
        there is no link-local address :: has to do. This machine's own kernel does not answer.
        """
        asked: dict[str, _Interface | str] = {}
        for interface, address in wanted:
            if interface not in asked:
                asked[interface] = self._look_up(interface)
            place = asked[interface]
            if isinstance(place, str):
                continue
            try:
                self._ask(place, address)
            except OSError as error:
                asked[interface] = _reason(interface, error)
        return tuple(place for place in asked.values() if isinstance(place, str))

    def _look_up(self, name: str) -> _Interface | str:
        """The interface, or why it cannot be used."""
        try:
            index = socket.if_nametoindex(name)
            answer = fcntl.ioctl(self._arp, SIOCGIFHWADDR, struct.pack("16s24x", name.encode()))
        except OSError as error:
            return _reason(name, error)
        (kind,) = struct.unpack_from("=H", answer, 16)
        if kind != frames.ETHERNET:
            return f"{name} is not an Ethernet interface: nobody there can be asked for a MAC address"
        return _Interface(name, index, answer[18:24])

    def _ask(self, interface: _Interface, address: Address) -> None:
        if isinstance(address, IPv4Address):
            question = frames.arp_probe(address, interface.mac)
            self._arp.sendto(question, _everybody(interface.name, frames.ARP, frames.BROADCAST))
            return
        question = frames.solicitation(address, _link_local(interface.index), interface.mac)
        group = frames.multicast_mac(frames.solicited_node(address))
        self._discovery.sendto(question, _everybody(interface.name, frames.IPV6, group))


@dataclass(frozen=True, slots=True)
class _Interface:
    name: str
    index: int
    mac: bytes


def _everybody(interface: str, protocol: int, mac: bytes) -> tuple[str, int, int, int, bytes]:
    """Where a packet socket sends to: struct sockaddr_ll, as Python has it."""
    return interface, protocol, 0, 0, mac


def _link_local(index: int) -> IPv6Address:
    """The address from which this machine would speak to its neighbours on an interface, or ::.

    Asked by connecting a UDP socket, which sends nothing: the kernel chooses the source (RFC 6724) among the
    addresses that passed their duplicate address detection, at once; a dump of all would grow with them.
    """
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as chooser:
        try:
            chooser.connect((LINK_SCOPE_GROUP, 9, 0, index))
        except OSError:  # no IPv6 there, or no address of its own that may be used
            return frames.NOWHERE
        source = IPv6Address(chooser.getsockname()[0].partition("%")[0])
    return source if source.is_link_local else frames.NOWHERE


def listen(protocol: int, program: tuple[_Instruction, ...]) -> socket.socket:
    """A packet socket that gets what a program lets through of a protocol's frames. Raises KernelError."""
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    try:
        opened = socket.socket(socket.AF_PACKET, kind, socket.htons(protocol))
    except OSError as error:
        raise KernelError("watch the neighbours", _may_not(error)) from error
    try:
        code = array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
        # struct sock_fprog has the program's address, so `code` must live until the kernel has copied it.
        fprog = struct.pack("@HP", len(program), code.buffer_info()[0])
        opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
        try:
            opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    except OSError as error:
        opened.close()
        raise KernelError("watch the neighbours", _may_not(error)) from error
    return opened


def _may_not(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return "permission denied: pulse needs to run as root or with CAP_NET_RAW"
    return f"the kernel refused it ({error.strerror}): it must have packet sockets (CONFIG_PACKET)"


def _reason(interface: str, error: OSError) -> str:
    if error.errno in (errno.ENODEV, errno.ENXIO, None):  # None: socket.if_nametoindex gives no number
        return f"this machine has no interface {interface}: create it, or use another one"
    if error.errno == errno.ENETDOWN:
        return f"{interface} is down: bring it up (ip link set {interface} up)"
    return f"{interface} did not send ({error.strerror}): check the interface"
