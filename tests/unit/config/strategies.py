"""Hypothesis strategies for the whole model of lvs.cf: configurations that the rules accept.

`configs()` gives `LvsConfig`s without error problems (warnings may be). `real_servers` and `virtual_servers`
give parts of them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL, Block
from lvs.config.model import (
    CheckKind,
    Comments,
    DnsType,
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    HealthCheck,
    HttpMethod,
    LvsConfig,
    PortRange,
    Protocol,
    RealServer,
    Redundancy,
    Scheduler,
    SchedulerFlag,
    Service,
    StatusRange,
    VirtualServer,
)

PORT = st.integers(1, 65535)
FLAG = st.booleans()

_NO_LINE_ENDS = st.characters(
    exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\x85", include_characters="\t"
)


def addresses(family: int, network: int = 10) -> st.SearchStrategy[IPv4Address | IPv6Address]:
    """Addresses of machines: 10.x.x.x or 2001:db8:a::x; another network gives others."""
    if family == 4:
        return st.integers(1, 2**24 - 2).map(lambda host: IPv4Address((network << 24) + host))
    base = int(IPv6Address("2001:db8::")) + (network << 64)
    return st.integers(1, 2**60).map(lambda host: IPv6Address(base + host))


def texts(limit: int = 40, quote: str = "'\"") -> st.SearchStrategy[str]:
    """Text that lvs.cf can carry between quotes: with one kind of quote inside at most."""
    one_kind = st.sampled_from(quote).flatmap(
        lambda other: st.text(
            _NO_LINE_ENDS.filter(lambda char: char not in "'\"" or char == other), min_size=1
        )
    )
    return one_kind.filter(lambda text: len(text.encode()) <= limit)


def names() -> st.SearchStrategy[str]:
    """Names of virtual and real servers, with blanks and other scripts."""
    plain = st.from_regex(r"[a-zA-Z0-9._\[\]-]{1,20}", fullmatch=True)
    odd = texts(60).filter(lambda name: not set("'\"") & set(name) and name == name.strip())
    return plain | odd


def masks(family: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(1, 32 if family == 4 else 128)


def devices() -> st.SearchStrategy[str]:
    return st.from_regex(r"[a-z]{2,4}[0-9]{1,2}(\.[0-9]{1,3})?(:[0-9]{1,2})?", fullmatch=True).filter(
        lambda device: len(device) <= 15
    )


def seconds() -> st.SearchStrategy[float]:
    return st.integers(10, 5_000_000).map(lambda milliseconds: milliseconds / 1000) | st.integers(1, 5000)


@st.composite
def comments(draw: st.DrawFn, kind: Block) -> Comments:
    """Comments above some of the directives that the writer always writes, in the writer's order."""
    table = {Block.GLOBAL: GLOBAL, Block.SERVER: SERVER}.get(kind, VIRTUAL)
    places = [kind.value, *(keyword.name for keyword in table if kind in keyword.written), ""]
    line = st.text(_NO_LINE_ENDS, max_size=20).map(lambda text: f"#{text}".rstrip(" \t\v\f"))
    group = st.lists(line, min_size=1, max_size=3)
    with_blank = st.tuples(group, group).map(lambda groups: [*groups[0], "", *groups[1]])
    chosen = draw(st.sets(st.sampled_from(places), max_size=2))
    first = GLOBAL[0].name if Block.GLOBAL.value in chosen else None  # a blank line would belong to the head
    return tuple(
        (place, tuple(draw(group if place == first else group | with_blank)))
        for place in places
        if place in chosen
    )


@st.composite
def real_servers(draw: st.DrawFn, family: int, name: str, number: int, port: int | None) -> RealServer:
    """A real server whose last address byte is its number, so that no two are the same."""
    upper = draw(st.integers(0, 10_000))
    address = draw(addresses(family, 20))
    return RealServer(
        name=name,
        address=type(address)((int(address) & ~0xFF) + number + 1),
        active=draw(FLAG),
        port=port,
        weight=draw(st.integers(0, 65535)),
        upper_threshold=upper,
        lower_threshold=draw(st.integers(0, upper)),
        comments=draw(comments(Block.SERVER)),
    )


