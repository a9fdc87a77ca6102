"""Firewall marks: which one is free, and what becomes of several virtual servers that share one.

Piranha's guide gathered ports by as many virtual servers with one mark (80 and 443 in two blocks). To the
kernel they are one service (ip_vs_add_service refuses the second), so here they are made one virtual server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lvs.config.model import Comments, LvsConfig, PortRange, Protocol, RealServer, VirtualServer
from lvs.config.ports import asked_ports

MOST = 2**32 - 1  # the kernel's marks have 32 bits

# What the kernel keeps once for a service, and its name in lvs.cf: these must be equal to be joined.
SHARED = (
    ("scheduler", "scheduler"),
    ("scheduler_flags", "sched_flags"),
    ("one_packet", "one_packet"),
    ("persistence", "persistent"),
    ("persistence_mask", "pmask"),
    ("sorry_server", "sorry_server"),
)
# What a virtual server has once besides: of several, the first one's counts.
FIRST = (
    ("address_mask", "vip_nmask"),
    ("check", "the check"),
    ("timeout", "timeout"),
    ("reentry", "reentry"),
    ("failures", "failures"),
    ("load_monitor", "load_monitor"),
    ("agent_port", "agent_port"),
    ("agent_send", "agent_send"),
    ("weight_floor", "weight_floor"),
    ("weight_ceiling", "weight_ceiling"),
    ("slow_start", "slow_start"),
    ("protection", "protection"),
    ("drain_time", "drain_time"),
    ("quiesce", "quiesce_server"),
)


@dataclass(frozen=True, slots=True)
class Joining:
    """A configuration in which virtual servers of one mark were joined where they can be.

    joined: what was done, refused: what cannot be and the remedy, each a sentence.
    """

    config: LvsConfig
    joined: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def free_mark(config: LvsConfig, wished: int = 1) -> int:
    """A mark that no virtual server has, active or not: wished (usually its port), else the next free one."""
    return next(free_marks(config, [wished]))


def free_marks(config: LvsConfig, wishes: Iterable[int]) -> Iterator[int]:
    """The same for several wishes, no mark twice."""
    taken = {one.fwmark for one in config.virtual_servers}
    reached: dict[int, int] = {}
    for wished in wishes:
        mark = reached.get(wished, wished if 0 < wished <= MOST else 1)
        while mark in taken:
            mark = mark + 1 if mark < MOST else 1
        reached[wished] = mark
        taken.add(mark)
        yield mark


def joined(config: LvsConfig) -> Joining:
    """The configuration with active virtual servers that share a mark made one each, where that can be."""
    groups: dict[tuple[int, int], list[VirtualServer]] = defaultdict(list)
    for one in config.virtual_servers:
        if one.active and one.fwmark:
            groups[one.fwmark, one.address.address.version if one.address else 4].append(one)
    done, refused = [], []
    becomes: dict[int, VirtualServer | None] = {}  # by identity: names may be taken twice in an old file
    for group in groups.values():
        if len(group) < 2:
            continue
        if faults := list(_hindrances(config, group)):
            refused += faults
            continue
        one, sentence = _one(group)
        becomes |= {id(member): None for member in group} | {id(group[0]): one}
        done.append(sentence)
    kept = (becomes.get(id(one), one) for one in config.virtual_servers)
    found = replace(config, virtual_servers=tuple(one for one in kept if one is not None))
    return Joining(found, tuple(done), tuple(refused))


def _hindrances(config: LvsConfig, group: Sequence[VirtualServer]) -> Iterator[str]:
    """Why virtual servers of one mark cannot be one."""
    first = group[0]
    for other in group[1:]:
        who = f"{other.name} cannot be joined with {first.name}, whose firewall mark {first.fwmark} it has"
        if fault := _apart(config, first, other):
            yield f"{who}: {fault}"
            continue
        for one in (first, other):
            if fault := _translated(config, one):
                yield f"{who}: {fault}"


def _apart(config: LvsConfig, first: VirtualServer, other: VirtualServer) -> str:
    """What keeps two apart that are one service to the kernel, with the remedy; "": nothing."""
    own = f"give it a firewall mark of its own (fwmark = {free_mark(config, first.fwmark)} is free)"
    if first.address is None or other.address is None:
        return "one of them has no address: write address = ADDRESS DEVICE"
    if first.address.address != other.address.address:
        return f"its address is {other.address.address}, not {first.address.address}: {own}"
    if first.address.interface != other.address.interface:
        there = f"{other.address.device}, not on {first.address.device}"
        return f"its address is on {there}: write the same device in both"
    methods = config.forwarding_of(first), config.forwarding_of(other)
    if methods[0] is not methods[1]:
        return f"its network is {methods[1]}, not {methods[0]}: write the same in both, or {own}"
    for attribute, directive in SHARED:
        values = getattr(first, attribute), getattr(other, attribute)
        if values[0] != values[1]:
            there = f"its {directive} is {_words(values[1])}, that of {first.name} is {_words(values[0])}"
            return f"{there}: write the same in both, or {own}"
    return ""


def _translated(config: LvsConfig, one: VirtualServer) -> str:
    """Why a virtual server's real servers cannot keep their ports when it has several; "": they can."""
    machines = [(f"real server {real.name}", real.port) for real in one.real_servers]
    machines += [("the sorry server", one.sorry_port)] if one.sorry_server else []
    for name, port in machines:
        if port not in (None, one.port):
            return (
                f"{name} of {one.name} gets port {one.port} as its port {port}, but a service with several "
                f"ports can only keep them: have it listen on {one.port} too, or give {one.name} a firewall "
                f"mark of its own (fwmark = {free_mark(config, one.fwmark)} is free)"
            )
    return ""


