"""What netfilter does on a router: firewall marks for virtual servers, masquerade for their real servers, and
the guard of the panel's port. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from lvs.config.memo import Last
from lvs.config.model import Address, Forwarding, LvsConfig, VirtualServer
from lvs.config.ports import marked_ports
from lvs.router.state import Destination, DestinationKey, Guard, MarkRule, Netfilter, ServiceKey

Passing = tuple[tuple[MarkRule, ...], tuple[Address, ...]]  # for one virtual server; what to masquerade last


def passing(virtual_server: VirtualServer, forwarding: Forwarding) -> Passing:
    """What netfilter does for one virtual server: marks, and the real servers to masquerade."""
    marks: tuple[MarkRule, ...] = ()
    if virtual_server.fwmark and virtual_server.address:
        marks = tuple(
            MarkRule(virtual_server.address.address, protocol, ports, virtual_server.fwmark)
            for protocol, ports in marked_ports(virtual_server, forwarding)
        )
    if forwarding is not Forwarding.NAT:
        return marks, ()
    return marks, tuple(real.address for real in virtual_server.real_servers if real.active and real.address)


def leaving(
    departing: Mapping[tuple[ServiceKey, DestinationKey], Destination], wanted: Set[ServiceKey]
) -> Passing:
    """Masquerade for deleted NAT real servers as long as they keep connections: their way out stays as it is.

    The answers in those connections are translated by IPVS, but what such a machine asks for itself, a name
    or a database's rows, it may need for them.
    """
    addresses = (
        place.address
        for (service, place), destination in departing.items()
        if service in wanted and destination.forwarding is Forwarding.NAT
    )
    return (), tuple(addresses)


def netfilter(through: tuple[Passing, ...], guard: Guard | None = None) -> Netfilter | None:
    """Marks, masquerade and guard; None when there is nothing to do."""
    return _netfilter((through, guard))


def guarded(found: Netfilter | None, guard: Guard | None) -> Netfilter | None:
    """The table as it was found, with this guard in it; what was changed by hand there goes with that."""
    if found is None or (guard is None and found.guard is None):
        return found if guard is None else Netfilter(guard=guard)
    left = replace(found, guard=guard, drift=())
    return None if left == Netfilter() else left


def owners(config: LvsConfig, rules: Iterable[MarkRule]) -> dict[MarkRule, str]:
    """The virtual servers for which rules are there, by name; several of one mark may share a rule."""
    named: dict[tuple[Address, int], list[VirtualServer]] = {}
    for each in config.virtual_servers:
        if each.active and each.address and each.fwmark:
            named.setdefault((each.address.address, each.fwmark), []).append(each)
    found = {}
    for rule in rules:
        candidates = named.get((rule.address, rule.fwmark), [])
        asking = [each.name for each in candidates if _asks_for(each, config.forwarding_of(each), rule)]
        if asking:
            found[rule] = ", ".join(asking)
    return found


def _asks_for(virtual_server: VirtualServer, forwarding: Forwarding, rule: MarkRule) -> bool:
    return any(
        protocol is rule.protocol and rule.ports.first <= ports.first and ports.last <= rule.ports.last
        for protocol, ports in marked_ports(virtual_server, forwarding)
    )


@Last
def _netfilter(given: tuple[tuple[Passing, ...], Guard | None]) -> Netfilter | None:
    through, guard = given
    marks = tuple(mark for each, _ in through for mark in each)
    masquerade = tuple(address for _, each in through for address in each)
    return Netfilter(marks, masquerade, guard=guard) if marks or masquerade or guard else None
