"""The one table of lvs.cf's directives: reader, writer, rules, JSON document and docs/lvs.cf.md all use it.

The order is the order in which the writer puts them (that of Piranha's own GUI, whose files people know).
Sources: Piranha's lvs.cf(5) and its parser's behaviour; for the kernel's limits linux
net/netfilter/ipvs/ip_vs_ctl.c, and ipvsadm(8) for persistence (31 days).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any

from lvs.config.addresses import Floating, Host, Mask, Multicast
from lvs.config.model import (
    CheckKind,
    DnsType,
    Forwarding,
    GlobalSettings,
    HealthCheck,
    HttpMethod,
    Problem,
    Protocol,
    RealServer,
    Redundancy,
    Scheduler,
    SchedulerFlag,
    Service,
    VirtualServer,
)
from lvs.config.values import Choice, Choices, Flag, Kind, Port, Ports, Seconds, Statuses, Text, Whole, Words


class Block(StrEnum):
    """Where a directive stands: GLOBAL outside of all blocks, the others as the file names them."""

    GLOBAL = "global"
    FAILOVER = "failover"
    VIRTUAL = "virtual"
    SERVER = "server"


_OWNERS: Mapping[str, type] = {
    "global_settings": GlobalSettings,
    "redundancy": Redundancy,
    "virtual": VirtualServer,
    "check": HealthCheck,
    "server": RealServer,
}


@dataclass(frozen=True, slots=True)
class Keyword:
    """One directive.

    owner: the dataclass that has the attribute ("check": the HealthCheck of a virtual server). piranha: False
    for what Piranha did not know. written: the blocks in which the writer puts it even at its default.
    ignored: why it has no effect, when it is only kept. device: for an address with a device, the name that
    the device has in the JSON document.
    """

    name: str
    attribute: str
    kind: Kind
    doc: str
    owner: str
    piranha: bool = True
    written: frozenset[Block] = frozenset()
    ignored: str = ""
    device: str = ""
    default: Any = None

    @property
    def part(self) -> str:
        """The attribute that holds the owner; "" when the block's own dataclass is the owner."""
        return self.owner if self.owner in ("global_settings", "redundancy", "check") else ""


def _default(owner: str, attribute: str) -> Any:
    return next(
        f.default_factory() if f.default is MISSING and f.default_factory is not MISSING else f.default
        for f in fields(_OWNERS[owner])
        if f.name == attribute
    )


def _keyword(owner: str, name: str, kind: Kind, doc: str, attribute: str = "", **more: Any) -> Keyword:
    attribute = attribute or name
    return Keyword(name, attribute, kind, doc, owner, default=_default(owner, attribute), **more)


def _global(name: str, kind: Kind, doc: str, attribute: str = "", **more: Any) -> Keyword:
    return _keyword("global_settings", name, kind, doc, attribute, **more)


def _redundancy(name: str, kind: Kind, doc: str, attribute: str = "", **more: Any) -> Keyword:
    return _keyword("redundancy", name, kind, doc, attribute, **more)


def _virtual(name: str, kind: Kind, doc: str, attribute: str = "", **more: Any) -> Keyword:
    return _keyword("virtual", name, kind, doc, attribute, **more)


def _check(name: str, kind: Kind, doc: str, attribute: str = "", **more: Any) -> Keyword:
    return _keyword("check", name, kind, doc, attribute, **more)


def _server(name: str, kind: Kind, doc: str, attribute: str = "", **more: Any) -> Keyword:
    return _keyword("server", name, kind, doc, attribute, **more)


INT_MAX = 2**31 - 1
MAX_PERSISTENCE = 86400 * 31  # ipvsadm(8)
_MAX_TIMEOUT = INT_MAX // 1000  # the kernel takes INT_MAX / HZ, and HZ is at most 1000
_MAX_SYNC = 65507  # a UDP datagram over IPv4; start_sync_thread of ip_vs_sync.c clamps to it
_DAY = 86400
_ONLY_FOS = "belongs to failover services, which are kept but not run"
_ALWAYS = frozenset(Block)
_IN_VIRTUAL = frozenset({Block.VIRTUAL})

