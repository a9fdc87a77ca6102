"""Rules about one virtual server: itself, its real servers and its sorry server (its check: rules_check)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lvs.config.model import (
    Address,
    Forwarding,
    PortRange,
    Problem,
    Protocol,
    RealServer,
    Scheduler,
    SchedulerFlag,
    VirtualServer,
)
from lvs.config.ports import FTP, needs_ftp_helper
from lvs.config.rules_check import check_problems, weight_problems
from lvs.config.sentences import Place, error, warning

_FLAGS_OF = {
    Scheduler.SH: {SchedulerFlag.SH_FALLBACK, SchedulerFlag.SH_PORT},
    Scheduler.MH: {SchedulerFlag.MH_FALLBACK, SchedulerFlag.MH_PORT},
}


def service_problems(
    service: VirtualServer, forwarding: Forwarding, *, synchronised: bool
) -> Iterator[Problem]:
    """Every problem of one virtual server that its directives' ranges do not show.

    forwarding: the method that it uses. synchronised: whether its connections are copied to the other router.
    """
    place = ("virtual", service.name)
    yield from _presence(place, service)
    yield from _ports(place, service)
    yield from _scheduling(place, service)
    yield from _ftp(place, service, forwarding)
    yield from check_problems(place, service)
    yield from weight_problems(place, service)
    reach = _Reach(service, forwarding, synchronised)
    yield from _sorry_server(place, reach)
    yield from _real_servers(place, reach)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What decides whether a virtual server can reach a machine; the arguments of service_problems."""

    service: VirtualServer
    forwarding: Forwarding
    synchronised: bool


def _presence(place: Place, service: VirtualServer) -> Iterator[Problem]:
    if service.active:
        if service.address is None or service.address.address.is_unspecified:
            yield error(place, "address", "it is active but has no address: write address = ADDRESS DEVICE")
        if not service.real_servers:
            yield warning(place, "real_servers", "it is active but has no real servers: add one")
        elif not any(server.active for server in service.real_servers):
            yield warning(place, "real_servers", "none of its real servers is active: activate one")
    for command, value in (("start_cmd", service.start_cmd), ("stop_cmd", service.stop_cmd)):
        if value is not None:
            yield warning(
                place, command, f"{command} is for failover services and has no effect here: remove it"
            )


def _ports(place: Place, service: VirtualServer) -> Iterator[Problem]:
    reached: dict[Protocol, PortRange] = {}
    for ports in sorted(service.ports):
        protocol = ports.protocol or service.protocol
        last = reached.get(protocol)
        if last and ports.first <= last.last:
            yield error(place, "ports", f"ports {last} and {ports} overlap: name each port once")
        if protocol is service.protocol and ports.first == ports.last == service.port:
            yield error(
                place, "ports", f"ports has {service.port}, which port has already: leave it out of ports"
            )
        if last is None or ports.last > last.last:
            reached[protocol] = ports


def _scheduling(place: Place, service: VirtualServer) -> Iterator[Problem]:
    for flag in service.scheduler_flags:
        if flag not in _FLAGS_OF.get(service.scheduler, ()):
            yield error(
                place,
                "scheduler_flags",
                f"sched_flags {flag} is not for {service.scheduler}: remove it, or choose {flag[:2]}",
            )
    if service.one_packet and service.protocol is not Protocol.UDP:
        yield error(
            place, "one_packet", f"one_packet is for udp, not {service.protocol}: write one_packet = 0"
        )
    if service.persistence_mask is not None and not service.persistence:
        yield warning(
            place,
            "persistence_mask",
            "pmask has no effect without persistence: set persistent, or remove pmask",
        )


def _ftp(place: Place, service: VirtualServer, forwarding: Forwarding) -> Iterator[Problem]:
    is_ftp = (service.protocol, service.port) == (Protocol.TCP, FTP)
    if is_ftp and not service.persistence and not needs_ftp_helper(service, forwarding):
        yield warning(
            place,
            "persistence",
            "without persistence the data connections of FTP miss the real server that a client logged "
            "in to: set persistent, such as 300",
        )