def _words(value: object) -> str:
    """A directive's value as a sentence names it."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "not set"
    return "not set" if value is None else str(value)


def _one(group: Sequence[VirtualServer]) -> tuple[VirtualServer, str]:
    """The group as one virtual server, and what that means in a sentence or two."""
    first, others = group[0], group[1:]
    servers, notes = _real_servers(group)
    ports = _further_ports(group)
    one = replace(
        first,
        ports=ports,
        sorry_port=None,
        real_servers=tuple(servers),
        comments=_comments(group),
    )
    names = ", ".join(other.name for other in others)
    verb = "joins" if len(others) == 1 else "join"
    asked = ", ".join(str(each) for each in (_own(first), *ports))
    sentences = [f"{names} {verb} {first.name}: ports {asked} by firewall mark {first.fwmark}."]
    for other in others:
        lost = [words for attribute, words in FIRST if getattr(other, attribute) != getattr(first, attribute)]
        if lost:
            sentences.append(f"{first.name} decides, not {other.name}, about: {', '.join(lost)}.")
    return one, " ".join((*sentences, *notes))


def _own(one: VirtualServer) -> PortRange:
    return PortRange(one.port, one.port)


def _further_ports(group: Sequence[VirtualServer]) -> tuple[PortRange, ...]:
    """All that clients ask the group for but the first one's port, each protocol's without overlaps."""
    first = group[0]
    of: dict[Protocol, list[PortRange]] = defaultdict(list)
    for one in group:
        for protocol, ports in asked_ports(one):
            if protocol is not first.protocol or ports != _own(first):
                of[protocol].append(ports)
    return tuple(
        replace(ports, protocol=None if protocol is first.protocol else protocol)
        for protocol, ranges in of.items()
        for ports in _merged(sorted(ranges))
    )


def _merged(ranges: Sequence[PortRange]) -> Iterator[PortRange]:
    """Ascending ranges with those that overlap made one."""
    last = ranges[0]
    for ports in ranges[1:]:
        if ports.first <= last.last:
            last = PortRange(last.first, max(last.last, ports.last))
        else:
            yield last
            last = ports
    yield last


def _real_servers(group: Sequence[VirtualServer]) -> tuple[list[RealServer], list[str]]:
    """The real servers of all, without the ports that they need not name, and what is odd about them."""
    servers: dict[object, RealServer] = {}
    names: set[str] = set()
    notes = []
    for one in group:
        for real in one.real_servers:
            place = real.address if real.address is not None else (one.name, real.name)
            known = servers.get(place)
            if known is not None:
                if (known.active, known.weight) != (real.active, real.weight):
                    notes.append(f"{real.name} has another weight or state in {one.name}: the first counts.")
                continue
            name = _free_name(real.name, names)
            names.add(name)
            servers[place] = replace(real, name=name, port=None)
            if one is not group[0]:
                notes.append(f"{name} was in {one.name} only and gets all ports now.")
    return list(servers.values()), notes


def _free_name(name: str, taken: set[str]) -> str:
    """The name, with a number behind it when another machine has it."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _comments(group: Sequence[VirtualServer]) -> Comments:
    """The comments of all: those of the first in their places, the others' above the block."""
    above: list[str] = []
    kept = []
    for directive, lines in group[0].comments:
        if directive == "virtual":
            above += lines
        else:
            kept.append((directive, lines))
    for other in group[1:]:
        above += (line for _, lines in other.comments for line in lines)
    return ((("virtual", tuple(above)),) if above else ()) + tuple(kept)
