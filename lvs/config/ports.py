"""What clients ask a virtual server for: all its ports, of all protocols."""

from __future__ import annotations

from dataclasses import replace

from lvs.config.model import PortRange, Protocol, VirtualServer

FTP, FTP_DATA = 21, 20  # RFC 959, section 5.2
UNRESERVED = 1024  # ports from here on are any program's (RFC 6335, section 6)


def asked_ports(virtual_server: VirtualServer) -> tuple[tuple[Protocol, PortRange], ...]:
    """Each range with its protocol, the virtual server's own port first; the ranges themselves name none."""
    own = PortRange(virtual_server.port, virtual_server.port)
    further = (
        (ports.protocol or virtual_server.protocol, replace(ports, protocol=None))
        for ports in virtual_server.ports
    )
    return (virtual_server.protocol, own), *further


def serves_ftp(virtual_server: VirtualServer) -> bool:
    """Whether it has the port of FTP's control connections."""
    return any(
        protocol is Protocol.TCP and ports.first <= FTP <= ports.last
        for protocol, ports in asked_ports(virtual_server)
    )


def passive_ports(virtual_server: VirtualServer) -> PortRange | None:
    """The ports for FTP's passive connections: the widest range that is not reserved, None without one."""
    ranges = [
        ports
        for protocol, ports in asked_ports(virtual_server)
        if protocol is Protocol.TCP and ports.last > ports.first and ports.last >= UNRESERVED
    ]
    if not ranges:
        return None
    widest = max(ranges, key=lambda ports: ports.last - ports.first)
    return PortRange(max(widest.first, UNRESERVED), widest.last)
