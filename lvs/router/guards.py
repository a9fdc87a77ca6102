"""The guard of the panel's port: how it is written, and what stands against one. Pure.

The guard is netfilter's: it drops what comes to one TCP port of this machine from outside some networks
(`lvs.router.state.Guard`). Who is not to be locked out is known before it is there: whoever has a connection
to that port now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from typing import Any

from lvs.config.model import Address, LvsConfig, Protocol
from lvs.config.ports import asked_ports
from lvs.config.sentences import listed
from lvs.errors import RouterError
from lvs.router import sync
from lvs.router.parameters import copies_connections
from lvs.router.state import Guard, Network

MOST_NETWORKS = 1000
PORT = "The guard's port must be a whole number from 1 to 65535. Nothing was changed."


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection of this machine: both ends."""

    local: Address
    local_port: int
    remote: Address
    remote_port: int


def guard_of(port: object, networks: object) -> Guard | None:
    """The guard that was asked for, None for port None; RouterError says what to write instead.

    networks: as text, at most 1000.
    """
    if port is None:
        return None
    if type(port) is not int or not 1 <= port <= 65535:
        raise RouterError(PORT)
    if not isinstance(networks, list) or not all(isinstance(each, str) for each in networks):
        raise RouterError("The guard's networks must be a list of networks. Nothing was changed.")
    if len(networks) > MOST_NETWORKS:
        raise RouterError(
            f"The guard takes at most {MOST_NETWORKS} networks, and {len(networks)} were given: "
            "write larger ones. Nothing was changed."
        )
    return Guard(port, tuple(map(network_of, networks)))


def network_of(text: str) -> Network:
    """A network, or an address alone; RouterError where it is none, or has bits behind its mask."""
    if "%" in text:
        # Python takes anything behind it for a zone (RFC 4007), and it would stand so in nft's language.
        raise RouterError(f"{text!r} names a zone: write the network alone. Nothing was changed.")
    try:
        found = ip_network(text)
    except ValueError as error:
        try:
            meant = f": write {ip_network(text, strict=False)}, or the address alone"
        except ValueError:
            meant = ": write one as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7"
        raise RouterError(f"{text!r} is no network{meant}. Nothing was changed.") from error
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    if mapped is not None and found.prefixlen >= 96:
        # A program may see its IPv4 clients so (RFC 4291, section 2.5.5.2); no packet has such an address.
        as_ipv4 = f"{mapped}/{found.prefixlen - 96}"
        raise RouterError(f"{text!r} is IPv4 in IPv6's words: write {as_ipv4}. Nothing was changed.")
    return found


def document_of(guard: Guard | None) -> dict[str, Any] | None:
    """{port, networks}, as pulse's answers and its file have it."""
    return None if guard is None else {"port": guard.port, "networks": list(map(str, guard.networks))}


def read_document(document: Mapping[str, Any] | None) -> Guard | None:
    """The reverse of `document_of`; RouterError, KeyError or TypeError where it makes no sense."""
    return None if document is None else guard_of(document["port"], document["networks"])


def conflict(config: LvsConfig, guard: Guard) -> str | None:
    """Why this port of a router with that configuration is not to be guarded, in words; None: nothing is."""
    for virtual_server in config.virtual_servers:
        if virtual_server.active and any(
            protocol is Protocol.TCP and ports.first <= guard.port <= ports.last
            for protocol, ports in asked_ports(virtual_server)
        ):
            return (
                f"port {guard.port} is one of virtual server {virtual_server.name}, whose clients the guard "
                "of the panel's port would keep out"
            )
    redundancy = config.redundancy
    if redundancy.backup_active and guard.port == redundancy.heartbeat_port:
        return f"port {guard.port} is the heartbeat's"
    if copies_connections(redundancy) and guard.port == (redundancy.syncd_port or sync.PORT):
        return f"port {guard.port} takes in copies of connections"
    return None


def refuse_conflict(config: LvsConfig, guard: Guard) -> None:
    """RouterError where something stands against it."""
    reason = conflict(config, guard)
    if reason:
        raise RouterError(
            f"{reason[0].upper()}{reason[1:]}: give the panel another port. Nothing was changed."
        )


def cut(connections: Iterable[Connection], guard: Guard) -> tuple[Address, ...]:
    """Whose connections to the port the guard would cut, in order.

    What this machine says to itself comes by lo, whatever addresses it uses, and passes.
    """
    known = list(connections)
    own = {(each.local, each.local_port, each.remote, each.remote_port) for each in known}
    found = {
        each.remote
        for each in known
        if each.local_port == guard.port
        and not each.remote.is_loopback
        and (each.remote, each.remote_port, each.local, each.local_port) not in own
        and not any(each.remote in network for network in guard.networks)
    }
    return tuple(sorted(found, key=lambda address: (address.version, int(address))))


def refuse_to_cut(connections: Iterable[Connection], guard: Guard) -> None:
    """RouterError that names whose connections would be cut, and what to do."""
    lost = cut(connections, guard)
    if lost:
        has, its = ("has", "its") if len(lost) == 1 else ("have", "their")
        raise RouterError(
            f"{listed(lost)} {has} a connection to port {guard.port} now, which this guard "
            f"would cut: allow {its} network as well, have the connection closed, or ask for the guard "
            "anyway. Nothing was changed."
        )
