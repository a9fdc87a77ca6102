"""The kernel parameters that a cluster needs set, each with its condition and its reason. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """What a configuration makes use of: the conditions in the table.

    services, nat4, nat6, persistence: its active virtual servers have them. sync: connections are copied to
    the standby. standby: this router is it.
    """

    services: bool
    nat4: bool
    nat6: bool
    persistence: bool
    sync: bool
    standby: bool


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A kernel parameter that a cluster needs set, when, and why (a clause for the administrator)."""

    path: str
    value: str
    when: Callable[[Use], bool]
    why: str


EXPIRE = "net/ipv4/vs/expire_nodest_conn"

# Only what a cluster does not work without. Left as they are on purpose:
#   net/ipv4/conf/*/rp_filter: on the router every packet of all three methods comes in where its route goes
#     out; behind a tunnel it is the real server that must not filter.
#   net/ipv4/vs/conntrack: masquerading of the real servers' own connections tracks those, not IPVS' ones, and
#     marks need no tracking; it costs packets per second (ipvs-sysctl.rst).
#   net/ipv4/vs/conn_reuse_mode: its default 1 sends a reused client port to a live server; since Linux 5.9
#     without the second of delay that made others set 0, which would undo expire_nodest_conn.
#   net/ipv4/vs/sloppy_tcp: 1 makes a connection of any packet that has none, at whatever real server is next,
#     which resets it, before a late message of the other router can say where it was.
#   net/ipv4/vs/sync_persist_mode: its default 0 tells of persistent clients' connections too.
#   net/ipv4/vs/sync_sock_size, sync_qlen_max: the kernel's own choice lost nothing in bursts of thousands.
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
        EXPIRE,
        "1",
        lambda use: use.services and not (use.sync and use.standby),
        "clients of a real server that was taken out are reset at once instead of hanging",
    ),
    # With 1 the connections go with the real server, and idle ones are never told of again. With 0 they are
    # bound to it once more when it comes back (ip_vs_trash_get_dest); those of one that is not in the table
    # are kept either way.
    Sysctl(
        EXPIRE,
        "0",
        lambda use: use.services and use.sync and use.standby,
        "a check that fails on the standby alone must not cost it connections that live on",
    ),
    Sysctl(
        "net/ipv4/vs/expire_quiescent_template",
        "1",
        lambda use: use.persistence,
        "persistent clients leave a real server of weight 0 instead of coming back to it",
    ),
    # ip_vs_sync_conn_needed: with a period of 0 packets and a refresh period, a connection is told of when it
    # is established and whenever something passes and the refresh period is over.
    Sysctl(
        "net/ipv4/vs/sync_threshold",
        "0 0",
        lambda use: use.sync,
        "the standby learns of a connection when it is established, not at its third packet",
    ),
    Sysctl(
        "net/ipv4/vs/sync_refresh_period",
        "8",
        lambda use: use.sync,
        "a standby that was away learns of connections in use within 8 seconds",
    ),
    # A second later: an eighth of the refresh period.
    Sysctl(
        "net/ipv4/vs/sync_retries",
        "1",
        lambda use: use.sync,
        "a connection is told of once more a second later, should the first message get lost",
    ),
    Sysctl(
        "net/ipv4/vs/backup_only",
        "0",
        lambda use: use.sync,
        "the active router takes in connections too, and has to balance meanwhile",
    ),
)
REASONS = {(sysctl.path, sysctl.value): sysctl.why for sysctl in SYSCTLS}


def wanted(use: Use) -> dict[str, str]:
    """The values to set, by path below /proc/sys."""
    return {sysctl.path: sysctl.value for sysctl in SYSCTLS if sysctl.when(use)}
