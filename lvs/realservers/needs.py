"""What one real server must be set up for: its forwarding methods, their virtual addresses and ports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lvs.config.model import Address, Forwarding, LvsConfig, PortRange, Protocol, RealServer, VirtualServer
from lvs.config.ports import FTP_DATA, asked_ports, needs_ftp_helper, serves_ftp

Ports = tuple[Protocol, tuple[PortRange, ...]]  # a protocol and its ports, ascending, none twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One forwarding method of a real server, and the virtual servers (one at least) that use it so."""

    name: str
    address: Address
    forwarding: Forwarding
    virtual_servers: tuple[VirtualServer, ...]
    ftp_helper: bool  # the router has the kernel's helper for FTP by NAT, for whatever virtual server

    def way(self, word: str) -> str:
        """A way by its name: with a 6 for an IPv6 address, since a machine often has one of each."""
        return f"{word}6" if self.address.version == 6 else word

    @property
    def virtual_addresses(self) -> tuple[Address, ...]:
        """Each once, in the order of the file."""
        found = (one.address.address for one in self.virtual_servers if one.address)
        return tuple(dict.fromkeys(one for one in found if not one.is_unspecified))

    def ports_at(self, address: Address) -> tuple[Ports, ...]:
        """The ports that clients ask for at a virtual address."""
        return _gathered(
            ports
            for one in self.virtual_servers
            if one.address and one.address.address == address
            for ports in asked_ports(one)
        )

    def answering_ports(self) -> tuple[Ports, ...]:
        """The ports from which it answers: its own where it has one, else the virtual server's."""
        return _gathered(
            ports
            for one in self.virtual_servers
            for real in one.real_servers
            if real.address == self.address
            for ports in _answered(one, real.port)
        )


def needs(
    config: LvsConfig, virtual_server: VirtualServer | None, real_server: RealServer
) -> tuple[Need, ...]:
    """What the machine with real_server's address is needed for; () while it has none.

    virtual_server: only what this one needs; None: all that name the machine, active or not, since a machine
    is set up before it is put in service.
    """
    address = real_server.address
    if address is None:
        return ()
    looked_at = config.virtual_servers if virtual_server is None else (virtual_server,)
    using = [one for one in looked_at if any(real.address == address for real in one.real_servers)]
    helper = any(needs_ftp_helper(one, config.forwarding_of(one)) for one in config.virtual_servers)
    found = []
    for method in Forwarding:
        own = tuple(one for one in using if config.forwarding_of(one) is method)
        if own:
            found.append(
                Need(
                    name=real_server.name,
                    address=address,
                    forwarding=method,
                    virtual_servers=own,
                    ftp_helper=helper,
                )
            )
    return tuple(found)


def _answered(virtual_server: VirtualServer, own_port: int | None) -> Iterator[tuple[Protocol, PortRange]]:
    """From where a real server with own_port answers; FTP also from its data port (RFC 959, 3.2)."""
    if own_port is None:
        yield from asked_ports(virtual_server)
    else:
        yield from ((protocol, PortRange(own_port, own_port)) for protocol, _ in asked_ports(virtual_server))
    if own_port is None and serves_ftp(virtual_server):
        yield Protocol.TCP, PortRange(FTP_DATA, FTP_DATA)


def _gathered(pairs: Iterator[tuple[Protocol, PortRange]]) -> tuple[Ports, ...]:
    of: dict[Protocol, list[PortRange]] = {}
    for protocol, ports in pairs:
        of.setdefault(protocol, []).append(ports)
    return tuple((protocol, tuple(_merged(sorted(ranges)))) for protocol, ranges in of.items())


def _merged(ranges: list[PortRange]) -> Iterator[PortRange]:
    """Ascending ranges without overlaps: nftables refuses a set with any."""
    first, last = ranges[0].first, ranges[0].last
    for one in ranges[1:]:
        if one.first > last:
            yield PortRange(first, last)
            first = one.first
        last = max(last, one.last)
    yield PortRange(first, last)
