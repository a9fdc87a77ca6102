"""The heart's outside: its one loop, its sockets, its clock. What it decides is in `lvs.pulse.heart.core`."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from lvs.clock import boottime
from lvs.config.address import Address
from lvs.errors import KernelError
from lvs.pulse.heart.core import Core
from lvs.pulse.heart.door import Connection, Door, message_of
from lvs.pulse.heart.log import log
from lvs.pulse.heart.messages import SOCKET, Message
from lvs.pulse.heart.pace import AT_ONCE, Pace
from lvs.pulse.heart.settings import Settings
from lvs.pulse.heart.wires import RETRY_EVERY, Wire, Wires
from lvs.pulse.heartbeat import Link
from lvs.router import links, neighbours
from lvs.router.floating import InterfaceAddress

T = TypeVar("T")


class Eyes:
    """What watches the network, where that is allowed and works."""

    def __init__(self) -> None:
        self.blind = ""  # why the network cannot be watched, in a sentence; empty: it is
        self.watch: neighbours.Watch | None = None
        self.watcher: links.Watcher | None = None

    def open(self) -> bool:
        """Whether they are open now and were not before."""
        if self.watch is not None:
            return False
        try:
            self.watcher = links.Watcher()
            self.watch = neighbours.Watch(boottime)
        except KernelError as error:
            self.close(error)
            return False
        self.blind = ""
        return True

    def close(self, error: KernelError) -> None:
        for one in (self.watch, self.watcher):
            if one is not None:
                one.close()
        self.watch = self.watcher = None
        blind = f"The heart cannot watch the network: {error}."
        if blind != self.blind:
            log("error", blind)
        self.blind = blind

    @property
    def descriptors(self) -> tuple[int, ...]:
        of_neighbours = self.watch.filenos() if self.watch else ()
        of_interfaces = (self.watcher.fileno(),) if self.watcher else ()
        return (*of_neighbours, *of_interfaces)


class Loop:
    """Waits for what happens and tells the core; follows `heart.edges.Edges`. OSError: it cannot listen."""

    def __init__(self, state: Path) -> None:
        self._selector = selectors.DefaultSelector()
        self._wires = Wires(self._wire_opened, self._wire_closing)
        self._retry_at = boottime()
        self._ended = False
        self._pace = Pace(boottime())
        self._read = False  # datagrams were read in this round
        self._eyes = Eyes()
        self._open_eyes()
        self._door = Door(state / SOCKET)
        self._register(self._door.socket, self._accept)
        self._wake, self.alarm = socket.socketpair()  # a byte in alarm for each signal
        for end in (self._wake, self.alarm):
            end.setblocking(False)
        self._register(self._wake, self._woken)
        self.core = Core(self, boottime())

    def run(self) -> None:
        """Until the core ends it."""
        while not self._ended:
            pause = min(self.core.next_at(boottime()), self._retry_at) - boottime()
            events = self._selector.select(max(pause, 0))
            begun = boottime()
            for key, _ in events:
                key.data()
            self._sweep()
            if boottime() >= self._retry_at:
                self._retry_at = boottime() + RETRY_EVERY
                self._wires.retry()
                self._open_eyes()
            self.core.tick(boottime())
            if self._read:
                self._rest(begun)

    def _rest(self, begun: float) -> None:
        """After datagrams, leaves the processor to others if it is time, but only until the next tick."""
        now, self._read = boottime(), False
        self._pace.worked(begun, now)
        rest = min(self._pace.rest(now), self.core.next_at(now) - now)
        if rest > 0:
            time.sleep(rest)

    def _register(self, what: socket.socket | int, call: Callable[[], None]) -> None:
        self._selector.register(what, selectors.EVENT_READ, call)

    def _woken(self) -> None:
        self._wake.recv(100)
        self.core.terminated(boottime())

    # pulse

    def _accept(self) -> None:
        connection = self._door.accept()
        if connection is not None:
            self._register(connection.socket, lambda: self._listen(connection))
            connection.say(self.core.hello())
            self._listen(connection)

    def _listen(self, connection: Connection) -> None:
        for line in connection.read():
            message = message_of(line)
            if message is None:
                log("warning", "a connection to the heart said what is no message, and was ended")
                connection.ended = True
                return
            if connection is not self._door.pulse and message["say"] == "settings":
                if self._door.pulse is not None:
                    self._door.pulse.ended = True
                self._door.pulse = connection
                self.core.came(boottime())
            if connection is self._door.pulse or message["say"] == "leave":
                self.core.said(boottime(), message)

    def _sweep(self) -> None:
        """Takes leave of connections that have ended, and sends the others what they did not take before."""
        for connection in tuple(self._door.connections):
            connection.flush()
            if connection.ended:
                self._selector.unregister(connection.socket)
                connection.socket.close()
                self._door.connections.remove(connection)
                if connection is self._door.pulse:
                    self._door.pulse = None
                    self.core.left(boottime())

    # The network

    def _wire_opened(self, wire: Wire, opened: socket.socket) -> None:
        self._register(opened, lambda: self._receive(wire))

    def _wire_closing(self, closing: socket.socket) -> None:
        self._selector.unregister(closing)

    def _receive(self, wire: Wire) -> None:
        begun = now = boottime()
        for datagram, from_peer in wire.read():
            self.core.received(now, wire.link, datagram, from_peer=from_peer)
            now, self._read = boottime(), True
            if now - begun >= AT_ONCE:
                break

    def _open_eyes(self) -> None:
        if self._eyes.open():
            for descriptor in self._eyes.descriptors:
                self._register(descriptor, self._look)

    def _look(self) -> None:
        """Something is to be seen, of the neighbours or of the interfaces."""
        watch, watcher, now = self._eyes.watch, self._eyes.watcher, boottime()
        if watch is None or watcher is None:
            return
        try:
            changes, claims = watcher.read(), watch.read()
        except KernelError as error:
            for descriptor in self._eyes.descriptors:
                self._selector.unregister(descriptor)
            self._eyes.close(error)
            return
        if changes:
            self.core.changed(now, changes)
        if claims:
            self.core.claimed(now, claims)

    # What the core needs (heart.edges.Edges)

    def use(self, settings: Settings) -> None:
        self._wires.use(settings)

    def send(self, link: Link, datagram: bytes) -> None:
        self._wires.send(link, datagram)

    def tell(self, message: Message) -> None:
        self._door.tell(message)

    def log(self, level: str, text: str) -> None:
        log(level, text)

    def watches(self) -> bool:
        return self._eyes.watch is not None

    def probe(self, wanted: Iterable[tuple[str, Address]]) -> None:
        if self._eyes.watch is not None:
            self._eyes.watch.probe(wanted)

    def lower(self, addresses: Iterable[InterfaceAddress]) -> tuple[str, ...]:
        return links.lower(addresses)

    def neighbour_mac(self, address: Address) -> bytes | None:
        return _or_none(lambda: links.neighbour_mac(address))

    def interface_of(self, address: Address) -> str | None:
        return _or_none(lambda: links.interface_of(address))

    def own_macs(self) -> frozenset[bytes]:
        return _or_none(links.own_macs) or frozenset()

    def carriers(self) -> Mapping[str, bool]:
        return _or_none(links.states) or {}

    def listens(self) -> bool:
        return self._wires.any_open

    def troubles(self) -> tuple[str, ...]:
        blind = (self._eyes.blind,) if self._eyes.blind else ()
        return (*self._wires.troubles(), *blind)

    def wall(self) -> float:
        return time.time()

    def new_session(self) -> int:
        return int.from_bytes(os.urandom(8), "big") or 1

    def end(self) -> None:
        self._ended = True


def _or_none(look: Callable[[], T]) -> T | None:
    """What a look at the kernel gives; None if it is refused, which the eyes tell of."""
    try:
        return look()
    except KernelError:
        return None