GLOBAL: tuple[Keyword, ...] = (
    _global("serial_no", Whole(0, 2**63 - 1), "counts the saved changes", written=_ALWAYS),
    _global("primary", Host(), "the primary router's public address; decides which router is which"),
    _global("primary_private", Host(), "the primary router's address on the second heartbeat link"),
    _global("primary_shared", Text(), "the primary router's shared disk", ignored=_ONLY_FOS),
    _global("service", Choice(Service), "which kind of block runs", written=_ALWAYS),
    _global(
        "rsh_command",
        Text(),
        "the command that asks a real server for its load",
        ignored="was for load_monitor = uptime; the program uptime of the folder checks uses ssh",
    ),
    _redundancy("backup_active", Flag(), "whether there is a backup router", written=_ALWAYS),
    _redundancy("backup", Host(none_for_zeros=True), "the backup router's public address"),
    _redundancy("backup_private", Host(none_for_zeros=True), "its address on the second heartbeat link"),
    _global("backup_shared", Text(), "the backup router's shared disk", ignored=_ONLY_FOS),
    _redundancy("heartbeat", Flag(), "kept; heartbeats follow backup_active", written=_ALWAYS),
    _redundancy("heartbeat_port", Port(), "UDP port of the heartbeats", written=_ALWAYS),
    _redundancy("keepalive", Seconds(), "time between two heartbeats", written=_ALWAYS),
    _redundancy("deadtime", Seconds(), "silence after which the backup takes over", written=_ALWAYS),
    _redundancy(
        "failback",
        Seconds(),
        "how long the primary must be well to get its role back (0: never)",
        piranha=False,
    ),
    _redundancy(
        "check_gateway", Host(), "a machine that must answer before a router takes over", piranha=False
    ),
    _global("network", Choice(Forwarding), "forwarding method", "forwarding", written=_ALWAYS),
    _global("nat_router", Floating(), "the real servers' gateway (nat)", device="nat_router_device"),
    _global("nat_nmask", Mask(), "netmask of nat_router", "nat_mask"),
    _global(
        "nat_router6",
        Floating(),
        "the real servers' IPv6 gateway (nat)",
        piranha=False,
        device="nat_router6_device",
    ),
    _global("reservation_conflict_action", Text(), "for shared disks", ignored=_ONLY_FOS),
    _global("debug_level", Text(), "for Piranha's daemons", ignored="never had an effect"),
    _redundancy("monitor_links", Flag(), "stand down when a network link is lost", written=_ALWAYS),
    _redundancy("syncdaemon", Flag(), "copy connections to the standby router", written=_ALWAYS),
    _redundancy("syncd_iface", Text(15), "the sync daemon's network interface"),
    _redundancy("syncd_id", Whole(0, 255), "the sync daemon's number"),
    _redundancy(
        "syncd_maxlen",
        Whole(0, _MAX_SYNC, "bytes"),
        "length of its messages (0: one connection in each)",
        piranha=False,
    ),
    _redundancy("syncd_group", Multicast(), "the group that it sends to (none: 224.0.0.81)", piranha=False),
    _redundancy("syncd_port", Whole(0, 65535), "UDP port that it sends to (0: 8848)", piranha=False),
    _redundancy("syncd_ttl", Whole(0, 255), "TTL of its messages (0: 1)", piranha=False),
    _global("tcp_timeout", Whole(0, _MAX_TIMEOUT, "seconds"), "idle TCP connections (0: the kernel's)"),
    _global("tcpfin_timeout", Whole(0, _MAX_TIMEOUT, "seconds"), "closing TCP connections (0: the kernel's)"),
    _global("udp_timeout", Whole(0, _MAX_TIMEOUT, "seconds"), "idle UDP exchanges (0: the kernel's)"),
    _global(
        "active_cmd",
        Text(1024),
        "program run when this router becomes active, out of the folder commands beside lvs.cf",
    ),
    _global(
        "inactive_cmd", Text(1024), "program run when this router stops being active, out of the same folder"
    ),
    _global(
        "hard_shutdown",
        Flag(),
        "1: checks that end again and again make this router hand over; 0: only reported",
    ),
    _global("ipvsadm", Text(), "path of ipvsadm", ignored="names a program that is not used any more"),
    _global("sync", Flag(), "for Piranha's daemons", ignored="never had an effect"),
)

