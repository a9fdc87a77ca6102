"""Looks at the machine before anything is applied: read-only, and in less than half a second.

Nothing is changed, no module is loaded, no program is started. The one thing that leaves the machine is a
question of ARP or neighbour discovery for each floating address that it has not got, as duplicate address
detection asks it (RFC 5227, 2.1.1). What cannot be looked at is said in `Seen.unseen`, and the rest is looked
at all the same. Works in the network namespace of the calling thread.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final, TypeVar

from lvs.config.model import Address, LvsConfig, Protocol
from lvs.config.ports import asked_ports
from lvs.errors import KernelError
from lvs.router import addresses, iptables_marks, ipvs, nft, plan, sysctl
from lvs.router import surroundings_files as files
from lvs.router.floating import InterfaceAddress, Role
from lvs.router.genetlink import CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GenericNetlink, attributes
from lvs.router.judges.network import own_pairs
from lvs.router.judges.rivals import KEEPALIVED_FILE, MANAGERS, MOVERS
from lvs.router.links import USABLE
from lvs.router.neighbours import Claim, Watch
from lvs.router.parameter_table import TIMEOUTS, table
from lvs.router.rtnetlink import IFF_UP, Rtnetlink
from lvs.router.seen import Answered, Clock, Interface, Ipvs, Limits, Modules, Seen, Way
from lvs.router.state import Owned
from lvs.router.sysctl_files import Settings
from lvs.router.ways import ways

Found = TypeVar("Found")
Pair = tuple[Address, Address]  # own address, the other router's

ANSWER_SECONDS: Final = (
    0.2  # that a neighbour has to answer; in a network segment it takes a thousandth of that
)
MOST_ASKED: Final = 256  # floating addresses that the network is asked about
MOST_WAYS: Final = 1024  # real servers whose way is looked up
# Nobody has such an address (RFC 1112, RFC 5180): what is for it goes the way of all that is nowhere near.
FAR: Final[dict[int, Address]] = {4: IPv4Address("240.0.0.1"), 6: IPv6Address("2001:2::1")}
MOST_MAPS: Final = 16  # maps of firewall marks in a table whose elements are looked at
FIREWALLS: Final = frozenset({"firewalld", "dockerd"})
OURS: Final = "piranha"  # how the names of pulse's own tables begin
TIME_ERROR: Final = 5  # adjtimex(2): nothing disciplines the clock


@dataclass(slots=True)
class _Look:
    """One look at the machine, and what could not be seen in it."""

    config: LvsConfig
    root: Path
    unseen: list[str] = field(default_factory=list)

    def at(self, what: str, look: Callable[[], Found], otherwise: Found) -> Found:
        """What look finds, or otherwise where it may not or cannot."""
        try:
            return look()
        except KernelError as error:
            self.unseen.append(f"This router's {what} could not be looked at: {error.reason}.")
        except OSError as error:
            self.unseen.append(f"This router's {what} could not be looked at: {error.strerror or error}.")
        return otherwise


def look(
    config: LvsConfig,
    role: Role,
    *,
    owned: Owned | None = None,
    checks: int | None = None,
    asks: bool = True,
    root: Path = Path("/"),
) -> Seen:
    """This machine, as far as it matters to that configuration.

    owned: what pulse's ledger has. checks: how many pulse may have under way at once. asks: whether the
    network is asked who has the floating addresses. root: where the machine's files are.
    """
    one = _Look(config, root)
    read = _reader()
    seen = replace(_seen_network(one), owned=owned or Owned())
    peers = own_pairs(seen, config) if config.redundancy.backup_active else []
    floating = plan.floating_addresses(config)
    unasked: _Question | None = None
    question = one.at("network", lambda: _Question(seen, floating, peers), unasked) if asks else None
    there = replace(_seen_programs(one, seen), files=_texts(root, (KEEPALIVED_FILE,)))
    settings = one.at("sysctl.d", lambda: files.settings(root), Settings())
    silence: tuple[tuple[Answered, ...], frozenset[bytes]] = ((), frozenset())
    answered, macs = one.at("network", question.answers, silence) if question else silence
    others = {peer for _, peer in peers}
    return replace(
        there,
        answered=answered,
        peers=macs | {mac for mac, address in seen.neighbours.items() if address in others},
        parameters=table(config, role, read, settings),
        clock=Clock(time.time(), _disciplined()),
        limits=Limits(checks, _number(read("net/netfilter/nf_conntrack_count"))),
        unseen=tuple(dict.fromkeys(one.unseen)),
    )


def look_at_marks(owned: Owned) -> Seen:
    """Only what has to do with firewall marks: rules of others, and IPVS' services."""
    one = _Look(LvsConfig(), Path("/"))
    modules = one.at("list of modules", lambda: files.modules(one.root, os.uname().release), Modules())
    nothing: Ipvs | None = None
    return Seen(
        owned=owned,
        modules=modules,
        rules=one.at("nftables rules", lambda: _rules(modules), ()),
        old_tables=one.at("iptables-legacy tables", _old_tables, ()),
        ipvs=one.at("IPVS table", _ipvs, nothing),
        unseen=tuple(one.unseen),
    )


