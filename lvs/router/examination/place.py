"""Where a real server is from this router, and from which addresses it is tried. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from lvs.config.model import Address, Forwarding
from lvs.router.examination.subject import Place, Subject
from lvs.router.seen import Way
from lvs.router.state import InterfaceAddress

Network = IPv4Network | IPv6Network

# Nobody has these: RFC 5737, RFC 3849.
OUTSIDE: Mapping[int, tuple[str, ...]] = {
    4: ("192.0.2.1", "198.51.100.1", "203.0.113.1"),
    6: ("2001:db8::1",),
}


def placed(subject: Subject, way: Way, mac: bytes, mtu: int, addresses: Iterable[InterfaceAddress]) -> Place:
    """The place of a real server that is reached by that way, whose interface has this MAC and MTU.

    addresses: all of this machine.
    """
    # A floating address is the active router's: what a standby asks from there is answered to the other.
    here = [each for each in sorted(addresses, key=str) if each.address not in subject.floating]
    target, hop = subject.target, way.gateway or subject.address
    on_link = [each for each in here if each.interface == way.interface]
    source = _source(on_link, target.version, hop)
    if source is None and subject.forwarding is Forwarding.TUNNEL:
        source = next(_far(here, target.version, ()), None)
    beside = [each for each in here if each.interface != way.interface]
    beside.sort(key=lambda each: each.interface != subject.interface)  # the virtual address' network first
    networks = [_network(each) for each in on_link]
    foreign = next(_far(beside, target.version, networks), None)
    return Place(
        interface=way.interface,
        mac=mac,
        mtu=mtu,
        gateway=way.gateway,
        source=source,
        carrier=_source(on_link, subject.address.version, hop),
        foreign=foreign if _foreign_tells(subject) else None,
        outside=_outside(subject, here),
    )


def _foreign_tells(subject: Subject) -> bool:
    """Whether silence towards another network can be the real server's fault.

    NAT: its way back. Direct routing: its reverse path filter, which the kernel has for IPv4 only. What comes
    out of a tunnel is judged by that filter wherever it is from.
    """
    method = subject.forwarding
    return method is Forwarding.NAT or (method is Forwarding.DIRECT and subject.target.version == 4)


def _source(here: list[InterfaceAddress], version: int, hop: Address) -> Address | None:
    """The address that shares a network with hop, else any of the interface, a link-local one last."""
    own = [each for each in here if each.address.version == version]
    own.sort(key=lambda each: (hop not in _network(each), each.address.is_link_local))
    return own[0].address if own else None


def _far(here: Iterable[InterfaceAddress], version: int, networks: Iterable[Network]) -> Iterator[Address]:
    """Addresses that are not in these networks and may be answered from anywhere."""
    known = list(networks)
    for each in here:
        address = each.address
        narrow = address.is_link_local or address.is_loopback
        if address.version == version and not narrow and not any(address in one for one in known):
            yield address


def _outside(subject: Subject, here: list[InterfaceAddress]) -> Address | None:
    """An address of nobody's, where an answer to it can tell something.

    NAT: it comes to the active router. Else: over IPv4, an answer that comes to a router is lost, since the
    router has the source address itself.
    """
    version = subject.target.version
    tells = subject.active and (subject.forwarding is Forwarding.NAT or version == 4)
    if not tells:
        return None
    networks = [_network(each) for each in here]
    nobodys = (ip_address(one) for one in OUTSIDE[version])
    return next((one for one in nobodys if not any(one in network for network in networks)), None)


def _network(each: InterfaceAddress) -> Network:
    return ip_network(f"{each.address}/{each.prefix}", strict=False)
