"""The connections that IPVS has open: the lines of /proc/net/ip_vs_conn, filtered and counted while read.

The kernel begins each read of that file by walking over what was read before (ip_vs_conn_array in
net/netfilter/ipvs/ip_vs_conn.c), so that a table of a million takes minutes: whoever reads says how long they
will wait, and is told how far that went. `Tally` and `parsed` are pure; `read` is the edge, in the network
namespace of the calling thread, and keeps it waiting.

A line: protocol, client, port, virtual address, port, real server, port (all in hexadecimal digits, IPv6 as
eight groups), state, seconds until it expires, and what a persistence engine adds. A client's port 0 is no
connection but an entry of persistence: where that client's next connections go. The connections by which
pulse pushed out what its router still had to tell (`lvs.router.parting`) are in the other router's table for
minutes, and nobody's: they are passed over.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from lvs.errors import RouterError
from lvs.router import sync
from lvs.router.state import Network

PLACE = "/proc/thread-self/net/ip_vs_conn"
CHUNK = 65_536
MOST_COUNTED = 100  # real servers and clients whose numbers are told; the rest is added up
MOST_CLIENTS_KEPT = 50_000  # while they are counted
FIELDS = 9  # of a line, at least
NO_TABLE = "this kernel has no IPVS, or has none loaded yet: there are no connections (modprobe ip_vs)"

End = tuple[int, int, int]  # version of the address, address, port
PUSH: End = (4, int(sync.PUSH_PLACE), sync.PORT)


@dataclass(frozen=True, slots=True)
class Connection:
    """One line. client, virtual, real: the ends; expires: seconds."""

    protocol: str
    client: End
    virtual: End
    real: End
    state: str
    expires: int

    @property
    def is_push(self) -> bool:
        """Whether pulse made it itself, of one of the two routers."""
        return self.virtual == PUSH and self.protocol == "UDP"

    @property
    def is_persistence(self) -> bool:
        """Whether it only says where a client's next connections go."""
        return self.client[2] == 0

    def row(self) -> list[str | int]:
        """For JSON: protocol, client, port, virtual address, port, real server, port, state, seconds."""
        ends = [part for end in (self.client, self.virtual, self.real) for part in (address(end), end[2])]
        return [self.protocol, *ends, self.state, self.expires]


@dataclass(frozen=True, slots=True)
class Place:
    """Ends that are meant: addresses from low to high of one version, ports, perhaps one protocol."""

    version: int
    low: int
    high: int
    first: int = 0
    last: int = 65_535
    protocol: str = ""

    @staticmethod
    def of(network: Network, first: int = 0, last: int = 65_535, protocol: str = "") -> Place:
        low, high = int(network.network_address), int(network.broadcast_address)
        return Place(network.version, low, high, first, last, protocol)

    def has(self, end: End, protocol: str) -> bool:
        version, number, port = end
        return (
            self.low <= number <= self.high
            and version == self.version
            and self.first <= port <= self.last
            and self.protocol in ("", protocol)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which connections are meant; None and "": any. An empty tuple: none at all."""

    client: tuple[Place, ...] | None = None
    virtual: tuple[Place, ...] | None = None
    real: tuple[Place, ...] | None = None
    protocol: str = ""
    state: str = ""

    def has(self, one: Connection) -> bool:
        """Whether this is one of them."""
        return (
            self.protocol in ("", one.protocol)
            and self.state in ("", one.state)
            and _any(self.client, one.client, one.protocol)
            and _any(self.virtual, one.virtual, one.protocol)
            and _any(self.real, one.real, one.protocol)
        )


def _any(places: Sequence[Place] | None, end: End, protocol: str) -> bool:
    return places is None or any(place.has(end, protocol) for place in places)


def address(end: End) -> str:
    """The address of an end as it is written."""
    return str(IPv4Address(end[1]) if end[0] == 4 else IPv6Address(end[1]))


def parsed(line: str) -> Connection | None:
    """What a line says; None: the head, or no line of this kind."""
    words = line.split()
    if len(words) < FIELDS or words[0] == "Pro":
        return None
    try:
        return Connection(
            words[0],
            _end(words[1], words[2]),
            _end(words[3], words[4]),
            _end(words[5], words[6]),
            words[7],
            int(words[8]),
        )
    except ValueError:
        return None


def _end(place: str, port: str) -> End:
    if ":" in place:
        return 6, int(place.replace(":", ""), 16), int(port, 16)
    return 4, int(place, 16), int(port, 16)


@dataclass
class Tally:
    """What came of the lines so far: what is wanted, up to limit of it whole, all of it counted."""

    wanted: Wanted
    limit: int
    looked_at: int = 0
    matched: int = 0
    persistence: int = 0
    rows: list[list[str | int]] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    real_servers: Counter[End] = field(default_factory=Counter)
    clients: Counter[End] = field(default_factory=Counter)

    def take(self, lines: Iterable[str]) -> None:
        """Some more lines."""
        for line in lines:
            one = parsed(line)
            if one is None or one.is_push:
                continue
            self.looked_at += 1
            if self.wanted.has(one):
                self._count(one)

    def _count(self, one: Connection) -> None:
        self.matched += 1
        if len(self.rows) < self.limit:
            self.rows.append(one.row())
        if one.is_persistence:
            self.persistence += 1
            return
        self.states[one.state] += 1
        self.real_servers[one.real] += 1
        client = (one.client[0], one.client[1], 0)
        if client in self.clients or len(self.clients) < MOST_CLIENTS_KEPT:
            self.clients[client] += 1

    def document(self, *, cut: bool, seconds: float) -> dict[str, Any]:
        """The answer of pulse's call `connections`; clients only where rows are asked for."""
        places = self.real_servers.most_common(MOST_COUNTED)
        clients = self.clients.most_common(MOST_COUNTED) if self.limit else []
        return {
            "connections": self.rows,
            "looked_at": self.looked_at,
            "matched": self.matched,
            "persistence": self.persistence,
            "cut": cut,
            "seconds": round(seconds, 3),
            "states": dict(self.states),
            "real_servers": [[address(end), end[2], count] for end, count in places],
            "clients": [[address(end), count] for end, count in clients],
        }


def read(wanted: Wanted, limit: int, patience: float, path: str = PLACE) -> dict[str, Any]:
    """Reads until the end, or for patience seconds. RouterError without IPVS."""
    tally = Tally(wanted, limit)
    begun = time.monotonic()
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise RouterError(NO_TABLE) from error
    cut, rest = False, b""
    try:
        # The table may be taken away while it is read: what was read of it counts.
        with suppress(ProcessLookupError):
            while chunk := os.read(opened, CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                tally.take(line.decode("ascii", "replace") for line in lines)
                if time.monotonic() - begun > patience:
                    cut = True
                    break
    finally:
        os.close(opened)
    return tally.document(cut=cut, seconds=time.monotonic() - begun)
