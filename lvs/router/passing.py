"""What netfilter does for virtual servers: firewall marks, and masquerade for their real servers. Pure."""

from __future__ import annotations

from lvs.config.memo import Last
from lvs.config.model import Address, Forwarding, VirtualServer
from lvs.config.ports import asked_ports
from lvs.router.state import MarkRule, Netfilter

Passing = tuple[tuple[MarkRule, ...], tuple[Address, ...]]  # for one virtual server; what to masquerade last


def passing(virtual_server: VirtualServer, forwarding: Forwarding) -> Passing:
    """What netfilter does for one virtual server: marks, and the real servers to masquerade."""
    marks: tuple[MarkRule, ...] = ()
    if virtual_server.fwmark and virtual_server.address:
        marks = tuple(
            MarkRule(virtual_server.address.address, protocol, ports, virtual_server.fwmark)
            for protocol, ports in asked_ports(virtual_server)
        )
    if forwarding is not Forwarding.NAT:
        return marks, ()
    return marks, tuple(real.address for real in virtual_server.real_servers if real.active and real.address)


@Last
def netfilter(through: tuple[Passing, ...]) -> Netfilter | None:
    """Marks and masquerade; None when there is nothing to do."""
    marks = tuple(mark for each, _ in through for mark in each)
    masquerade = tuple(address for _, each in through for address in each)
    return Netfilter(marks, masquerade) if marks or masquerade else None
