"""What a test left on the lab's machines; a process is started only where there is something to take away.

The lab is cleared after every test, and a process takes some 60 ms of User-Mode Linux.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import inside, write_sysctls
from lvs.router import address_batch, sysctl
from lvs.router.genetlink import Request, attribute
from lvs.router.parameters import EXPIRE
from lvs.router.rtnetlink import NDA_DST, Neighbour, Rtnetlink

RTM_DELNEIGH = 29  # include/uapi/linux/rtnetlink.h
KEPT = 0x40 | 0x80  # NUD_NOARP, NUD_PERMANENT: include/uapi/linux/neighbour.h
NDMSG = struct.Struct("=BxxxiHBB")
HEADINGS = 3  # lines above the services (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show)


def forget_neighbours(name: str) -> None:
    """As `ip neighbour flush all` on this machine."""
    with inside(name), Rtnetlink() as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            found = [one for one in netlink.neighbours(family) if not one.state & KEPT]
            netlink.carry_out([_deletion(family, one) for one in found])


def _deletion(family: int, neighbour: Neighbour) -> Request:
    head = NDMSG.pack(family, neighbour.index, 0, 0, 0)
    return RTM_DELNEIGH, head + attribute(NDA_DST, neighbour.address)


def clear_kernel(lab: Lab, router: str, *, nftables: bool) -> None:
    """Takes away a router's virtual servers, floating addresses and, where the kernel has them, nftables.

    Their connections go with the virtual servers, which the kernel would otherwise remember for two minutes
    (net/netfilter/ipvs/ip_vs_conn.c, ip_vs_expire_nodest_conn_flush).
    """
    if has_services(router):
        with inside(router):
            before = sysctl.read([EXPIRE])
        write_sysctls(router, {EXPIRE: "1"})
        lab.run(router, ["ipvsadm", "--clear"])
        write_sysctls(router, before)
    if nftables:
        lab.run(router, ["nft", "flush", "ruleset"])
    if has_other_addresses(router):
        lab.clear_addresses(router)


def has_services(router: str) -> bool:
    """Whether its IPVS table is not empty."""
    with inside(router):
        table = Path("/proc/thread-self/net/ip_vs")
        return table.exists() and len(table.read_text("ascii").splitlines()) > HEADINGS


def has_other_addresses(router: str) -> bool:
    """Whether it has an address that the lab did not give to it."""
    links = [link for link in network.links() if link.namespace == router]
    given = {(link.interface, address) for link in links for address in link.addresses}
    with inside(router):
        found = address_batch.read()
    interfaces = {link.interface for link in links}
    return any(
        one.interface in interfaces
        and not one.address.is_link_local
        and (one.interface, f"{one.address}/{one.prefix}") not in given
        for one in found
    )