def _seen_network(one: _Look) -> Seen:
    """Interfaces, addresses, routes."""
    config, root = one.config, one.root
    floating = {each.address for each in plan.floating_addresses(config)}
    nothing: dict[str, Interface] = {}
    nobody: dict[bytes, Address] = {}
    nowhere: dict[Address, Way | None] = {}
    unknown: dict[int, Way | None] = {}
    here: frozenset[InterfaceAddress] = frozenset()
    return Seen(
        interfaces=one.at("interfaces", _interfaces, nothing),
        addresses=one.at("addresses", lambda: addresses.read(None), here),
        neighbours=one.at("neighbours", _neighbours, nobody),
        ways=one.at("routes", lambda: ways(_real_servers(config)), nowhere),
        way_out=one.at("default routes", _ways_out, unknown),
        mentions=one.at("network configuration", lambda: files.mentions(root, floating), ()),
    )


def _seen_programs(one: _Look, seen: Seen) -> Seen:
    """The kernel's modules, its rules and tables, and other programs, besides what was seen already."""
    root, network = one.root, os.stat("/proc/thread-self/ns/net").st_ino
    modules = one.at("list of modules", lambda: files.modules(root, os.uname().release), Modules())
    names = MANAGERS | set(MOVERS) | FIREWALLS
    nothing: Ipvs | None = None
    return replace(
        seen,
        modules=modules,
        rules=one.at("nftables rules", lambda: _rules(modules), ()),
        old_tables=one.at("iptables-legacy tables", _old_tables, ()),
        processes=one.at("processes", lambda: files.processes(root, names, network), ()),
        ipvs=one.at("IPVS table", _ipvs, nothing),
        listeners=one.at(
            "sockets", lambda: files.listeners(root, Path("/proc/thread-self/net"), _ports(one.config)), ()
        ),
    )


# ---- interfaces, neighbours, routes


def _interfaces() -> dict[str, Interface]:
    with Rtnetlink() as netlink:
        return {
            link.name: Interface(link.name, bool(link.flags & IFF_UP), link.is_up, link.mac)
            for link in netlink.links()
        }


def _neighbours() -> dict[bytes, Address]:
    """Whose a MAC is, as the kernel's neighbour table has it; the link-local address last."""
    found: dict[bytes, Address] = {}
    with Rtnetlink() as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            for entry in netlink.neighbours(family):
                if entry.mac and entry.state in USABLE:
                    address = ip_address(entry.address)
                    if entry.mac not in found or found[entry.mac].is_link_local:
                        found[entry.mac] = address
    return found


class _Question:
    """Asks the network who has the floating addresses that are not here, and where the other router is.

    Asked when it is made; `answers` waits for what is still to come.
    """

    def __init__(self, seen: Seen, floating: Iterable[InterfaceAddress], peers: list[Pair]) -> None:
        """Raises KernelError when this process may not ask."""
        here = {each.address for each in seen.addresses}
        on = {name for name, each in seen.interfaces.items() if each.carries}
        self._wanted = [
            (each.interface, each.address)
            for each in sorted(floating, key=str)
            if each.address not in here and each.interface in on
        ][:MOST_ASKED]
        self._others = {peer for _, peer in peers}
        self._end = time.monotonic() + ANSWER_SECONDS
        self._watch = Watch() if self._wanted else None
        if self._watch:
            towards = [
                (each.interface, peer)
                for own, peer in peers
                for each in seen.addresses
                if each.address == own
            ]
            self._watch.probe([*self._wanted, *(place for place in towards if place[0] in on)])

    def answers(self) -> tuple[tuple[Answered, ...], frozenset[bytes]]:
        """Who answered for them, and the MACs of the other router."""
        if self._watch is None:
            return (), frozenset()
        claims: list[Claim] = []
        try:
            while (left := self._end - time.monotonic()) > 0:
                if select.select(self._watch.filenos(), (), (), left)[0]:
                    claims += self._watch.read()
            claims += self._watch.read()
        finally:
            self._watch.close()
        wanted = frozenset(self._wanted)
        answered = {
            Answered(claim.address, claim.interface, claim.mac): None
            for claim in claims
            if (claim.interface, claim.address) in wanted
        }
        return tuple(answered), frozenset(claim.mac for claim in claims if claim.address in self._others)