def _checks() -> st.SearchStrategy[HealthCheck]:
    optional = st.none() | texts(200)
    port = st.none() | PORT
    programs = st.sampled_from(["shop", "shop %h %p", "/bin/shop 'two words' %h"])
    patterns = st.sampled_from(["^220 ", "OK|READY", "HTTP/1.[01] 200", '"up": *true'])
    hosts = st.none() | st.sampled_from(["www.example.com", "shop:8080", "[2001:db8::1]:80"])
    http = {
        "kind": st.sampled_from([CheckKind.HTTP, CheckKind.HTTPS]),
        "check_port": port,
        "http_method": st.sampled_from(HttpMethod),
        "http_path": st.none() | st.sampled_from(["/", "/health?full=1"]),
        "http_host": hosts,
        "http_status": st.lists(_statuses(), min_size=1, max_size=3).map(tuple),
        "tls_verify": FLAG,
        "tls_name": st.none() | st.just("shop.example.com"),
        "tls_expiry": st.integers(0, 3650),
        "expect": optional,
    }
    dns = {
        "dns_name": st.none() | st.sampled_from([".", "www.example.com", "_sip._tcp.example.com."]),
        "dns_type": st.sampled_from(DnsType),
    }
    return st.one_of(
        st.builds(HealthCheck, send=optional, expect=optional, send_program=st.none() | programs),
        st.builds(HealthCheck, send=optional, expect=patterns, use_regex=st.just(True)),
        st.builds(HealthCheck, kind=st.sampled_from(CheckKind), check_port=port),
        st.builds(HealthCheck, **http),
        st.builds(HealthCheck, kind=st.just(CheckKind.DNS), **dns),
    )


def _statuses() -> st.SearchStrategy[StatusRange]:
    codes = st.integers(100, 599)
    return st.tuples(codes, codes).map(lambda ends: StatusRange(min(ends), max(ends)))


@st.composite
def _port_sets(draw: st.DrawFn, port: int) -> tuple[PortRange, ...]:
    """Ranges that neither overlap nor hold `port`, each of any protocol."""
    edges = sorted(draw(st.sets(PORT, max_size=6)))
    protocols = st.sampled_from((None, *Protocol))
    ranges = [
        PortRange(first, last, draw(protocols)) for first, last in zip(edges[::2], edges[1::2], strict=False)
    ]
    return tuple(ports for ports in ranges if not ports.first <= port <= ports.last)


@st.composite
def virtual_servers(
    draw: st.DrawFn,
    name: str = "shop",
    number: int = 0,
    kind: Block = Block.VIRTUAL,
    syncdaemon: bool = False,
) -> VirtualServer:
    """A virtual server or failover service; number keeps its address and firewall mark its own."""
    family = draw(st.sampled_from([4, 6]))
    address = draw(st.none() | addresses(family, 30))
    if address:
        address = type(address)((int(address) & ~0xFF) + number + 1)
    forwarding = draw(st.sampled_from(Forwarding))
    port, protocol = draw(PORT), draw(st.sampled_from(Protocol))
    fwmark = draw(st.just(0) | st.integers(0, 2**23).map(lambda high: (high << 8) + number + 1))
    scheduler = draw(st.sampled_from(Scheduler))
    flags = [flag for flag in SchedulerFlag if flag.startswith(f"{scheduler}-")]
    mixed = forwarding is Forwarding.TUNNEL and not syncdaemon
    own_port = st.none() | (PORT if forwarding is Forwarding.NAT else st.just(port))
    server_names = draw(st.lists(names(), unique=True, max_size=3))
    return VirtualServer(
        name=name,
        active=bool(address) and draw(FLAG),
        address=FloatingAddress(address=address, device=f"eth0:{number}") if address else None,
        sorry_server=draw(st.none() | addresses(family, 40)),
        sorry_port=draw(own_port),
        fwmark=fwmark,
        protocol=protocol,
        port=port,
        ports=draw(_port_sets(port)) if fwmark else (),
        forwarding=forwarding,
        scheduler=scheduler,
        scheduler_flags=tuple(draw(st.lists(st.sampled_from(flags), unique=True))) if flags else (),
        one_packet=protocol is Protocol.UDP and draw(FLAG),
        real_servers=tuple(
            draw(
                real_servers(
                    draw(st.sampled_from([4, 6])) if mixed else family, server, index, draw(own_port)
                )
            )
            for index, server in enumerate(server_names)
        ),
        **draw(_independent(family if address else 4, kind)),
    )


