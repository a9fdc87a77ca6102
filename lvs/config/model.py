"""The dataclasses of lvs.cf.

One class per block of the file; the attribute names are the directive names' plain-language forms (the table
that joins the two is `lvs.config.keywords`). Values are typed and defaults are Piranha's daemon defaults
(lvs.cf(5)); whether they make sense together is for `lvs.config.rules` to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lvs.config.address import Address as Address

# Comment lines kept from an imported file, in the writer's order: the directive that they stand above
# ("virtual", "failover", "server": the block itself; "global": the head of the file; "": the end of the block
# or file), and the lines with their "#", or "" for a blank line between two of them.
Comments = tuple[tuple[str, tuple[str, ...]], ...]


class Severity(StrEnum):
    """How bad a problem is: an error keeps a file from being installed, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a configuration, in a sentence that says what to do.

    line counts from 1 (None: found in values, not in a file). place and field let a form show it at the right
    spot: place is () for the globals, ("virtual", NAME) or ("virtual", NAME, "server", NAME); field is an
    attribute name of the dataclass there, or None for the whole block.
    """

    message: str
    severity: Severity = Severity.ERROR
    line: int | None = None
    place: tuple[str, ...] = ()
    field: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class Service(StrEnum):
    """Which kind of block runs: virtual servers, or failover services (kept, not run)."""

    LVS = "lvs"
    FOS = "fos"


class Forwarding(StrEnum):
    """How a router hands packets to a real server (lvs.cf: network)."""

    NAT = "nat"
    DIRECT = "direct"
    TUNNEL = "tunnel"


class Protocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Scheduler(StrEnum):
    """The kernel's schedulers (Linux net/netfilter/ipvs/Kconfig); Piranha knew the first eight."""

    RR = "rr"
    WRR = "wrr"
    LC = "lc"
    WLC = "wlc"
    LBLC = "lblc"
    LBLCR = "lblcr"
    DH = "dh"
    SH = "sh"
    SED = "sed"
    NQ = "nq"
    FO = "fo"
    OVF = "ovf"
    MH = "mh"


class SchedulerFlag(StrEnum):
    """Flags of the sh and mh schedulers (ipvsadm(8), --sched-flags)."""

    SH_FALLBACK = "sh-fallback"
    SH_PORT = "sh-port"
    MH_FALLBACK = "mh-fallback"
    MH_PORT = "mh-port"


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports first..last, both included; one port when they are equal.

    protocol: whose ports they are, where that is not the virtual server's (None). Ordered by the ports.
    """

    first: int
    last: int
    protocol: Protocol | None = None

    def __lt__(self, other: PortRange) -> bool:
        own, others = (self.first, self.last), (other.first, other.last)
        return own < others or (own == others and (self.protocol or "") < (other.protocol or ""))

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}:{self.last}"
        return f"{self.protocol}/{ports}" if self.protocol else ports


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingAddress:
    """An address that moves on failover, and the device (or label, eth0:1) that carries it."""

    address: Address
    device: str

    @property
    def interface(self) -> str:
        """The network interface under the label: eth0 for eth0:1, eth0.5 for eth0.5:2."""
        return self.device.partition(":")[0]


class CheckKind(StrEnum):
    """What a check of a real server does (docs/checks.md)."""

    AUTO = "auto"  # Piranha's rules: the program, or send and expect, or connecting (port 80: GET / and HTTP)
    CONNECT = "connect"
    HTTP = "http"
    HTTPS = "https"
    SMTP = "smtp"
    DNS = "dns"
    PING = "ping"
    NONE = "none"  # always healthy


class HttpMethod(StrEnum):
    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"


class DnsType(StrEnum):
    """The record type that a DNS check asks for."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    NS = "NS"
    PTR = "PTR"
    SOA = "SOA"
    SRV = "SRV"
    TXT = "TXT"


@dataclass(frozen=True, slots=True, order=True)
class StatusRange:
    """HTTP status codes first..last, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}:{self.last}"


ANY_SUCCESS = (StatusRange(200, 399),)

# Words of load_monitor that are no program's.
NO_MONITOR = "none"
AGENT_MONITOR = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How nanny finds out whether a real server answers (the panel's MONITORING SCRIPTS).

    send and expect are the text as written in lvs.cf between its quotes, escapes (backslash n, r, t,
    backslash) not yet translated; None: not set. With kind AUTO, send, expect and send_program all None:
    connect only (port 80: GET / and HTTP). The fields of one kind mean nothing to the others; expect and
    use_regex are found anywhere in the body (http, https), or in a record of the answer (dns).
    """

    kind: CheckKind = CheckKind.AUTO
    check_port: int | None = None  # that is contacted; None: the real server's
    send: str | None = None
    expect: str | None = None
    use_regex: bool = False
    send_program: str | None = None  # a program of the folder `checks` beside lvs.cf, with arguments
    http_method: HttpMethod = HttpMethod.GET
    http_path: str | None = None  # None: /
    http_host: str | None = None  # None: the real server's address
    http_status: tuple[StatusRange, ...] = ANY_SUCCESS
    tls_verify: bool = False  # the certificate's chain and name
    tls_name: str | None = None  # SNI, and the name that is verified; None: http_host
    tls_expiry: int = 14  # days before the certificate ends in which there is a warning; 0: none
    dns_name: str | None = None  # None: the root
    dns_type: DnsType = DnsType.A