def _real_servers(config: LvsConfig) -> list[Address]:
    found = dict.fromkeys(
        real.address
        for each in config.virtual_servers
        if each.active
        for real in each.real_servers
        if real.active and real.address
    )
    return list(found)[:MOST_WAYS]


def _ways_out() -> dict[int, Way | None]:
    found = ways(FAR.values())
    return {version: found[address] for version, address in FAR.items()}


# ---- firewalls and IPVS


def _rules(modules: Modules) -> tuple[dict[str, Any], ...]:
    """What nftables has but for pulse's own tables, without the elements of sets; those of maps of marks."""
    if modules.known and "nf_tables" not in modules.present:
        return ()  # there are no rules, and asking would load it
    if not nft.available():
        return ()
    change = "read the nftables rules"
    hooked = {
        (chain["family"], chain["table"])
        for chain in (thing.get("chain", {}) for thing in nft.objects("list chains", change))
        if "hook" in chain and not chain["table"].startswith(OURS)
    }
    things: list[dict[str, Any]] = []
    for family, name in sorted(hooked):
        if re.fullmatch(r"[\w./-]+", name):
            things += _table(f"{family} {name}", change)
    return tuple(things)


def _table(table: str, change: str) -> list[dict[str, Any]]:
    things = nft.objects(f"list table {table}", change, terse=True)
    if iptables_marks.hides_marks(things):
        things = iptables_marks.with_marks(things, nft.text(f"list table {table}", change))
    of_marks = [thing["map"] for thing in things if thing.get("map", {}).get("map") == "mark"]
    for kept in of_marks[:MOST_MAPS]:
        listed = nft.objects(f"list map {table} {kept['name']}", change)
        kept["elem"] = next((thing["map"].get("elem", []) for thing in listed if "map" in thing), [])
    return things


def _old_tables() -> tuple[str, ...]:
    """The tables of iptables-legacy, which nft does not show."""
    names = ("ip_tables_names", "ip6_tables_names")
    found = (files.text(Path("/proc/thread-self/net") / name) or "" for name in names)
    return tuple(
        f"{program} {table}"
        for program, text in zip(("ip", "ip6"), found, strict=True)
        for table in text.split()
    )


def _ipvs() -> Ipvs | None:
    """The services and the sync daemon; only where IPVS is there, since asking for it would load it."""
    if "IPVS" not in _families():
        return None
    with ipvs.Ipvs() as opened:
        return Ipvs(frozenset(opened.table(only=()).services), opened.sync())


def _families() -> frozenset[str]:
    """The families of generic netlink that are there (genl_ctrl_ops, net/netlink/genetlink.c)."""

    def name(buffer: bytearray, start: int, end: int) -> str:
        begin = attributes(buffer, start, end)[CTRL_ATTR_FAMILY_NAME]
        return bytes(buffer[begin:end]).partition(b"\0")[0].decode()

    netlink = GenericNetlink("nlctrl", 1)
    try:
        return frozenset(netlink.dump(CTRL_CMD_GETFAMILY, b"", name))
    finally:
        netlink.close()


# ---- parameters, clock, files


def _reader() -> Callable[[str], str | None]:
    """What reads a parameter by its path below /proc/sys; IPVS' timeouts by their directives."""
    directives = [directive for directive, _ in TIMEOUTS]
    timeouts: dict[str, str] = {}
    try:
        if "IPVS" in _families():
            with ipvs.Ipvs() as opened:
                found = opened.timeouts()
            values = found.tcp, found.tcp_fin, found.udp
            timeouts = {name: str(value) for name, value in zip(directives, values, strict=True)}
    except (KernelError, OSError):
        timeouts = {}  # that IPVS may not be read is said already

    def read(path: str) -> str | None:
        if path in directives:
            return timeouts.get(path)
        try:
            return sysctl.read([path])[path]
        except KernelError:
            return None  # this kernel has no such parameter now

    return read


def _ports(config: LvsConfig) -> frozenset[tuple[Protocol, int]]:
    """The ports of all active virtual servers."""
    found = set()
    for each in config.virtual_servers:
        if each.active and each.address:
            found |= {
                (protocol, port)
                for protocol, ports in asked_ports(each)
                for port in range(ports.first, ports.last + 1)
            }
    return frozenset(found)


def _disciplined() -> bool | None:
    """Whether something keeps the clock right, by the kernel's own word."""
    timex = ctypes.create_string_buffer(512)  # struct timex, 208 bytes; its first field, modes, 0: only read
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR


def _texts(root: Path, paths: Iterable[str]) -> dict[str, str]:
    found = {}
    for path in paths:
        try:
            written = files.text(root / path[1:])
        except OSError:
            written = None  # then it counts as one that says nothing
        if written is not None:
            found[path] = written
    return found


def _number(written: str | None) -> int | None:
    return int(written) if written and written.isdigit() else None
