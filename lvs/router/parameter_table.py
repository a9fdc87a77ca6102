"""The one table of kernel parameters: what pulse sets, what it leaves alone, why, and what is found. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lvs.config.model import FloatingAddress, Forwarding, LvsConfig, VirtualServer
from lvs.router.floating import Role
from lvs.router.parameters import SYSCTLS, Use
from lvs.router.sysctl_files import Persisted, Settings

Read = Callable[[str], str | None]
NOTHING_SAVED = Settings()


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter: what it should be, what it is, and why.

    path: below /proc/sys, or the directive of one of IPVS' timeouts, which have no file there. wanted: what
    pulse sets; None: it is left as it is. found: None where this kernel has no such parameter now (its
    module may come with the first service). when: on what condition. persisted: what a file of the machine
    sets at the next boot; pulse sets its own again when it starts, and every ten seconds if need be.
    """

    path: str
    wanted: str | None
    found: str | None
    why: str
    when: str
    persisted: Persisted | None = None

    @property
    def differs(self) -> bool:
        """Whether pulse would change it now."""
        return self.wanted is not None and self.found != self.wanted

    @property
    def is_undone(self) -> bool:
        """Whether a file of the machine sets it to something else than pulse does."""
        return self.wanted is not None and self.persisted is not None and self.persisted.value != self.wanted


# Why a parameter that people set on a router is left as it is found. {interface} stands for each interface
# that the configuration names.
LEFT_ALONE = (
    (
        "net/ipv4/conf/all/rp_filter",
        "requests come in where the way back to their clients goes out, so that no value drops them; with "
        "the way back elsewhere 1 drops them and 2 does not (the higher of all and the interface's counts)",
    ),
    ("net/ipv4/conf/{interface}/rp_filter", "as net/ipv4/conf/all/rp_filter"),
    (
        "net/ipv4/conf/all/arp_ignore",
        "the router has to answer ARP for its floating addresses: 0 to 2 do, 8 never does; it is the real "
        "servers of direct routing and tunnels that need 1",
    ),
    ("net/ipv4/conf/{interface}/arp_ignore", "as net/ipv4/conf/all/arp_ignore"),
    (
        "net/ipv4/conf/all/arp_announce",
        "it is the real servers of direct routing and tunnels that need 2; floating addresses are announced "
        "by pulse itself",
    ),
    (
        "net/ipv4/conf/{interface}/forwarding",
        "net/ipv4/ip_forward switches all of them when it changes; 0 here alone keeps NAT real servers from "
        "being answered for",
    ),
    (
        "net/ipv4/conf/{interface}/send_redirects",
        "with clients in the real servers' own network, redirects lead a NAT real server's answers past this "
        "router; apart from that they do no harm",
    ),
    (
        "net/ipv4/vs/conntrack",
        "masquerade tracks the real servers' own connections, not those of IPVS, and marks need no tracking; "
        "1 costs packets per second and makes every connection an entry of nf_conntrack",
    ),
    (
        "net/ipv4/vs/conn_reuse_mode",
        "1, the kernel's own, sends a client port that is used again to a live server; 0 would undo "
        "expire_nodest_conn (before Linux 5.9 it was set against a delay of a second, which is gone)",
    ),
    (
        "net/ipv4/vs/sloppy_tcp",
        "1 makes a connection of any packet that has none, at whatever real server is next, which resets it, "
        "before a late message of the other router can say where it was",
    ),
    ("net/ipv4/vs/sync_persist_mode", "0, the kernel's own, tells of persistent clients' connections too"),
    ("net/ipv4/vs/sync_sock_size", "the kernel's own choice lost nothing in bursts of thousands"),
    ("net/ipv4/vs/sync_qlen_max", "the kernel's own choice lost nothing in bursts of thousands"),
    (
        "net/ipv4/vs/sync_ports",
        "1, the kernel's own; each more takes one more UDP port, on both routers alike",
    ),
    ("net/ipv4/vs/sync_version", "1, the kernel's own; 0 is for kernels before 2.6.39"),
    (
        "net/ipv4/vs/snat_reroute",
        "1, the kernel's own, routes the answers of NAT real servers by the virtual address, as policy rules "
        "for it expect",
    ),
    (
        "net/ipv4/vs/nat_icmp_send",
        "0: 1 would send an ICMP error to a real server that answers in a connection that is no more",
    ),
    ("net/ipv4/vs/schedule_icmp", "0: 1 would balance ICMP errors that belong to no connection"),
    ("net/ipv4/vs/pmtu_disc", "1, the kernel's own: clients learn that a tunnel takes smaller packets"),
    (
        "net/ipv4/vs/secure_tcp",
        "0: the timeouts of a defence against floods are for the administrator to want",
    ),
    ("net/ipv4/vs/drop_entry", "0: see secure_tcp"),
    ("net/ipv4/vs/drop_packet", "0: see secure_tcp"),
    (
        "net/ipv4/ip_nonlocal_bind",
        "pulse finds out which addresses are its own by asking for routes, which 1 does not change",
    ),
    (
        "net/ipv6/conf/{interface}/disable_ipv6",
        "0 where an IPv6 floating address is to go; without one it does not matter",
    ),
    ("net/ipv4/ip_local_reserved_ports", "needed only where the heartbeat's port is in the range below"),
    ("net/ipv4/ip_local_port_range", "each check needs one port to each real server; thousands are enough"),
    (
        "net/netfilter/nf_conntrack_max",
        "connections of IPVS take no entry; what NAT real servers open themselves takes one each",
    ),
    (
        "net/netfilter/nf_conntrack_tcp_timeout_established",
        "connections of IPVS are not tracked: their timeouts are tcp_timeout, tcpfin_timeout and udp_timeout",
    ),
)
TIMEOUTS = (
    ("tcp_timeout", "how long a connection over which nothing passes is kept, in seconds"),
    ("tcpfin_timeout", "how long a connection that was closed is kept, in seconds"),
    ("udp_timeout", "how long a UDP client keeps its real server after its last packet, in seconds"),
)
NOT_HERE = "nothing of this configuration needs it"
LEFT = "left as it is"