def _sorry_server(place: Place, reach: _Reach) -> Iterator[Problem]:
    service = reach.service
    sorry = service.sorry_server
    if sorry is None:
        if service.sorry_port is not None:
            yield warning(
                place, "sorry_port", "sorry_port has no effect without sorry_server: set sorry_server"
            )
        return
    yield from _family(place, "sorry_server", sorry, reach)
    yield from _translation(place, "sorry_port", service.sorry_port, reach)
    port = service.sorry_port or service.port
    if any(
        server.address == sorry and (server.port or service.port) == port for server in service.real_servers
    ):
        yield warning(
            place, "sorry_server", f"{sorry} is a real server too: a sorry server is another machine"
        )


def _family(place: Place, field: str, address: Address, reach: _Reach) -> Iterator[Problem]:
    """Which addresses Linux takes for a virtual server (net/netfilter/ipvs/ip_vs_ctl.c).

    It mixes families in a tunnel only, and not while connections are synchronised (ip_vs_add_dest).
    Link-local addresses it takes only where they are the router's own (ip_vs_new_dest).
    """
    if address.version == 6 and address.is_link_local:
        yield error(
            place,
            field,
            f"{address} is a link-local address, which IPVS takes for no other machine: write one of "
            "fd00::/8, or a global one",
        )
    own = reach.service.address
    if own is None or address.version == own.address.version:
        return
    if reach.forwarding is not Forwarding.TUNNEL:
        yield error(
            place,
            field,
            f"{address} is IPv{address.version}, the virtual address is not: use one family, or tunnel",
        )
    elif reach.synchronised:
        yield error(
            place,
            field,
            f"{address} is not of the virtual address' family, which the sync daemon cannot copy: "
            "use one family, or write syncdaemon = 0",
        )


def _translation(place: Place, field: str, port: int | None, reach: _Reach) -> Iterator[Problem]:
    service, forwarding = reach.service, reach.forwarding
    if port is None:
        return
    if forwarding is not Forwarding.NAT and port != service.port:
        name = "port" if field == "port" else "sorry_port"
        yield error(
            place,
            field,
            f"{name} {port} differs from the virtual server's {service.port}, but {forwarding} cannot change "
            f"ports: remove {name}, or use nat",
        )
    elif service.ports and forwarding is Forwarding.NAT:
        yield warning(
            place, field, f"connections to all of the ports go to port {port}: to keep them, remove it"
        )


def _real_servers(place: Place, reach: _Reach) -> Iterator[Problem]:
    service = reach.service
    seen: dict[tuple[Address, int], str] = {}
    for server in service.real_servers:
        server_place = (*place, "server", server.name)
        yield from _thresholds(server_place, server)
        if server.address is not None:
            yield from _family(server_place, "address", server.address, reach)
            yield from _translation(server_place, "port", server.port, reach)
            if service.address and server.address == service.address.address:
                yield warning(server_place, "address", "it has the virtual address: write its own")
        if not server.active:
            continue
        if server.weight == 0:
            yield warning(
                server_place, "weight", "weight 0 keeps new connections away: write 1 or more to use it"
            )
        if server.address is None:
            yield error(server_place, "address", "it is active but has no address: write address = ADDRESS")
            continue
        key = (server.address, server.port or service.port)
        if key in seen:
            yield error(
                server_place, "address", f"real server {seen[key]} has the same address and port: remove one"
            )
        seen[key] = server.name


def _thresholds(place: Place, server: RealServer) -> Iterator[Problem]:
    if server.lower_threshold > server.upper_threshold:
        yield error(
            place,
            "lower_threshold",
            f"lower_threshold {server.lower_threshold} is above upper_threshold {server.upper_threshold}: "
            "write a lower one, or 0",
        )
