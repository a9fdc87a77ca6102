"""Sending the trials and hearing what comes back, on packet sockets (packet(7)).

Neither way passes through the router's own IP: on the active router a virtual address is the machine's own,
and its kernel would neither send there nor believe what comes from there. So nothing is added to its tables
(IPVS, conntrack, neighbours), and no rule of a firewall is in the way. Works in the network namespace of the
calling thread; needs CAP_NET_RAW.
"""

from __future__ import annotations

import errno
import fcntl
import secrets
import select
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final

from lvs.config.model import Address
from lvs.errors import KernelError
from lvs.router.examination.packets import ICMP, ICMPV6, TCP, answer
from lvs.router.examination.subject import Heard, Place
from lvs.router.examination.trials import Name, Trial
from lvs.router.frames import IPV6
from lvs.router.neighbours import FOR_US, LONGEST_FRAME, listen

IPV4: Final = 0x0800  # ETH_P_IP
SECONDS: Final = 1.0  # in which an answer counts
AGAIN: Final = (0.3, 0.6)  # when those that are not answered are sent once more
ENOUGH: Final = 0.45  # seconds, once only those are silent that most often are
MOST_SILENT: Final = frozenset({Name.FOREIGN, Name.OUTSIDE, Name.ECHO_VIRTUAL, Name.OWN})
SIOCGIFMTU: Final = 0x8921  # include/uapi/linux/sockios.h
FIRST_PORT: Final = 33000  # for addresses that are not this machine's

_BYTE, _HALF, _EQUAL, _RETURN = 0x30, 0x28, 0x15, 0x06
_Instruction = tuple[int, int, int, int]
_NO, _YES = (_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFF)


def mtu(interface: str) -> int:
    """The MTU of an interface in bytes; raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asker:
        told = fcntl.ioctl(asker, SIOCGIFMTU, struct.pack("16s24x", interface.encode()))
    return int(struct.unpack_from("=i", told, 16)[0])


class Wire:
    """Used in a `with`; what `reserve` gave is this process' until its end."""

    def __init__(self, place: Place) -> None:
        """Raises KernelError when this process may not send."""
        self._place = place
        self._opened = ExitStack()
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        try:  # one for all: to close one takes the kernel some 10 ms (`lvs.router.announce`)
            self._sender = self._opened.enter_context(socket.socket(socket.AF_PACKET, kind, 0))
        except OSError as error:
            reason = f"{error.strerror}: pulse needs to run as root or with CAP_NET_RAW"
            raise KernelError("send packets to a real server", reason) from error

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def reserve(self, protocol: int, address: Address) -> int:
        """A port of this machine's that nobody else gets: bound, and so deaf to what comes for it."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM
        opened = self._opened.enter_context(socket.socket(family, kind | socket.SOCK_CLOEXEC))
        index = socket.if_nametoindex(self._place.interface) if address.is_link_local else 0
        try:
            opened.bind((str(address), 0) if address.version == 4 else (str(address), 0, 0, index))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise KernelError(f"reserve a port at {address}", error.strerror or str(error)) from error
            return FIRST_PORT + secrets.randbelow(27000)
        return int(opened.getsockname()[1])

    def try_out(self, trials: Sequence[Trial]) -> dict[Trial, Heard]:
        """Sends all of them and waits for the answers, `SECONDS` at most; KernelError when it may not."""
        heard: dict[Trial, Heard] = {}
        with ExitStack() as opened:
            versions = {4: IPV4, 6: IPV6}
            listeners = [
                opened.enter_context(listen(number, _program(version, trials)))
                for version, number in versions.items()
            ]
            begun = time.monotonic()
            self._send(trials)
            again = list(AGAIN)
            while (passed := time.monotonic() - begun) < SECONDS and not _is_enough(trials, heard, passed):
                if again and passed >= again[0]:
                    again.pop(0)
                    self._send(trial for trial in trials if trial not in heard)
                wait = min(max(0.0, (*again, SECONDS)[0] - passed), 0.05)
                for ready in select.select(listeners, [], [], wait)[0]:
                    _read(ready, trials, heard, begun)
        return heard

    def part(self, trials: Iterable[Trial]) -> None:
        """Ends what was begun with each, answered or not."""
        for trial in trials:
            if trial.farewell is not None:
                self._send_one(trial.farewell)

    def _send(self, trials: Iterable[Trial]) -> None:
        for trial in trials:
            self._send_one(trial.packet)

    def _send_one(self, packet: bytes) -> None:
        protocol = IPV6 if packet[0] >> 4 == 6 else IPV4
        place = self._place
        try:
            self._sender.sendto(packet, (place.interface, protocol, 0, 0, place.hop))
        except OSError as error:
            # A queue that is full and a packet that is too long meet silence as any other that is lost.
            if error.errno not in (errno.ENOBUFS, errno.EMSGSIZE):
                raise KernelError(f"send on {place.interface}", error.strerror or str(error)) from error


def _is_enough(trials: Sequence[Trial], heard: dict[Trial, Heard], passed: float) -> bool:
    silent = [trial.name for trial in trials if trial not in heard]
    return not silent or (passed > ENOUGH and MOST_SILENT.issuperset(silent))


def _read(listener: socket.socket, trials: Sequence[Trial], heard: dict[Trial, Heard], begun: float) -> None:
    with suppress(BlockingIOError):
        while True:
            packet, (interface, _, _, _, mac) = listener.recvfrom(LONGEST_FRAME)
            said = answer(packet)
            if said is None:
                continue
            trial = next((one for one in trials if said.flow in one.flows and one not in heard), None)
            if trial is not None:
                heard[trial] = Heard(said, interface, mac, time.monotonic() - begun)


def _program(version: int, trials: Sequence[Trial]) -> tuple[_Instruction, ...]:
    """Lets through what may answer one of them: a busy router has much else.

    By the port that it is for, or, of ICMP, by the type, and an echo's identifier; IPv4 options: not heard.
    """
    own = {flow.ports[0] for trial in trials for flow in trial.flows if any(flow.ports)}
    protocol, next_header, start, errors = (
        (ICMP, 9, 20, (3, 11)) if version == 4 else (ICMPV6, 6, 40, (1, 2, 3, 4))
    )
    icmp = ((_BYTE, 0, 0, start), *_any(errors), (_HALF, 0, 0, start + 4), *_any(sorted(own)), _NO)
    ports = ((_HALF, 0, 0, start + 2), *_any(sorted(own)), _NO)
    choice = ((_BYTE, 0, 0, next_header), (_EQUAL, 0, len(icmp), protocol))
    return (*FOR_US, _NO, *choice, *icmp, *ports)


def _any(values: Iterable[int]) -> tuple[_Instruction, ...]:
    """Lets through where what was loaded is one of the values."""
    return tuple(one for value in values for one in ((_EQUAL, 0, 1, value), _YES))
