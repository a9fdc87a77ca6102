"""What clients ask a virtual server for: all its ports, of all protocols."""

from __future__ import annotations

from dataclasses import replace

from lvs.config.model import Forwarding, PortRange, Protocol, VirtualServer

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


def marked_ports(
    virtual_server: VirtualServer, forwarding: Forwarding
) -> tuple[tuple[Protocol, PortRange], ...]:
    """What its firewall mark is for: what clients ask; with FTP also what they answer to the data port.

    In active mode the real server connects to the client from port 20 of the virtual address, and but for NAT
    it does so past the router: of that connection the router sees the client's half alone.
    """
    asked = asked_ports(virtual_server)
    if forwarding is Forwarding.NAT or not serves_ftp(virtual_server):
        return asked
    return *asked, (Protocol.TCP, PortRange(FTP_DATA, FTP_DATA))


def needs_ftp_helper(virtual_server: VirtualServer, forwarding: Forwarding) -> bool:
    """Whether the kernel's helper (module ip_vs_ftp) is for its FTP: with NAT, without a firewall mark.

    The helper reads control connections of port 21, puts the virtual address in the place of the real
    server's own, and expects the data connection. It takes for a real server whatever address it reads there
    (net/netfilter/ipvs/ip_vs_ftp.c), so that beside it no FTP server may name the virtual address by itself
    (vsftpd's pasv_address): the data connection would go to the router. With a mark for port 21 and the
    passive ports the server must name it, and no helper is needed.
    """
    return forwarding is Forwarding.NAT and not virtual_server.fwmark and serves_ftp(virtual_server)


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
