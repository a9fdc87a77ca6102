"""The nftables table `inet piranha`: firewall marks for port sets, masquerade for NAT real servers (nft(8)).

The table is pulse's alone; other tables are never touched. It changes over without a gap (`exchange`). A map
says which mark a packet gets, so that the cost of a packet does not grow with the number of virtual
servers.

Marks are set in two hooks, both before IPVS looks (IPVS: input, and output at -99): prerouting for what
arrives, output for what this router itself sends to a virtual server, such as an administrator's curl.

Masquerade is for what a real server asks of the world outside. It leaves alone what goes to another real
server, which must see who asks; what stays on this machine (interface lo); and IPVS's own packets, answers
to clients included: IPVS takes them from connection tracking, without which there is no NAT
(net/netfilter/ipvs, ip_vs_notrack).
The chain exists only when somebody is masqueraded, since it switches connection tracking on for all packets.

The guard keeps all but some networks from the panel's port of this machine, behind all other filters of the
input hook.

`table` writes it, `listing` understands what the kernel lists, `counts` has what was counted, `edge` is the
way to the kernel, and `moments` has tables of a few seconds.
"""

from __future__ import annotations

from lvs.router.netfilter.edge import loadable, read, read_counted, remove, replace
from lvs.router.netfilter.moments import (
    HUSH,
    TAKEOVER,
    hold_resets,
    let_refusals_out,
    let_resets_out,
    no_refusals,
)
from lvs.router.netfilter.table import REMOVING, TABLE, replacing, text

__all__ = [
    "HUSH",
    "REMOVING",
    "TABLE",
    "TAKEOVER",
    "hold_resets",
    "let_refusals_out",
    "let_resets_out",
    "loadable",
    "no_refusals",
    "read",
    "read_counted",
    "remove",
    "replace",
    "replacing",
    "text",
]
