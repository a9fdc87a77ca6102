"""What may be installed with a warning, each rule with the configuration that shows it; and what is fine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvs.config.model import (
    CheckKind,
    Forwarding,
    HealthCheck,
    HttpMethod,
    PortRange,
    Protocol,
    Redundancy,
    Service,
    Severity,
    VirtualServer,
)
from lvs.config.rules import problems
from tests.unit.config.clusters import (
    DIRECT,
    MARKED,
    REAL6,
    SHOP,
    SHOP6,
    TUNNEL,
    check_of,
    cluster,
    ip,
    on,
    other,
    real,
    shop,
)

WARNINGS = [
    ("deadtime below two heartbeats", cluster(keepalive=3, deadtime=5), "deadtime", "one lost heartbeat"),
    (
        "deadtime below keepalive without a backup",
        cluster(redundancy=Redundancy(keepalive=6, deadtime=3)),
        "deadtime",
        "is not above",
    ),
    ("a second link with one end", cluster(backup_private=None), "backup_private", "both ends"),
    (
        "one heartbeat path",
        cluster(primary_private=None, backup_private=None),
        "backup_private",
        "one path only",
    ),
    ("a keepalive below a tenth of a second", cluster(keepalive=0.03, deadtime=0.1), "keepalive", "measured"),
    (
        "links watched without a backup",
        cluster(redundancy=Redundancy(monitor_links=True)),
        "monitor_links",
        "set backup_active",
    ),
    (
        "failback without a backup",
        cluster(redundancy=Redundancy(failback=60)),
        "failback",
        "set backup_active",
    ),
    (
        "a gateway watched without a backup",
        cluster(redundancy=Redundancy(check_gateway=ip("192.0.2.254"))),
        "check_gateway",
        "set backup_active",
    ),
    (
        "the sync daemon alone",
        cluster(redundancy=Redundancy(syncdaemon=True)),
        "syncdaemon",
        "nobody to copy",
    ),
    ("heartbeat = 0", cluster(heartbeat=False), "heartbeat", "has no effect"),
    ("nat without nat_router", cluster(nat_router=None), "nat_router", "virtual server shop uses nat"),
    ("IPv6 nat without nat_router6", cluster(SHOP6, nat_router6=None), "nat_router6", "shop uses nat"),
    (
        "nat_nmask without nat_router",
        cluster(nat_router=None, nat_mask=24, forwarding=Forwarding.DIRECT),
        "nat_mask",
        "no effect without nat_router",
    ),
    ("a program without its path", cluster(active_cmd="up"), "active_cmd", "whole path"),
    ("service = fos", cluster(service=Service.FOS), "service", "write service = lvs"),
    ("a failover service", replace(cluster(), failover_services=(VirtualServer(name="f"),)), None, "not run"),
    ("no real servers", shop(real_servers=()), "real_servers", "has no real servers"),
    ("no active real servers", real(active=False), "real_servers", "none of its real servers"),
    ("start_cmd in a virtual server", shop(start_cmd="/bin/x"), "start_cmd", "for failover services"),
    ("a mask without persistence", shop(persistence_mask=24), "persistence_mask", "without persistence"),
    ("weight 0", real(weight=0), "weight", "keeps new connections away"),
    (
        "send beside send_program",
        check_of(send="x", send_program="x", expect="OK"),
        "send",
        "remove one of them",
    ),
    (
        "a check's program with its path",
        check_of(send_program="/usr/local/bin/shop %h"),
        "send_program",
        "copy shop there",
    ),
    ("a path of an http check without it", check_of(http_path="/"), "http_path", "check = auto"),
    ("send of an http check", check_of(kind=CheckKind.HTTP, send="x"), "send", "check = http"),
    ("tls of an http check", check_of(kind=CheckKind.HTTP, tls_verify=True), "tls_verify", "check = http"),
    (
        "expect and HEAD",
        check_of(kind=CheckKind.HTTP, http_method=HttpMethod.HEAD, expect="OK"),
        "expect",
        "no body",
    ),
    ("the port of a ping", check_of(kind=CheckKind.PING, check_port=80), "check_port", "has no port"),
    ("no check", check_of(kind=CheckKind.NONE), "kind", "never checked"),
    ("a monitor of Piranha's", shop(load_monitor="rup"), "load_monitor", "use uptime or agent"),
    ("a monitor with its path", shop(load_monitor="/bin/load"), "load_monitor", "copy load there"),
    ("an agent's port alone", shop(agent_port=81), "agent_port", "load_monitor = agent"),
    ("a floor alone", shop(weight_floor=10), "weight_floor", "without load_monitor"),
    (
        "protection beside a sorry server",
        shop(protection=50, sorry_server=ip("10.0.0.9")),
        "protection",
        "choose one",
    ),
    ("use_regex without expect", check_of(use_regex=True), "use_regex", "without expect"),
    ("a UDP check that says nothing", shop(protocol=Protocol.UDP), "send", "when it answers"),
    ("FTP directly routed", shop(port=21, forwarding=DIRECT), "persistence", "data connections of FTP"),
    (
        "FTP by a mark",
        cluster(replace(MARKED, port=21, persistence=0)),
        "persistence",
        "data connections of FTP",
    ),
    ("sorry_port alone", shop(sorry_port=81), "sorry_port", "without sorry_server"),
    ("a real server as sorry server", shop(sorry_server=ip("10.0.0.1")), "sorry_server", "another machine"),
    ("a real server at the virtual address", real(address=ip("192.0.2.1")), "address", "write its own"),
    (
        "a real port behind several ports",
        real(replace(MARKED, ports=(PortRange(443, 443),)), port=8080),
        "port",
        "all of the ports",
    ),
    (
        "one label for two addresses",
        cluster(SHOP, other(address=on("192.0.2.2", "eth0:1"))),
        "address",
        "carries 192.0.2.1",
    ),
    (
        "two labels for one address",
        cluster(SHOP, other(address=on("192.0.2.1", "eth0:7"), port=443)),
        "address",
        "write the same device",
    ),
    (
        "two masks for one address",
        cluster(SHOP, other(address=SHOP.address, port=443, address_mask=24)),
        "address_mask",
        "write the same in both",
    ),
]


@pytest.mark.parametrize(
    ("config", "field", "words"), [row[1:] for row in WARNINGS], ids=[row[0] for row in WARNINGS]
)
def test_may_be_installed_with_a_warning(config, field, words):
    found = problems(config)
    assert [(p.field, p.severity) for p in found] == [(field, Severity.WARNING)], [str(p) for p in found]
    assert words in found[0].message


FINE = [
    ("an inactive virtual server at 0.0.0.0", shop(active=False, address=on("0.0.0.0", "eth0:1"))),
    (
        "an inactive virtual server with the port of another",
        cluster(SHOP, replace(SHOP, name="x", active=False)),
    ),
    ("one port for tcp and udp", cluster(SHOP, other(address=SHOP.address, protocol=Protocol.SCTP))),
    ("one mark for IPv4 and IPv6", cluster(MARKED, replace(SHOP6, name="six", fwmark=80))),
    ("an IPv6 real server in a tunnel", shop(forwarding=TUNNEL, real_servers=(REAL6,))),
    (
        "the virtual server's port named again in direct routing",
        real(replace(SHOP, forwarding=DIRECT), port=80),
    ),
    (
        "one packet scheduling of UDP",
        shop(protocol=Protocol.UDP, one_packet=True, check=HealthCheck(send="x")),
    ),
    ("FTP that the kernel's helper follows", shop(port=21)),
    ("FTP that persistence keeps together", shop(port=21, forwarding=DIRECT, persistence=300)),
    ("odd but valid expressions", check_of(expect="[[a]|^(x+x+)+y--", use_regex=True)),
    ("a send of 255 bytes", check_of(send="x" * 255)),
    ("an address on a device without label", shop(address=on("192.0.2.1", "eth0"))),
    (
        "two addresses on a device without label",
        cluster(
            shop(address=on("192.0.2.1", "eth0")).virtual_servers[0], other(address=on("192.0.2.2", "eth0"))
        ),
    ),
]


@pytest.mark.parametrize("config", [row[1] for row in FINE], ids=[row[0] for row in FINE])
def test_has_no_problem(config):
    assert problems(config) == ()
