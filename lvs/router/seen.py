"""What was seen on a router before anything is applied, and what is remarked on it: plain values.

`lvs.router.surroundings` looks, `lvs.router.preflight` judges. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lvs.config.model import Address, Protocol
from lvs.router.parameter_table import Row
from lvs.router.state import InterfaceAddress, Owned, ServiceKey, SyncDaemon


class Level(StrEnum):
    """How bad a remark is."""

    ERROR = "error"  # what the configuration is for will not work, or other machines are disturbed
    WARNING = "warning"  # some of it will not work, or not always
    NOTE = "note"  # good to know


class About(StrEnum):
    """What a remark is about."""

    MODULES = "modules"
    INTERFACES = "interfaces"
    ADDRESSES = "addresses"
    ROUTES = "routes"
    FIREWALL = "firewall"
    MANAGERS = "managers"
    LISTENERS = "listeners"
    PARAMETERS = "parameters"
    LIMITS = "limits"
    CLOCK = "clock"
    REAL_SERVER = "real server"  # of `lvs.router.examination` alone


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about this router that the configuration should not meet unsaid.

    what: the fact; why: why it matters; remedy: what to do; evidence: where it was seen. Each a sentence or
    two; evidence may be "".
    """

    level: Level
    about: About
    what: str
    why: str
    remedy: str
    evidence: str = ""

    def document(self) -> dict[str, str]:
        """Its fields as JSON has them."""
        return {
            "level": self.level.value,
            "about": self.about.value,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "evidence": self.evidence,
        }


@dataclass(frozen=True, slots=True)
class Modules:
    """What this kernel has. present: loaded or built in; loadable: as files; names with "_".

    forbidden: those that modprobe was told not to load, and the line that says so. known: whether everything
    that is built in or loadable is in these lists; without, only what is present is certain. frozen: the
    kernel takes no modules any more (kernel.modules_disabled).
    """

    present: frozenset[str] = frozenset()
    loadable: frozenset[str] = frozenset()
    forbidden: Mapping[str, str] = field(default_factory=dict)
    release: str = ""
    known: bool = False
    frozen: bool = False

    def may_be_used(self, name: str) -> bool | None:
        """Whether it is there or comes when it is asked for; None: nobody can say."""
        if name in self.present:
            return True
        if name in self.forbidden or (self.frozen and self.known):
            return False
        return name in self.loadable or (None if not self.known else False)


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface: on: switched on; carries: it can carry, which includes its carrier."""

    name: str
    on: bool
    carries: bool
    mac: bytes = b""


@dataclass(frozen=True, slots=True)
class Way:
    """Where the kernel sends what is for an address. gateway: None on the link itself."""

    interface: str
    gateway: Address | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A machine that said just now that a floating address is its own."""

    address: Address
    interface: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Process:
    """A program that runs in this network. words: its command line."""

    pid: int
    name: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits for what comes to a port; program: "" where nobody could say."""

    protocol: Protocol
    address: Address
    port: int
    program: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A line of this machine's network configuration that names an address."""

    address: Address
    place: str  # file and line


@dataclass(frozen=True, slots=True)
class Clock:
    """now: seconds since the epoch. disciplined: the kernel's word (adjtimex(2)); None: it said nothing."""

    now: float
    disciplined: bool | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """checks: how many this process may have under way; None: not asked of pulse. tracked: connections in
    nf_conntrack now; None: it is not there."""

    checks: int | None = None
    tracked: int | None = None


@dataclass(frozen=True, slots=True)
class Ipvs:
    """What is in the kernel's table; None in `Seen`: it has no IPVS now, or it may not be read."""

    services: frozenset[ServiceKey] = frozenset()
    sync: frozenset[SyncDaemon] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """A router as it was found. ways: for addresses that were asked about, None: there is no route.

    way_out: by IP version, for what is nowhere near. peers: the MACs of the other router; neighbours: whose a
    MAC is, as far as the kernel knows. rules: the ruleset as nft lists it (libnftables-json(5)), without
    pulse's own tables. old_tables: those of iptables-legacy. files: texts that were read whole, by path.
    unseen: sentences on what could not be looked at.
    """

    modules: Modules = Modules()
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    addresses: frozenset[InterfaceAddress] = frozenset()
    owned: Owned = field(default_factory=Owned)
    mentions: tuple[Mention, ...] = ()
    answered: tuple[Answered, ...] = ()
    peers: frozenset[bytes] = frozenset()
    neighbours: Mapping[bytes, Address] = field(default_factory=dict)
    ways: Mapping[Address, Way | None] = field(default_factory=dict)
    way_out: Mapping[int, Way | None] = field(default_factory=dict)
    rules: tuple[Mapping[str, Any], ...] = ()
    old_tables: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    ipvs: Ipvs | None = None
    listeners: tuple[Listener, ...] = ()
    parameters: tuple[Row, ...] = ()
    clock: Clock = Clock(0.0)
    limits: Limits = Limits()
    unseen: tuple[str, ...] = ()

    def value(self, path: str) -> str | None:
        """What was found of a parameter."""
        return next((row.found for row in self.parameters if row.path == path), None)
