"""What an Apply does with a change of each field: in the kernel, to connections, to the real servers.

By the name of the panel's help page and of the form's field. The facts: `lvs.router.diff` (services and real
servers are changed in place as long as what names them stays the same), linux net/netfilter/ipvs/ip_vs_ctl.c
(a connection keeps its real server and its forwarding method), docs/checks.md, docs/redundancy.md.
"""

from __future__ import annotations

from collections.abc import Mapping

IN_PLACE = "Changed in the kernel's table in place; every connection stays where it is."
OTHER = (
    "Without a firewall mark this is another service to the kernel: it is made anew, and the connections of "
    "the old one are cut. With a mark only the rules that set it change."
)
RAISED = "The active router puts the address up anew so, and announces it."
CHECKED = "The next check goes by it; nothing changes for connections."
GATEWAY = (
    "The active router raises the new address and takes the old one down. NAT real servers that still use "
    "the old one as gateway answer nobody: set them up anew at the same time."
)
TIMEOUTS = "Counts for each connection from its next packet on; none is cut."
HEARTBEAT = "Both routers go by it as soon as they have it, the standby first; the active one stays active."
COPIES = (
    "The routers start their sync daemons anew so; connections that exist are copied with their next news."
)
WEIGHTS = "The weights in the table follow within a few checks; no connection is touched."

EFFECTS: Mapping[str, Mapping[str, str]] = {
    "global-settings": {
        "primary": "The routers tell by it which of them they are. Nothing moves in the kernel; an address "
        "that no router has is pointed out before.",
        "primary_private": HEARTBEAT,
        "forwarding": "New connections take the new method, and those that exist keep theirs. Real servers "
        "need what the new method asks of them before you apply.",
        "nat_router": GATEWAY,
        "nat_mask": RAISED,
        "nat_router_device": RAISED,
        "tcp_timeout": TIMEOUTS,
        "tcpfin_timeout": TIMEOUTS,
        "udp_timeout": TIMEOUTS,
        "nat_router6": GATEWAY,
        "nat_router6_device": RAISED,
        "service": "Kept in the file, for Piranha's sake; failover services are never run.",
    },
    "redundancy": {
        "backup": "The two routers look for each other there; the backup knows by it which of the two it is.",
        "backup_private": HEARTBEAT,
        "keepalive": HEARTBEAT,
        "deadtime": HEARTBEAT,
        "heartbeat_port": "The routers change over one after the other; firewalls between them must let the "
        "new port pass first.",
        "monitor_links": "From then on an active router that loses a link it needs hands over.",
        "check_gateway": "From then on it is asked; it has to answer before you set it.",
        "failback": "Goes for the next time that the primary comes back.",
        "syncdaemon": "On: the active router copies its connections from now on. Off: they stay where they "
        "are, and break at the next takeover.",
        "syncd_iface": COPIES,
        "syncd_id": COPIES,
        "syncd_group": COPIES,
        "syncd_port": COPIES,
        "syncd_ttl": COPIES,
        "syncd_maxlen": COPIES,
    },
    "virtual-server": {
        "name": "Nothing in the kernel. What was ordered by hand goes by names, and does not follow a new "
        "one.",
        "active": "On: the service is made and its address raised. Off: the service goes, its connections "
        "with it, and the address where no other virtual server has it.",
        "address": OTHER,
        "address_mask": RAISED,
        "device": RAISED,
        "port": OTHER,
        "protocol": OTHER,
        "scheduler": IN_PLACE,
        "forwarding": "New connections take the new method, and those that exist keep theirs. Its real "
        "servers need what that method asks of them before you apply.",
        "persistence": "Changed in place. A client that is remembered keeps the time it came under; the new "
        "one goes for those who come after.",
        "persistence_mask": "Changed in place; clients that come after are grouped so.",
        "timeout": CHECKED,
        "reentry": CHECKED,
        "failures": CHECKED,
        "quiesce": "Goes for the next real server that fails.",
        "sorry_server": "Serves from the next time that no real server can; if that is now, at once.",
        "sorry_port": "As its address: from the next time that it serves.",
        "fwmark": "Another mark is another service to the kernel: connections of the old one are cut. The "
        "routers change their rules themselves.",
        "ports": "The rules that set the mark change without a gap. The first further port gives the virtual "
        "server a mark, and makes it another service.",
        "scheduler_flags": IN_PLACE,
        "one_packet": IN_PLACE,
        "load_monitor": WEIGHTS,
        "agent_port": WEIGHTS,
        "agent_send": WEIGHTS,
        "weight_floor": WEIGHTS,
        "weight_ceiling": WEIGHTS,
        "slow_start": "Goes for the next real server that comes up.",
        "protection": "Counts at once, also for real servers that are out now.",
        "drain_time": "Goes for real servers that are deleted or deactivated from then on, with this Apply "
        "too.",
    },
    "real-server": {
        "name": "Nothing in the kernel. What was ordered by hand goes by names, and does not follow a new "
        "one.",
        "active": "On: it is checked, and serves as soon as its check is good. Off: it gets no new "
        "connections, and leaves with the last one or after the drain time.",
        "address": "To the kernel another real server: the new one serves as soon as its check is good, the "
        "old one drains.",
        "port": "As the address: another real server; the old one drains.",
        "weight": IN_PLACE,
        "upper_threshold": IN_PLACE,
        "lower_threshold": IN_PLACE,
    },
    "monitoring-scripts": dict.fromkeys(
        (
            "kind",
            "check_port",
            "send_program",
            "send",
            "expect",
            "use_regex",
            "http_method",
            "http_path",
            "http_host",
            "http_status",
            "body",
            "body_regex",
            "tls_verify",
            "tls_name",
            "tls_expiry",
            "dns_name",
            "dns_type",
            "record",
            "record_regex",
        ),
        CHECKED,
    ),
}