# What `virtual` and `failover` blocks have alike; start_cmd and stop_cmd mean something in the latter only.
VIRTUAL: tuple[Keyword, ...] = (
    _virtual("active", Flag(), "switched on by the administrator", written=_ALWAYS),
    _virtual("address", Floating(), "the virtual address and the device that carries it", device="device"),
    _virtual("sorry_server", Host(), "serves when no real server can"),
    _virtual("sorry_port", Whole(1, 65535), "its port (none: the virtual server's)", piranha=False),
    _virtual("vip_nmask", Mask(), "netmask of the virtual address", "address_mask"),
    _virtual("fwmark", Whole(0, 2**32 - 1), "firewall mark that makes the service (0: none)"),
    _virtual("port", Port(), "port of the service", written=_ALWAYS),
    _virtual("ports", Ports(), "further ports that the firewall mark gathers", piranha=False),
    _virtual("persistent", Whole(0, MAX_PERSISTENCE, "seconds"), "persistence (0: off)", "persistence"),
    _virtual("pmask", Mask(), "netmask that groups clients for persistence", "persistence_mask"),
    _check("send", Text(255, string=True), r"what to send to a real server; \n \r \t \\ are translated"),
    _check("expect", Text(1024, string=True), "what its answer must begin with; * for any answer"),
    _check("use_regex", Flag(), "expect is a regular expression, found anywhere in the answer"),
    _check(
        "send_program",
        Text(1024, string=True),
        "program of the folder checks to run in place of send; %h address, %p port",
    ),
    _check("check", Choice(CheckKind), "the kind of check", "kind", piranha=False),
    _check("check_port", Whole(1, 65535), "the port it contacts (none: the real server's)", piranha=False),
    _check("http_method", Choice(HttpMethod), "of an http or https check", piranha=False),
    _check("http_path", Text(1024, string=True), "what it asks for (none: /)", piranha=False),
    _check(
        "http_host", Text(253, string=True), "its Host field (none: the real server's address)", piranha=False
    ),
    _check("http_status", Statuses(), "the status codes that are good", piranha=False),
    _check("tls_verify", Flag(), "whether the certificate must be valid for the name", piranha=False),
    _check(
        "tls_name", Text(253, string=True), "the name asked for with SNI (none: http_host)", piranha=False
    ),
    _check(
        "tls_expiry", Whole(0, 3650, "days"), "warning before the certificate ends (0: none)", piranha=False
    ),
    _check(
        "dns_name",
        Text(253, string=True),
        "the name that a dns check asks for (none: the root)",
        piranha=False,
    ),
    _check("dns_type", Choice(DnsType), "the record type it asks for", piranha=False),
    _virtual("start_cmd", Text(1024, string=True), "starts a failover service"),
    _virtual("stop_cmd", Text(1024, string=True), "stops a failover service"),
    _virtual("load_monitor", Text(), "none, agent, or a program of the folder checks", written=_IN_VIRTUAL),
    _virtual("agent_port", Whole(1, 65535), "where each real server's weight agent listens", piranha=False),
    _virtual("agent_send", Text(255, string=True), "what the agent is sent first", piranha=False),
    _virtual("weight_floor", Whole(0, 100, "percent"), "least weight by load or agent", piranha=False),
    _virtual(
        "weight_ceiling", Whole(100, 1000, "percent"), "greatest weight by load or agent", piranha=False
    ),
    _virtual("client_monitor", Text(), "path of nanny", ignored="names a program that is not used any more"),
    _virtual("master", Text(), "for Piranha's daemons", ignored="never had an effect"),
    _virtual("dirs", Words(), "for Piranha's daemons", ignored="never had an effect"),
    _virtual("scheduler", Choice(Scheduler), "who gets the next connection", written=_IN_VIRTUAL),
    _virtual("sched_flags", Choices(SchedulerFlag), "how sh and mh hash", "scheduler_flags", piranha=False),
    _virtual("protocol", Choice(Protocol), "protocol of the service", written=_IN_VIRTUAL),
    _virtual("one_packet", Flag(), "schedule every UDP datagram by itself", piranha=False),
    _virtual("network", Choice(Forwarding), "its own forwarding method", "forwarding", piranha=False),
    _virtual("timeout", Whole(1, _DAY, "seconds"), "between checks, and limit of one", written=_ALWAYS),
    _virtual("failures", Whole(1, 100), "failed checks in a row that count", piranha=False),
    _virtual("reentry", Whole(0, _DAY, "seconds"), "good answers before coming back", written=_IN_VIRTUAL),
    _virtual(
        "slow_start",
        Whole(0, _DAY, "seconds"),
        "in which a new weight is reached (0: at once)",
        piranha=False,
    ),
    _virtual(
        "pool_protection",
        Whole(0, 100, "percent"),
        "real servers that checks never take out",
        "protection",
        piranha=False,
    ),
    _virtual("drain_time", Whole(0, _DAY, "seconds"), "for the connections of a deleted one", piranha=False),
    _virtual("quiesce_server", Flag(), "failed: weight 0, not removed", "quiesce", written=_IN_VIRTUAL),
)

