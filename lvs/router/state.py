"""What a router's kernel holds, as plain values: the words of plans, differences and reports.

Wanted and actual state have the same types, so that a difference is a comparison. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from lvs.config.address import host
from lvs.config.model import Address, Forwarding, PortRange, Protocol
from lvs.router.floating import InterfaceAddress as InterfaceAddress
from lvs.router.floating import Node as Node
from lvs.router.floating import Role as Role

Network = IPv4Network | IPv6Network


class Health(StrEnum):
    """What nanny found of one real server."""

    UNKNOWN = "unknown"  # no check has ended yet
    HEALTHY = "healthy"
    FAILED = "failed"


class Family(StrEnum):
    V4 = "inet"
    V6 = "inet6"


class _HashedOnce:
    """Keeps its hash: an address hashes its text, most of the time of a change at 10,000 real servers."""

    __slots__ = ("_hash",)
    _hash: int

    def _parts(self) -> tuple[int, ...]:
        raise NotImplementedError

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:  # asked for the first time
            object.__setattr__(self, "_hash", hash(self._parts()))  # its dataclass is frozen
            return self._hash


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey(_HashedOnce):
    """What names an IPVS service in the kernel: protocol, address, port; or family and firewall mark."""

    family: Family
    protocol: Protocol | None = None
    address: Address | None = None
    port: int = 0
    fwmark: int = 0

    __hash__ = _HashedOnce.__hash__  # a dataclass would make its own

    def _parts(self) -> tuple[int, ...]:
        return int(self.address) if self.address else 0, self.port, self.fwmark

    def __str__(self) -> str:
        if self.fwmark:
            return f"fwmark {self.fwmark}" + (" (IPv6)" if self.family is Family.V6 else "")
        return f"{self.protocol} {host(str(self.address))}:{self.port}"


@dataclass(frozen=True, slots=True)
class Service:
    """The settings of an IPVS service (struct ip_vs_service_user, include/uapi/linux/ip_vs.h).

    flags: the IP_VS_SVC_F_* bits without HASHED. persistence: seconds, 0 off. netmask: prefix length that
    groups clients (32 or 128: each by itself).
    """

    scheduler: str
    flags: int = 0
    persistence: int = 0
    netmask: int = 32


@dataclass(frozen=True, slots=True, order=True)
class DestinationKey(_HashedOnce):
    """What names a real server inside an IPVS service."""

    address: Address
    port: int

    __hash__ = _HashedOnce.__hash__

    def _parts(self) -> tuple[int, ...]:
        return int(self.address), self.port

    def __str__(self) -> str:
        return f"{host(self.address)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Destination:
    """The settings of a real server in the kernel's table."""

    forwarding: Forwarding
    weight: int
    upper_threshold: int = 0
    lower_threshold: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """What the kernel has counted for a service or real server (bytes, packets, connections since creation).

    active, inactive, persistent: connections now; always 0 for a service.
    """

    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    active: int = 0
    inactive: int = 0
    persistent: int = 0


@dataclass(frozen=True, slots=True, order=True)
class MarkRule:
    """Packets to these ports of this address get this firewall mark."""

    address: Address
    protocol: Protocol
    ports: PortRange
    fwmark: int


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may reach the panel's TCP port of this machine: these networks, and the machine itself.

    Networks that overlap or make up a larger one are kept as that one, IPv4 first.
    """

    port: int
    networks: tuple[Network, ...]

    def __post_init__(self) -> None:
        four = collapse_addresses(each for each in self.networks if isinstance(each, IPv4Network))
        six = collapse_addresses(each for each in self.networks if isinstance(each, IPv6Network))
        object.__setattr__(self, "networks", (*four, *six))


@dataclass(frozen=True, slots=True)
class Netfilter:
    """What the table `inet piranha` does: marks for port sets; masquerade for what NAT real servers send out;
    the guard of the panel's port.

    Kept in one order, without duplicates, overlapping port ranges of one mark joined: two values that have
    the same effect are equal, however they were put together. drift: a sentence for each thing in the table
    that somebody changed by hand; only reading a kernel gives any: such a table equals nothing wanted.
    """

    marks: tuple[MarkRule, ...] = ()
    masquerade: tuple[Address, ...] = ()  # the real servers' own addresses
    drift: tuple[str, ...] = ()
    guard: Guard | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", _joined(self.marks))
        object.__setattr__(self, "masquerade", tuple(sorted(set(self.masquerade), key=_place)))


def _place(address: Address) -> tuple[int, int]:
    """Orders addresses of both families, which do not compare with each other."""
    return address.version, int(address)


def _joined(marks: Iterable[MarkRule]) -> tuple[MarkRule, ...]:
    """The rules in order, overlapping port ranges of one address, protocol and mark made one."""
    joined: list[MarkRule] = []
    for rule in sorted(
        marks, key=lambda rule: (_place(rule.address), rule.protocol, rule.fwmark, rule.ports)
    ):
        last = joined[-1] if joined else None
        same = last and (last.address, last.protocol, last.fwmark) == (
            rule.address,
            rule.protocol,
            rule.fwmark,
        )
        if last and same and rule.ports.first <= last.ports.last:
            ports = PortRange(last.ports.first, max(last.ports.last, rule.ports.last))
            joined[-1] = replace(last, ports=ports)
        else:
            joined.append(rule)
    return tuple(
        sorted(joined, key=lambda rule: (_place(rule.address), rule.protocol, rule.ports, rule.fwmark))
    )


@dataclass(frozen=True, slots=True)
class Timeouts:
    """IPVS connection timeouts in seconds; 0: leave the kernel's value."""

    tcp: int = 0
    tcp_fin: int = 0
    udp: int = 0


