"""Every rule, each with the configuration that breaks it and nothing else wrong."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from lvs.config.check import check
from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL
from lvs.config.model import (
    CheckKind,
    GlobalSettings,
    HealthCheck,
    PortRange,
    Protocol,
    RealServer,
    Redundancy,
    Scheduler,
    SchedulerFlag,
    Severity,
    StatusRange,
    VirtualServer,
)
from lvs.config.rules import MAX_NAME, problems
from tests.unit.config.clusters import (
    DIRECT,
    MARKED,
    REAL,
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
from tests.unit.config.test_rules_warnings import WARNINGS


def test_the_cluster_that_the_rows_change_has_no_problem():
    assert problems(cluster()) == ()
    assert problems(cluster(SHOP, other(), SHOP6 and replace(SHOP6, name="six"))) == ()


# sentence, configuration, (kind of place, field), words of the message
ERRORS = [
    ("deadtime below keepalive", cluster(keepalive=6, deadtime=3), "deadtime", "is not above keepalive"),
    ("deadtime equal to keepalive", cluster(keepalive=5, deadtime=5), "deadtime", "is not above keepalive"),
    ("an active backup without address", cluster(backup=None), "backup", "backup is missing"),
    ("an active backup without a primary", cluster(primary=None), "primary", "write primary"),
    ("one address for both routers", cluster(backup=ip("192.0.2.11")), "backup", "give each router its own"),
    ("routers of two families", cluster(backup=ip("2001:db8::2")), "backup", "of two families"),
    ("a keepalive of zero", cluster(keepalive=0), "keepalive", "out of range"),
    ("a keepalive below a hundredth of a second", cluster(keepalive=0.009), "keepalive", "out of range"),
    ("a failback finer than milliseconds", cluster(failback=0.0105), "failback", "three decimals"),
    (
        "a router as the gateway to watch",
        cluster(check_gateway=ip("192.0.2.12")),
        "check_gateway",
        "the cluster's own (backup)",
    ),
    (
        "a floating address as the gateway to watch",
        cluster(check_gateway=ip("192.0.2.1")),
        "check_gateway",
        "the cluster's own (virtual server shop)",
    ),
    (
        "the nat router as the gateway to watch",
        cluster(check_gateway=ip("10.0.0.254")),
        "check_gateway",
        "the cluster's own (nat_router)",
    ),
    (
        "a sync group that is none",
        cluster(syncd_group=ip("192.0.2.81")),
        "syncd_group",
        "is no multicast group",
    ),
    ("a sync port out of range", cluster(syncd_port=65536), "syncd_port", "out of range"),
    ("a sync ttl out of range", cluster(syncd_ttl=256), "syncd_ttl", "out of range"),
    ("sync messages longer than a datagram", cluster(syncd_maxlen=65508), "syncd_maxlen", "out of range"),
    ("a keepalive finer than milliseconds", cluster(keepalive=1.0105), "keepalive", "three decimals"),
    ("an endless deadtime", cluster(deadtime=float("inf")), "deadtime", "out of range"),
    ("a heartbeat port of 0", cluster(heartbeat_port=0), "heartbeat_port", "1 to 65535"),
    ("a sync daemon number over 255", cluster(syncd_id=256), "syncd_id", "0 to 255"),
    ("a sync daemon on no interface", cluster(syncd_iface="eth 0"), "syncd_iface", "Linux cannot have"),
    ("a negative timeout", cluster(tcp_timeout=-1), "tcp_timeout", "out of range"),
    ("a timeout that the kernel cannot count", cluster(udp_timeout=3_000_000), "udp_timeout", "out of range"),
    (
        "an IPv6 nat_router",
        cluster(nat_router=on("fd00::2", "eth1")),
        "nat_router",
        "write it as nat_router6",
    ),
    (
        "an IPv4 nat_router6",
        cluster(nat_router6=on("10.0.0.3", "eth1")),
        "nat_router6",
        "write it as nat_router",
    ),
    ("a nat_router of zeros", cluster(nat_router=on("0.0.0.0", "eth1")), "nat_router", "nobody's address"),
    ("a mask of no bits", cluster(nat_mask=0), "nat_mask", "choose 1 to 32"),
    ("a multicast primary", cluster(primary=ip("224.0.0.1")), "primary", "many machines"),
    (
        "a command with both kinds of quotes",
        cluster(active_cmd="/a '\""),
        "active_cmd",
        "both kinds of quotes",
    ),
    ("an empty text", cluster(rsh_command=""), "rsh_command", "is empty"),
    ("an active virtual server without address", shop(address=None), "address", "active but has no address"),
    (
        "an active one at 0.0.0.0",
        shop(address=on("0.0.0.0", "eth0:1")),
        "address",
        "active but has no address",
    ),
    ("a multicast virtual address", shop(address=on("239.1.1.1", "eth0:1")), "address", "many machines"),
    ("a device with a slash", shop(address=on("192.0.2.1", "eth/0")), "address", "Linux cannot have"),
    ("a device with a blank", shop(address=on("192.0.2.1", "eth 0")), "address", "Linux cannot have"),
    (
        "a device of 16 characters",
        shop(address=on("192.0.2.1", "enp0s31f6.4094:1")),
        "address",
        "Linux takes 15",
    ),
    (
        "a device with two labels",
        shop(address=on("192.0.2.1", "eth0:1:2")),
        "address",
        "neither an interface",
    ),
    ("a device that is only a label", shop(address=on("192.0.2.1", ":1")), "address", "neither an interface"),
    ("a port of 0", shop(port=0), "port", "1 to 65535"),
    ("a port of 70000", shop(port=70000), "port", "1 to 65535"),
    ("a mask over 32 for IPv4", shop(address_mask=33), "address_mask", "choose 1 to 32"),
    ("a mask over 128 for IPv6", shop(SHOP6, address_mask=129), "address_mask", "choose 1 to 128"),
    ("a negative firewall mark", shop(fwmark=-1), "fwmark", "out of range"),
    ("a firewall mark over 32 bits", shop(fwmark=2**32), "fwmark", "out of range"),
    ("ports without a firewall mark", shop(ports=(PortRange(443, 443),)), "ports", "write fwmark = 80"),
    ("a range that runs backwards", shop(MARKED, ports=(PortRange(9, 5),)), "ports", "the lower one first"),
    ("a range past 65535", shop(MARKED, ports=(PortRange(900, 70000),)), "ports", "1 to 65535"),
    (
        "ports that overlap",
        shop(MARKED, ports=(PortRange(500, 600), PortRange(600, 700))),
        "ports",
        "overlap",
    ),
    ("the port once more among the ports", shop(MARKED, ports=(PortRange(80, 80),)), "ports", "leave it out"),
    (
        "ranges of another protocol that overlap",
        shop(
            MARKED,
            ports=(
                PortRange(443, 443, Protocol.UDP),
                PortRange(440, 450),
                PortRange(400, 500, Protocol.UDP),
            ),
        ),
        "ports",
        "ports udp/400:500 and udp/443 overlap",
    ),
    (
        "a scheduler flag of another scheduler",
        shop(scheduler=Scheduler.SH, scheduler_flags=(SchedulerFlag.MH_PORT,)),
        "scheduler_flags",
        "choose mh",
    ),
    (
        "a scheduler flag of a scheduler without flags",
        shop(scheduler_flags=(SchedulerFlag.SH_PORT,)),
        "scheduler_flags",
        "choose sh",
    ),
    ("one_packet for tcp", shop(one_packet=True), "one_packet", "is for udp"),
    ("persistence over 31 days", shop(persistence=86400 * 31 + 1), "persistence", "out of range"),
    ("a negative persistence", shop(persistence=-1), "persistence", "out of range"),
    ("a service timeout of 0", shop(timeout=0), "timeout", "out of range"),
    ("a negative re-entry time", shop(reentry=-1), "reentry", "out of range"),
    ("no failed check that counts", shop(failures=0), "failures", "out of range"),
    ("a bad regular expression", check_of(expect="(", use_regex=True), "expect", "not a regular expression"),
    (
        "a quote in a program that is not closed",
        check_of(send_program="x 'y"),
        "send_program",
        "a quote is not closed",
    ),
    ("a program that is a folder", check_of(send_program="/bin/"), "send_program", "names no program"),
    ("a path without its slash", check_of(kind=CheckKind.HTTP, http_path="x"), "http_path", "begin with /"),
    ("a path with a blank", check_of(kind=CheckKind.HTTP, http_path="/a b"), "http_path", "%20"),
    ("a host that is none", check_of(kind=CheckKind.HTTP, http_host="a b"), "http_host", "no host name"),
    ("a name with a port", check_of(kind=CheckKind.HTTPS, tls_name="a:1"), "tls_name", "no host name"),
    ("no status", check_of(kind=CheckKind.HTTP, http_status=()), "http_status", "no status code"),
    (
        "a status above all",
        check_of(kind=CheckKind.HTTP, http_status=(StatusRange(200, 600),)),
        "http_status",
        "out of range",
    ),
    ("a name with a blank", check_of(kind=CheckKind.DNS, dns_name="a b"), "dns_name", "name of the DNS"),
    ("a name with an empty label", check_of(kind=CheckKind.DNS, dns_name="a..b"), "dns_name", "of the DNS"),
    ("an agent without its port", shop(load_monitor="agent"), "agent_port", "set agent_port"),
    ("a monitor without a name", shop(load_monitor="/bin/"), "load_monitor", "names no program"),
    ("more protection than all", shop(protection=101), "protection", "out of range"),
    ("a look ahead", check_of(expect="(?=a)", use_regex=True), "expect", "not a regular expression"),
    ("an active real server without address", real(address=None), "address", "active but has no address"),
    ("a real server for many", real(address=ip("255.255.255.255")), "address", "many machines"),
    ("a link-local real server", real(SHOP6, address=ip("fe80::1")), "address", "link-local"),
    (
        "a link-local sorry server",
        shop(SHOP6, sorry_server=ip("fe80::1")),
        "sorry_server",
        "link-local",
    ),
    ("a negative weight", real(weight=-1), "weight", "0 to 65535"),
    ("a weight over 65535", real(weight=65536), "weight", "0 to 65535"),
    ("a real port of 65536", real(port=65536), "port", "1 to 65535"),
    (
        "a real port of its own in direct routing",
        real(replace(SHOP, forwarding=DIRECT), port=81),
        "port",
        "use nat",
    ),
    (
        "a real port of its own in a tunnel",
        real(replace(SHOP, forwarding=TUNNEL), port=81),
        "port",
        "use nat",
    ),
    ("an IPv6 real server behind an IPv4 address", real(address=ip("fd00::1")), "address", "or tunnel"),
    (
        "an IPv6 real server in a tunnel with the sync daemon",
        cluster(replace(SHOP, forwarding=TUNNEL, real_servers=(REAL6,)), syncdaemon=True),
        "address",
        "sync daemon",
    ),
    (
        "a lower threshold above the upper one",
        real(upper_threshold=5, lower_threshold=6),
        "lower_threshold",
        "above upper",
    ),
    ("a lower threshold alone", real(lower_threshold=6), "lower_threshold", "above upper"),
    (
        "one address and port for two real servers",
        shop(real_servers=(REAL, replace(REAL, name="b", port=80))),
        "address",
        "same address and port",
    ),
    (
        "two real servers of one name",
        shop(real_servers=(REAL, replace(REAL, address=ip("10.0.0.2")))),
        "name",
        "taken already",
    ),
    ("two virtual servers of one name", cluster(SHOP, other(name="shop")), "name", "taken already"),
    ("a name with a quote", shop(name='a"b'), "name", "leave it out"),
    ("a name with a line break", shop(name="a\nb"), "name", "control character"),
    ("a name with a blank at its end", shop(name="a "), "name", "ends with a blank"),
    ("an empty name", shop(name=""), "name", "is empty"),
    ("a long name", shop(name="x" * (MAX_NAME + 1)), "name", f"shorten it to {MAX_NAME}"),
    ("a comment without #", shop(comments=(("port", ("port = 1",)),)), "comments", "does not begin with #"),
    (
        "one firewall mark for two",
        cluster(MARKED, other(address=SHOP.address, fwmark=80, port=443)),
        "fwmark",
        "one virtual server that names the further ports",
    ),
    (
        "one firewall mark for two addresses",
        cluster(MARKED, other(fwmark=80, port=443)),
        "fwmark",
        "a mark of its own, such as fwmark = 81",
    ),
    (
        "one port for two",
        cluster(SHOP, other(address=SHOP.address)),
        "port",
        "belongs to virtual server shop",
    ),
    (
        "a port inside the ports of another",
        cluster(
            replace(MARKED, ports=(PortRange(100, 900),)),
            other(address=SHOP.address, port=443),
        ),
        "port",
        "belongs to virtual server shop",
    ),
    (
        "a port of another protocol inside the ports of another",
        cluster(
            replace(MARKED, ports=(PortRange(100, 900, Protocol.SCTP),)),
            other(address=SHOP.address, port=443, protocol=Protocol.SCTP),
        ),
        "port",
        "sctp port 443 belongs to virtual server shop",
    ),
    (
        "the port that another's FTP sends its data from by direct routing",
        cluster(
            replace(MARKED, port=21, forwarding=DIRECT, persistence=300),
            other(address=SHOP.address, port=20, forwarding=DIRECT),
        ),
        "port",
        "port 20 (where FTP sends its data from) belongs to virtual server shop",
    ),
    (
        "one address on two devices",
        cluster(SHOP, other(address=on("192.0.2.1", "eth1:1"), port=443)),
        "address",
        "an address has one device",
    ),
    (
        "a router's own address as virtual",
        shop(address=on("192.0.2.12", "eth0:1")),
        "address",
        "cannot float",
    ),
]


@pytest.mark.parametrize(
    ("config", "field", "words"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_must_not_be_installed(config, field, words):
    found = problems(config)
    assert [(p.field, p.severity) for p in found] == [(field, Severity.ERROR)], [str(p) for p in found]
    assert words in found[0].message


def test_every_problem_names_a_place_and_a_field_that_exist():
    tables = {"": GLOBAL, "virtual": VIRTUAL, "server": SERVER}
    others = {"name", "comments", "real_servers", None}
    for row in (*ERRORS, *WARNINGS):
        for problem in problems(row[1]):
            table = tables.get(problem.place[-2] if problem.place else "", VIRTUAL)
            assert problem.field in {keyword.attribute for keyword in table} | others, problem
            assert problem.line is None


def test_a_message_names_its_place_so_that_it_stands_by_itself():
    (problem,) = problems(real(weight=-1))
    assert problem.place == ("virtual", "shop", "server", "a")
    assert str(problem).startswith("real server a of shop: weight -1 is out of range")


def test_all_problems_are_found_at_once():
    found = problems(
        cluster(replace(SHOP, port=0, timeout=0, real_servers=(replace(REAL, weight=-1),)), deadtime=1)
    )
    assert {problem.field for problem in found} == {"deadtime", "port", "timeout", "weight"}


def test_check_gives_each_rules_problem_the_line_of_its_directive():
    text = "virtual web {\nactive = 1\naddress = 192.0.2.1 eth0:1\nnetwork = direct\nport = 0\n}\n"
    assert [(p.line, p.field) for p in check(text).problems] == [(1, "real_servers"), (5, "port")]


def test_every_field_of_the_model_has_a_directive():
    for cls, table, others in (
        (GlobalSettings, GLOBAL, set()),
        (Redundancy, GLOBAL, set()),
        (VirtualServer, VIRTUAL, {"name", "check", "real_servers", "comments"}),
        (HealthCheck, VIRTUAL, set()),
        (RealServer, SERVER, {"name", "comments"}),
    ):
        assert {field.name for field in fields(cls)} - others <= {keyword.attribute for keyword in table}