SERVER: tuple[Keyword, ...] = (
    _server("address", Host(none_for_zeros=True), "the real server's address"),
    _server("active", Flag(), "switched on by the administrator", written=_ALWAYS),
    _server("port", Whole(1, 65535), "its port (none: the virtual server's)"),
    _server("weight", Whole(0, 65535), "its share; 0: no new connections", written=_ALWAYS),
    _server("upper_threshold", Whole(0, INT_MAX), "connections that fill it (0: no limit)", piranha=False),
    _server("lower_threshold", Whole(0, INT_MAX), "connections below which it takes more", piranha=False),
)

KEYWORDS: Mapping[Block, Mapping[str, Keyword]] = {
    Block.GLOBAL: {keyword.name: keyword for keyword in GLOBAL},
    Block.FAILOVER: {keyword.name: keyword for keyword in VIRTUAL},
    Block.VIRTUAL: {keyword.name: keyword for keyword in VIRTUAL},
    Block.SERVER: {keyword.name: keyword for keyword in SERVER},
}

# Words of Piranha's GUI that its daemon refused, so that the files that have them never worked.
GUI_ONLY: Mapping[Block, frozenset[str]] = {
    Block.GLOBAL: frozenset(),
    Block.FAILOVER: frozenset({"expect_program", "deadtime", "nmask"}),
    Block.VIRTUAL: frozenset({"expect_program", "deadtime", "nmask"}),
    Block.SERVER: frozenset({"nmask", "log_file"}),
}

_ONLY_KEPT = tuple(
    frozenset(keyword.attribute for keyword in table if keyword.ignored) for table in (GLOBAL, VIRTUAL)
)


def is_only_kept(problem: Problem) -> bool:
    """Whether it is about a directive without effect: worth a word when a file is read, nothing to mend.

    Every file that Piranha's GUI wrote has such directives.
    """
    of_globals, of_virtual_servers = _ONLY_KEPT
    return problem.field in (of_virtual_servers if problem.place else of_globals)