class SyncState(StrEnum):
    """The two halves of the kernel's sync daemon (ip_vs_sync.c); both may run at once."""

    MASTER = "master"  # tells of this router's connections
    BACKUP = "backup"  # takes in the other router's


@dataclass(frozen=True, slots=True, order=True)
class SyncDaemon:
    """One half of the sync daemon, as the kernel has it (IPVS_DAEMON_ATTR_*, include/uapi/linux/ip_vs.h).

    maxlen: bytes of one message; 0, port 0, ttl 0 and group None when wanted: the kernel's choice.
    """

    state: SyncState
    interface: str
    syncid: int = 0
    maxlen: int = 0
    group: Address | None = None
    port: int = 0
    ttl: int = 0


@dataclass(frozen=True, slots=True)
class KernelState:
    """All that pulse looks after.

    services: the IPVS table. addresses: the floating ones when wanted, all when actual. sysctls: path below
    /proc/sys with "/" (net/ipv4/ip_forward) to value. netfilter: None when actual state has no such table.
    modules: kernel modules by name, those that must be loaded when wanted; of these, what is when actual.
    floating (only wanted): what either router of a pair may have to raise, whatever its role now: pulse's own
    on both, so that a standby takes down one that it finds and a takeover has nothing to write down first.
    """

    services: Mapping[ServiceKey, Service] = field(default_factory=dict)
    destinations: Mapping[ServiceKey, Mapping[DestinationKey, Destination]] = field(default_factory=dict)
    addresses: frozenset[InterfaceAddress] = frozenset()
    netfilter: Netfilter | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    sync: frozenset[SyncDaemon] = frozenset()
    modules: frozenset[str] = frozenset()
    floating: frozenset[InterfaceAddress] = frozenset()


@dataclass(frozen=True, slots=True)
class Owned:
    """What pulse has put into the kernel, by its own ledger: only these may it take out again."""

    services: frozenset[ServiceKey] = frozenset()
    addresses: frozenset[InterfaceAddress] = frozenset()
    sync: frozenset[SyncState] = frozenset()


class Verb(StrEnum):
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    ANNOUNCE = "announce"


class Part(StrEnum):
    """Which edge carries a change out."""

    MODULE = "module"
    SYSCTL = "sysctl"
    TIMEOUTS = "timeouts"
    SERVICE = "service"
    DESTINATION = "destination"
    NETFILTER = "netfilter"
    ADDRESS = "address"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Change:
    """One step that a kernel would take, and its sentence for the administrator.

    Exactly the attributes that part needs are set: SERVICE service_key and (unless REMOVE) service;
    DESTINATION service_key, destination_key and (unless REMOVE) destination; ADDRESS address; NETFILTER
    netfilter; MODULE module; SYSCTL sysctl (path, value); TIMEOUTS timeouts; SYNC sync.
    """

    part: Part
    verb: Verb
    text: str
    service_key: ServiceKey | None = None
    service: Service | None = None
    destination_key: DestinationKey | None = None
    destination: Destination | None = None
    address: InterfaceAddress | None = None
    netfilter: Netfilter | None = None
    sysctl: tuple[str, str] | None = None
    timeouts: Timeouts | None = None
    sync: SyncDaemon | None = None
    module: str | None = None
