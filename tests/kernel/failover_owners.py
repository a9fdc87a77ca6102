"""Who holds which floating address at what time, as the routers' kernels announce it (rtnetlink(7))."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from deploy.lab.namespaces import inside

NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22  # include/uapi/linux/rtnetlink.h
GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
IFA_ADDRESS, IFA_LOCAL = 1, 2


@dataclass(frozen=True, slots=True)
class Change:
    """A router holds an address now, or no longer. at: seconds of the monotonic clock."""

    at: float
    router: str
    address: str
    held: bool


@dataclass(frozen=True, slots=True)
class Owning:
    """The longest times, in seconds, in which both routers held one of the addresses, or neither did.

    holders: both, those that are set apart too.
    """

    both: float
    none: float
    holders: float


@dataclass(frozen=True, slots=True)
class Book:
    """What each router came to hold and to lose. left_out: those that are not looked at now."""

    changes: list[Change] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)

    def leave_out(self, router: str, held: Iterable[str]) -> None:
        self.left_out.add(router)
        self.changes.extend(Change(time.monotonic(), router, address, False) for address in sorted(held))

    def take_in(self, router: str, held: Iterable[str]) -> None:
        self.left_out.discard(router)
        self.changes.extend(Change(time.monotonic(), router, address, True) for address in sorted(held))

    def longest(self, address: str, begin: float, end: float, wanted: Callable[[int], bool]) -> float:
        """Seconds of the longest time without a break for which that holds of the number of its routers."""
        longest = running = 0.0
        for seconds, count in _counts(self.changes, address, begin, end):
            running = running + seconds if wanted(count) else 0.0
            longest = max(longest, running)
        return longest


class Owners:
    """Notes every change in a thread of its own, until closed.

    A machine that is dead holds nothing. One that is set apart holds what it has, but does not count as an
    owner.
    """

    def __init__(self, routers: Sequence[str], addresses: Iterable[str]) -> None:
        self.addresses = frozenset(addresses)
        self._owned, self._held = Book(), Book()
        self._holds: dict[str, set[str]] = {router: set() for router in routers}
        self._lock = threading.Lock()
        self._sockets = {self._open(router): router for router in routers}
        self._thread = threading.Thread(target=self._watch, name="owners", daemon=True)
        self._end, self._told = socket.socketpair()
        self._thread.start()

    def close(self) -> None:
        self._end.close()
        self._thread.join()
        for opened in (*self._sockets, self._told):
            opened.close()

    def now(self, address: str) -> set[str]:
        """The routers that hold this address."""
        with self._lock:
            return {
                router
                for router, held in self._holds.items()
                if address in held and router not in self._owned.left_out
            }

    def holds(self, router: str) -> bool:
        """Whether its kernel has any of the addresses, counted or not."""
        with self._lock:
            return bool(self._holds[router])

    def owner(self) -> str | None:
        """The one router that holds all of the addresses while the other holds none; or None."""
        found = [self.now(address) for address in self.addresses]
        return next(iter(found[0])) if len(found[0]) == 1 and all(one == found[0] for one in found) else None

    def died(self, router: str) -> None:
        """The machine is gone with all it had: its namespace may not know that yet."""
        with self._lock:
            for book in (self._owned, self._held):
                book.leave_out(router, self._holds[router])

    def revived(self, router: str) -> None:
        """The machine is back, with the addresses that its kernel has now."""
        with self._lock:
            for book in (self._owned, self._held):
                book.take_in(router, self._holds[router])

    def set_apart(self, router: str) -> None:
        """It counts as an owner no longer, whatever it holds."""
        with self._lock:
            self._owned.leave_out(router, self._holds[router])

    def count_again(self, router: str) -> None:
        """It counts as an owner of what it holds, as any other."""
        with self._lock:
            self._owned.take_in(router, self._holds[router])

    @property
    def changes(self) -> int:
        """How many changes there were."""
        return len(self._held.changes)

    def between(self, begin: float, end: float) -> Owning:
        """How it was in this time."""

        def longest(book: Book, wanted: Callable[[int], bool]) -> float:
            return max(book.longest(address, begin, end, wanted) for address in self.addresses)

        with self._lock:
            return Owning(
                both=longest(self._owned, lambda count: count > 1),
                none=longest(self._owned, lambda count: count == 0),
                holders=longest(self._held, lambda count: count > 1),
            )

    def _open(self, router: str) -> socket.socket:
        """A socket that hears of changes there, and first of all addresses that there are."""
        with inside(router):
            opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.bind((0, GROUPS))
        opened.setblocking(False)
        opened.send(struct.pack("=IHHII8x", 24, GET_ADDRESS, REQUEST_DUMP, 1, 0))
        return opened

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for opened in (*self._sockets, self._told):
                selector.register(opened, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._told in ready:
                    return
                now = (
                    time.monotonic()
                )  # of all that is there: which of two kernels was first, nobody can tell
                for opened, router in self._sockets.items():
                    with suppress(BlockingIOError):
                        while True:
                            self._note(now, router, opened.recv(1 << 16))

    def _note(self, now: float, router: str, datagram: bytes) -> None:
        with self._lock:
            for kind, address in _messages(datagram):
                held = kind == NEW_ADDRESS
                if address not in self.addresses or held == (address in self._holds[router]):
                    continue
                (self._holds[router].add if held else self._holds[router].discard)(address)
                for book in (self._owned, self._held):
                    if router not in book.left_out:
                        book.changes.append(Change(now, router, address, held))


def _messages(datagram: bytes) -> Iterator[tuple[int, str]]:
    """Kind and address of every message about an address."""
    offset = 0
    while offset + 16 <= len(datagram):
        length, kind = struct.unpack_from("=IH", datagram, offset)
        if kind in (NEW_ADDRESS, DELETE_ADDRESS):
            found: dict[int, bytes] = {}
            place, end = offset + 24, offset + length
            while place + 4 <= end:
                size, which = struct.unpack_from("=HH", datagram, place)
                found[which] = datagram[place + 4 : place + size]
                place += (size + 3) & ~3
            yield kind, str(ip_address(found.get(IFA_LOCAL) or found[IFA_ADDRESS]))
        offset += max(16, (length + 3) & ~3)


def _counts(changes: Sequence[Change], address: str, begin: float, end: float) -> Iterator[tuple[float, int]]:
    """(seconds, how many routers held the address) for one stretch of time after the other."""
    holding: set[str] = set()
    since = begin
    for change in changes:
        if change.address != address or change.at >= end:
            continue
        if change.at > since:
            yield change.at - since, len(holding)
            since = change.at
        (holding.add if change.held else holding.discard)(change.router)
    yield end - since, len(holding)