def table(config: LvsConfig, role: Role, read: Read, saved: Settings = NOTHING_SAVED) -> tuple[Row, ...]:
    """Every parameter of interest on a router in this role: what pulse sets first, then what it leaves.

    read: gives what is found at a path, as `Row.path`; None: there is no such parameter. saved: what the
    machine's files set.
    """
    return tuple(
        Row(path, wanted, read(path), why, when, saved.of(path))
        for path, wanted, why, when in _lines(config, Use.of(config, role))
    )


def interfaces(config: LvsConfig) -> tuple[str, ...]:
    """The interfaces that carry floating addresses, the public ones first, each once."""
    active = [each for each in config.virtual_servers if each.active]
    named = [each.address for each in active] + list(gateways(config, active))
    return tuple(dict.fromkeys(each.interface for each in named if each))


def gateways(config: LvsConfig, active: list[VirtualServer]) -> Iterator[FloatingAddress]:
    """The floating addresses that NAT real servers have for their gateway."""
    if any(config.forwarding_of(each) is Forwarding.NAT for each in active):
        settings = config.global_settings
        yield from (each for each in (settings.nat_router, settings.nat_router6) if each)


def _lines(config: LvsConfig, use: Use) -> Iterator[tuple[str, str | None, str, str]]:
    done = set()
    for sysctl in sorted(SYSCTLS, key=lambda each: not each.when(use)):
        if sysctl.path in done:
            continue  # the other value of it applies
        done.add(sysctl.path)
        if sysctl.when(use):
            yield sysctl.path, sysctl.value, sysctl.why, sysctl.condition
        else:
            yield sysctl.path, None, f"{NOT_HERE}: {sysctl.why}", sysctl.condition
    settings = config.global_settings
    values = settings.tcp_timeout, settings.tcpfin_timeout, settings.udp_timeout
    for (directive, why), value in zip(TIMEOUTS, values, strict=True):
        yield directive, str(value) if value else None, why, f"where lvs.cf has {directive}"
    for path, why in LEFT_ALONE:
        for each in interfaces(config) if "{interface}" in path else ("",):
            yield path.replace("{interface}", each), None, why, LEFT
