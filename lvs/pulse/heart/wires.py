"""The heartbeat's UDP sockets, one a link; nothing here waits."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable

from lvs.pulse.gossip import LARGEST
from lvs.pulse.heart.settings import Settings, Way
from lvs.pulse.heartbeat import SIZE, Link

DATAGRAMS_A_READ = 64  # of each link: a flood must not keep the heart from its other work
MOST = max(SIZE, LARGEST) + 1  # bytes that are read of a datagram: enough to see that it is too long
RETRY_EVERY = 1.0  # seconds between two tries to get a socket
NETWORK_CONTROL = 0xC0  # the DSCP CS6 (RFC 4594, 3.1), for switches and queues that heed it
# The own address is gone, and a socket that was bound to it is of no use any more.
_ADDRESS_GONE = (errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENODEV, errno.ENXIO)


Opened = Callable[["Wire", socket.socket], None]
Closing = Callable[[socket.socket], None]


class Wire:
    """One link: a socket bound to the own end, that sends to the other end and knows it.

    closing: called with the socket before it is closed, which may happen at any time.
    """

    def __init__(self, link: Link, way: Way, port: int, closing: Closing) -> None:
        self.link, self.way, self.port = link, way, port
        self._closing = closing
        self.trouble = ""  # why the link cannot be used, in a sentence; empty: it can
        self._socket: socket.socket | None = None
        self._peer = _place(str(way.peer), port)
        self._source = str(self._peer[0]).partition("%")[0]

    def open(self) -> socket.socket | None:
        """Tries to get the socket, if there is none; gives it if there is one now."""
        if self._socket is not None:
            return None
        opened = self._made()
        try:
            # No SO_REUSEADDR: with it, any program of this machine could bind this port as well, and would
            # get what comes in its place.
            if self.way.own.version == 4:
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, NETWORK_CONTROL)
            else:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, NETWORK_CONTROL)
            opened.bind(_place(str(self.way.own), self.port))
        except OSError as error:
            opened.close()
            self.trouble = self._why(error)
            return None
        self._socket, self.trouble = opened, ""
        return opened

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def close(self) -> None:
        if self._socket is not None:
            self._closing(self._socket)
            self._socket.close()
            self._socket = None

    def send(self, datagram: bytes) -> None:
        """To the other end; what goes wrong is in `trouble`."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(datagram, self._peer)
            self.trouble = ""
        except BlockingIOError:
            self.trouble = f"The {self._name} link does not take heartbeats: its queue is full."
        except OSError as error:
            # Without its address the link often has no route either, and the kernel complains of that.
            gone = self._missing()
            self.trouble = self._why(gone or error)
            if gone:
                self.close()

    def read(self) -> Iterable[tuple[bytes, bool]]:
        """Datagrams that have come, each with whether it is from the other end's address."""
        for _ in range(DATAGRAMS_A_READ):
            if self._socket is None:
                return
            try:
                datagram, source = self._socket.recvfrom(MOST)
            except BlockingIOError:
                return
            except OSError as error:  # the network's complaint about something that was sent
                self.trouble = self._why(error)
                continue
            yield datagram, source[0].partition("%")[0] == self._source

    def _missing(self) -> OSError | None:
        """The kernel's complaint if this machine does not have the own address any more."""
        with self._made() as trial:
            try:
                trial.bind(_place(str(self.way.own), 0))
            except OSError as error:
                return error if error.errno in _ADDRESS_GONE else None
        return None

    def _made(self) -> socket.socket:
        family = socket.AF_INET if self.way.own.version == 4 else socket.AF_INET6
        return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    @property
    def _name(self) -> str:
        return self.link.name.lower()

    def _why(self, error: OSError) -> str:
        if error.errno in _ADDRESS_GONE:
            return (
                f"The {self._name} link is not in use: this machine has no address {self.way.own}. Put it on "
                "its interface, or correct the addresses of the routers."
            )
        if error.errno == errno.EADDRINUSE:
            return (
                f"The {self._name} link is not in use: another program has port {self.port} of "
                f"{self.way.own}. End it, or choose another heartbeat port."
            )
        return (
            f"The {self._name} link does not take heartbeats ({error.strerror}): check its interface, its "
            "route and this machine's firewall."
        )


class Wires:
    """The sockets of all links; opened and closing are called as they come and go."""

    def __init__(self, opened: Opened, closing: Closing) -> None:
        self._opened, self._closing = opened, closing
        self._wires: dict[Link, Wire] = {}

    def use(self, settings: Settings) -> None:
        """Keeps what is as it was, closes and makes the rest."""
        for link, wire in tuple(self._wires.items()):
            if settings.ways.get(link) != wire.way or settings.port != wire.port:
                wire.close()
                del self._wires[link]
        for link, way in settings.ways.items():
            if link not in self._wires:
                self._wires[link] = Wire(link, way, settings.port, self._closing)
        self.retry()

    def retry(self) -> None:
        """Tries to open what is not."""
        for wire in self._wires.values():
            made = wire.open()
            if made is not None:
                self._opened(wire, made)

    def send(self, link: Link, datagram: bytes) -> None:
        if link in self._wires:
            self._wires[link].send(datagram)

    @property
    def any_open(self) -> bool:
        return any(wire.is_open for wire in self._wires.values())

    def troubles(self) -> tuple[str, ...]:
        return tuple(wire.trouble for wire in self._wires.values() if wire.trouble)


def _place(address: str, port: int) -> tuple[str, int]:
    """What a socket calls an address, with the interface's number where a link-local one names it."""
    (*_, place), *_ = socket.getaddrinfo(
        address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    )
    return place  # type: ignore[return-value]