def _independent(family: int, kind: Block) -> st.SearchStrategy[dict[str, Any]]:
    """The fields of a virtual server that depend on no other."""
    text = st.none() | texts()
    return st.fixed_dictionaries(
        {
            "address_mask": masks(family),
            "persistence": st.integers(0, 86400 * 31),
            "persistence_mask": masks(family),
            "check": _checks(),
            "timeout": st.integers(1, 86400),
            "reentry": st.integers(0, 86400),
            "failures": st.integers(1, 100),
            "load_monitor": st.sampled_from(["none", "rup", "agent", "/bin/load"]),
            "agent_port": PORT,
            "agent_send": text,
            "weight_floor": st.none() | st.integers(0, 100),
            "weight_ceiling": st.integers(100, 1000),
            "slow_start": st.integers(0, 86400),
            "protection": st.integers(0, 100),
            "drain_time": st.integers(0, 86400),
            "quiesce": FLAG,
            "client_monitor": text,
            "start_cmd": text,
            "stop_cmd": text,
            "master": text,
            "dirs": st.lists(texts(), max_size=2).map(tuple),
            "comments": comments(kind),
        }
    )


def _global_settings() -> st.SearchStrategy[GlobalSettings]:
    text = st.none() | texts()
    timeout = st.integers(0, 2_000_000)
    return st.builds(
        GlobalSettings,
        serial_no=st.integers(0, 2**63 - 1),
        service=st.sampled_from(Service),
        primary=addresses(4, 50),
        primary_private=st.none() | addresses(4, 51),
        forwarding=st.sampled_from(Forwarding),
        nat_router=st.none() | st.builds(FloatingAddress, address=addresses(4, 52), device=devices()),
        nat_mask=masks(4),
        nat_router6=st.none() | st.builds(FloatingAddress, address=addresses(6, 52), device=devices()),
        tcp_timeout=timeout,
        tcpfin_timeout=timeout,
        udp_timeout=timeout,
        active_cmd=text,
        inactive_cmd=text,
        hard_shutdown=FLAG,
        rsh_command=text,
        primary_shared=text,
        backup_shared=text,
        reservation_conflict_action=text,
        debug_level=text,
        ipvsadm=text,
        sync=st.none() | FLAG,
    )


GROUPS = (IPv4Address("224.0.0.81"), IPv4Address("239.1.2.3"), IPv6Address("ff02::81"))


@st.composite
def _redundancy(draw: st.DrawFn) -> Redundancy:
    keepalive = draw(seconds())
    return Redundancy(
        backup_active=draw(FLAG),
        backup=draw(addresses(4, 53)),
        backup_private=draw(st.none() | addresses(4, 54)),
        heartbeat=draw(FLAG),
        heartbeat_port=draw(PORT),
        keepalive=keepalive,
        deadtime=round(keepalive + draw(seconds()), 3),
        monitor_links=draw(FLAG),
        syncdaemon=draw(FLAG),
        syncd_iface=draw(devices().map(lambda device: device.partition(":")[0])),
        syncd_id=draw(st.integers(0, 255)),
        syncd_maxlen=draw(st.just(0) | st.integers(1, 65507)),
        syncd_group=draw(st.none() | st.sampled_from(GROUPS)),
        syncd_port=draw(st.integers(0, 65535)),
        syncd_ttl=draw(st.integers(0, 255)),
        failback=draw(st.just(0) | seconds()),
        check_gateway=draw(st.none() | addresses(4, 55)),
    )


@st.composite
def configs(draw: st.DrawFn) -> LvsConfig:
    """A whole configuration that the rules accept."""
    redundancy = draw(_redundancy())
    services = draw(st.lists(names(), unique=True, max_size=3))
    failover = draw(st.lists(names(), unique=True, max_size=1))
    return LvsConfig(
        global_settings=draw(_global_settings()),
        redundancy=redundancy,
        virtual_servers=tuple(
            draw(virtual_servers(name, number, syncdaemon=redundancy.syncdaemon))
            for number, name in enumerate(services)
        ),
        failover_services=tuple(draw(virtual_servers(name, 9, Block.FAILOVER)) for name in failover),
        comments=draw(comments(Block.GLOBAL)),
    )
