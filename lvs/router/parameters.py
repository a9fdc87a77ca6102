"""The kernel parameters that a cluster needs set, each with its condition and its reason. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """What a configuration makes use of: the conditions in the table.

    services, nat4, nat6, persistence: its active virtual servers have them. sync: connections are copied to
    the standby.
    """

    services: bool
    nat4: bool
    nat6: bool
    persistence: bool
    sync: bool


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A kernel parameter that a cluster needs set, when, and why (a clause for the administrator)."""

    path: str
    value: str
    when: Callable[[Use], bool]
    why: str


# Only what a cluster does not work without. Left as they are on purpose:
#   net/ipv4/conf/*/rp_filter: on the router every packet of all three methods comes in where its route goes
#     out; behind a tunnel it is the real server that must not filter.
#   net/ipv4/vs/conntrack: masquerading of the real servers' own connections tracks those, not IPVS' ones, and
#     marks need no tracking; it costs packets per second (ipvs-sysctl.rst).
#   net/ipv4/vs/conn_reuse_mode: its default 1 sends a reused client port to a live server; since Linux 5.9
#     without the second of delay that made others set 0, which would undo expire_nodest_conn.
#   ip_forward for direct routing and tunnels: IPVS sends those packets itself, they are not forwarded.
SYSCTLS = (
    Sysctl(
        "net/ipv4/ip_forward",
        "1",
        lambda use: use.nat4,
        "the answers of NAT real servers pass through this router",
    ),
    Sysctl(
        "net/ipv6/conf/all/forwarding",
        "1",
        lambda use: use.nat6,
        "the answers of IPv6 NAT real servers pass through this router",
    ),
    Sysctl(
        "net/ipv4/vs/expire_nodest_conn",
        "1",
        lambda use: use.services,
        "clients of a real server that was taken out are reset at once instead of hanging",
    ),
    Sysctl(
        "net/ipv4/vs/expire_quiescent_template",
        "1",
        lambda use: use.persistence,
        "persistent clients leave a real server of weight 0 instead of coming back to it",
    ),
)
REASONS = {sysctl.path: sysctl.why for sysctl in SYSCTLS}


def wanted(use: Use) -> dict[str, str]:
    """The values to set, by path below /proc/sys."""
    return {sysctl.path: sysctl.value for sysctl in SYSCTLS if sysctl.when(use)}
