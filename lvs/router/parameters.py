"""The kernel parameters that a cluster needs set, each with its condition and its reason. Pure.

`lvs.router.parameter_table` shows them beside what a router has, with those that are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lvs.config.model import Forwarding, LvsConfig, Redundancy
from lvs.router.floating import Role


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

    @classmethod
    def of(cls, config: LvsConfig, role: Role) -> Use:
        """What this configuration makes use of on a router in this role."""
        services = nat4 = nat6 = persistence = False
        for virtual_server in config.virtual_servers:
            place = virtual_server.address
            if not virtual_server.active or not (place or virtual_server.fwmark):
                continue  # it makes no service (lvs.router.plan)
            services = True
            persistence = persistence or bool(virtual_server.persistence)
            if config.forwarding_of(virtual_server) is Forwarding.NAT:
                is_six = place is not None and place.address.version == 6
                nat4, nat6 = nat4 or not is_six, nat6 or is_six
        return cls(
            services=services,
            nat4=nat4,
            nat6=nat6,
            persistence=persistence,
            sync=copies_connections(config.redundancy),
            standby=role is Role.STANDBY,
        )


def copies_connections(redundancy: Redundancy) -> bool:
    """Whether there is a standby to copy connections to, and they are copied."""
    return redundancy.syncdaemon and redundancy.backup_active and redundancy.backup is not None


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A kernel parameter that a cluster needs set, when, and why (a clause for the administrator).

    condition: `when` in words.
    """

    path: str
    value: str
    when: Callable[[Use], bool]
    condition: str
    why: str


EXPIRE = "net/ipv4/vs/expire_nodest_conn"
COPIED = "when connections are copied to the standby"

# Only what a cluster does not work without; lvs.router.parameter_table says what is left alone, and why.
SYSCTLS = (
    Sysctl(
        "net/ipv4/ip_forward",
        "1",
        lambda use: use.nat4,
        "NAT over IPv4",
        "the answers of NAT real servers pass through this router",
    ),
    Sysctl(
        "net/ipv6/conf/all/forwarding",
        "1",
        lambda use: use.nat6,
        "NAT over IPv6",
        "the answers of IPv6 NAT real servers pass through this router",
    ),
    Sysctl(
        EXPIRE,
        "1",
        lambda use: use.services and not (use.sync and use.standby),
        "always, but on a standby that connections are copied to",
        "a client of a real server that was taken out is reset when it sends again, instead of hanging",
    ),
    # With 1 the connections go with the real server, and idle ones are never told of again. With 0 they are
    # bound to it once more when it comes back (ip_vs_trash_get_dest); those of one that is not in the table
    # are kept either way.
    Sysctl(
        EXPIRE,
        "0",
        lambda use: use.services and use.sync and use.standby,
        "on a standby that connections are copied to",
        "a check that fails on the standby alone must not cost it connections that live on",
    ),
    Sysctl(
        "net/ipv4/vs/expire_quiescent_template",
        "1",
        lambda use: use.persistence,
        "with persistence",
        "persistent clients leave a real server of weight 0 instead of coming back to it",
    ),
    # ip_vs_sync_conn_needed: with a period of 0 packets and a refresh period, a connection is told of when it
    # is established and whenever something passes and the refresh period is over.
    Sysctl(
        "net/ipv4/vs/sync_threshold",
        "0 0",
        lambda use: use.sync,
        COPIED,
        "the standby learns of a connection when it is established, not at its third packet",
    ),
    Sysctl(
        "net/ipv4/vs/sync_refresh_period",
        "8",
        lambda use: use.sync,
        COPIED,
        "a standby that was away learns of connections in use within 8 seconds",
    ),
    # A second later: an eighth of the refresh period.
    Sysctl(
        "net/ipv4/vs/sync_retries",
        "1",
        lambda use: use.sync,
        COPIED,
        "a connection is told of once more a second later, should the first message get lost",
    ),
    Sysctl(
        "net/ipv4/vs/backup_only",
        "0",
        lambda use: use.sync,
        COPIED,
        "the active router takes in connections too, and has to balance meanwhile",
    ),
)
REASONS = {(sysctl.path, sysctl.value): sysctl.why for sysctl in SYSCTLS}


def wanted(use: Use) -> dict[str, str]:
    """The values to set, by path below /proc/sys."""
    return {sysctl.path: sysctl.value for sysctl in SYSCTLS if sysctl.when(use)}