@dataclass(frozen=True, slots=True, kw_only=True)
class RealServer:
    """A machine behind a virtual server that answers the requests."""

    name: str
    address: Address | None = None
    active: bool = False
    port: int | None = None  # None: the port of the virtual server
    weight: int = 1
    upper_threshold: int = 0  # connections; 0: no limit
    lower_threshold: int = 0
    comments: Comments = ()


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class VirtualServer:
    """A service of the cluster: address, port and protocol, or a firewall mark; also a failover block.

    Masks are prefix lengths (0..32 or 0..128); None: not set. Durations are seconds. What follows from one is
    kept with it (`lvs.config.memo`), for which it can be referred to weakly.
    """

    name: str
    active: bool = False
    address: FloatingAddress | None = None
    address_mask: int | None = None  # vip_nmask
    sorry_server: Address | None = None
    sorry_port: int | None = None  # None: the port of the virtual server
    fwmark: int = 0  # 0: none
    protocol: Protocol = Protocol.TCP
    port: int = 80
    ports: tuple[PortRange, ...] = ()  # further ports that the firewall mark gathers (lvs.config.ports)
    forwarding: Forwarding | None = None  # network in a virtual block; None: the cluster's
    scheduler: Scheduler = Scheduler.WLC
    scheduler_flags: tuple[SchedulerFlag, ...] = ()
    one_packet: bool = False  # UDP: schedule every datagram by itself
    persistence: int = 0  # persistent; 0: off
    persistence_mask: int | None = None  # pmask
    check: HealthCheck = field(default_factory=HealthCheck)
    timeout: int = 10  # seconds between checks, and the limit of one
    reentry: int = 180
    failures: int = 1  # failed checks in a row before a real server goes out
    load_monitor: str = NO_MONITOR  # or AGENT_MONITOR, or a program of the folder `checks`
    agent_port: int | None = None  # of the weight agent on each real server
    agent_send: str | None = None  # what it is sent first, escapes as in HealthCheck.send
    weight_floor: int | None = None  # percent of the weight; None: agent 0, program 100
    weight_ceiling: int = 1000  # percent of the weight
    slow_start: int = 0  # seconds in which a real server that comes up reaches its weight; 0: at once
    protection: int = 0  # percent of the real servers that checks never take out
    drain_time: int = 300  # seconds at most that one which is deleted keeps its connections; 0: at once
    quiesce: bool = False  # quiesce_server
    client_monitor: str | None = None  # kept, not used
    start_cmd: str | None = None  # failover blocks
    stop_cmd: str | None = None
    master: str | None = None  # kept, not used
    dirs: tuple[str, ...] = ()  # kept, not used
    real_servers: tuple[RealServer, ...] = ()
    comments: Comments = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalSettings:
    """The panel GLOBAL SETTINGS and the directives that no panel shows."""

    serial_no: int = 0
    service: Service = Service.LVS
    primary: Address | None = None
    primary_private: Address | None = None
    forwarding: Forwarding = Forwarding.NAT  # network
    nat_router: FloatingAddress | None = None
    nat_mask: int | None = None  # nat_nmask
    nat_router6: FloatingAddress | None = None  # the real servers' IPv6 gateway
    tcp_timeout: int = 0  # 0: leave the kernel's value
    tcpfin_timeout: int = 0
    udp_timeout: int = 0
    active_cmd: str | None = None
    inactive_cmd: str | None = None
    hard_shutdown: bool = True
    rsh_command: str | None = None
    primary_shared: str | None = None
    backup_shared: str | None = None
    reservation_conflict_action: str | None = None
    debug_level: str | None = None
    ipvsadm: str | None = None
    sync: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redundancy:
    """The panel REDUNDANCY: the backup router and the heartbeat between the two."""

    backup_active: bool = False
    backup: Address | None = None  # 0.0.0.0 in the file: None
    backup_private: Address | None = None
    heartbeat: bool = True
    heartbeat_port: int = 539
    keepalive: float = 2  # seconds between heartbeats
    deadtime: float = 5  # seconds of silence before takeover
    monitor_links: bool = False
    syncdaemon: bool = False
    syncd_iface: str = "eth0"
    syncd_id: int = 0
    syncd_maxlen: int = 0  # bytes of one sync message; 0: one connection in each (lvs.router.plan)
    syncd_group: Address | None = None  # multicast group; None: 224.0.0.81
    syncd_port: int = 0  # UDP; 0: 8848
    syncd_ttl: int = 0  # of the multicast; 0: 1
    failback: float = 0  # seconds after which a primary that is well again gets its role back; 0: never
    check_gateway: Address | None = None  # must answer before this router takes over


@dataclass(frozen=True, slots=True, kw_only=True)
class LvsConfig:
    """A whole lvs.cf."""

    global_settings: GlobalSettings = field(default_factory=GlobalSettings)
    redundancy: Redundancy = field(default_factory=Redundancy)
    virtual_servers: tuple[VirtualServer, ...] = ()
    failover_services: tuple[VirtualServer, ...] = ()  # kept and named, never run
    comments: Comments = ()

    def forwarding_of(self, virtual_server: VirtualServer) -> Forwarding:
        """The method that virtual_server uses: its own, or the cluster's."""
        return virtual_server.forwarding or self.global_settings.forwarding
