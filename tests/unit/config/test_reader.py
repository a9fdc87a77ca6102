"""What the reader takes from a text, and what it says about it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL, Block
from lvs.config.model import (
    CheckKind,
    DnsType,
    FloatingAddress,
    Forwarding,
    HttpMethod,
    PortRange,
    Protocol,
    Scheduler,
    SchedulerFlag,
    Service,
    Severity,
    StatusRange,
)
from lvs.config.reader import read

SAMPLES = Path(__file__).parent / "samples"


def errors(text):
    return [(p.line, p.message) for p in read(text).problems if p.severity is Severity.ERROR]


def warnings(text):
    return [(p.line, p.message) for p in read(text).problems if p.severity is Severity.WARNING]


def in_virtual(text, kind="virtual"):
    return f"{kind} web {{\nactive = 1\n{text}\n}}\n"


def in_server(text):
    return in_virtual(f"server one {{\nactive = 1\n{text}\n}}")


def ip(text):
    return IPv6Address(text) if ":" in text else IPv4Address(text)


def on(address, device):
    return FloatingAddress(address=ip(address), device=device)


# directive, value as written, value read
GLOBALS = [
    ("serial_no", "2013042401", 2013042401),
    ("primary", "10.0.0.1", ip("10.0.0.1")),
    ("primary", "2001:db8::1", ip("2001:db8::1")),
    ("primary_private", "10.9.9.1", ip("10.9.9.1")),
    ("primary_shared", "/dev/sdb", "/dev/sdb"),
    ("service", "fos", Service.FOS),
    ("rsh_command", '"ssh -q"', "ssh -q"),
    ("backup_active", "1", True),
    ("backup_active", "01", True),
    ("backup", "10.0.0.2", ip("10.0.0.2")),
    ("backup", "0.0.0.0", None),
    ("backup_private", "10.9.9.2", ip("10.9.9.2")),
    ("backup_shared", "/dev/sdc", "/dev/sdc"),
    ("heartbeat", "0", False),
    ("heartbeat_port", "1050", 1050),
    ("heartbeat_port", "syslog", 514),
    ("keepalive", "6", 6),
    ("keepalive", "0.25", 0.25),
    ("deadtime", "1.5", 1.5),
    ("network", "direct", Forwarding.DIRECT),
    ("nat_router", "10.0.0.254 eth1:1", on("10.0.0.254", "eth1:1")),
    ("nat_nmask", "255.255.255.0", 24),
    ("nat_nmask", "0.0.0.0", None),
    ("nat_router6", "fd00::1 eth1", on("fd00::1", "eth1")),
    ("reservation_conflict_action", "preempt", "preempt"),
    ("debug_level", "NONE", "NONE"),
    ("monitor_links", "1", True),
    ("syncdaemon", "1", True),
    ("syncd_iface", "eth1", "eth1"),
    ("syncd_id", "7", 7),
    ("syncd_maxlen", "1400", 1400),
    ("syncd_group", "239.1.2.3", ip("239.1.2.3")),
    ("syncd_port", "8849", 8849),
    ("syncd_ttl", "2", 2),
    ("failback", "0.25", 0.25),
    ("check_gateway", "192.0.2.254", ip("192.0.2.254")),
    ("tcp_timeout", "900", 900),
    ("tcpfin_timeout", "120", 120),
    ("udp_timeout", "300", 300),
    ("active_cmd", '"/bin/up now"', "/bin/up now"),
    ("inactive_cmd", "/bin/down", "/bin/down"),
    ("hard_shutdown", "0", False),
    ("ipvsadm", "/sbin/ipvsadm", "/sbin/ipvsadm"),
    ("sync", "1", True),
]
VIRTUALS = [
    ("active", "1", True),
    ("address", "192.0.2.1 eth0:1", on("192.0.2.1", "eth0:1")),
    ("address", "2001:db8::80 eth0", on("2001:db8::80", "eth0")),
    ("sorry_server", "10.0.0.9", ip("10.0.0.9")),
    ("sorry_port", "8080", 8080),
    ("vip_nmask", "255.255.255.255", 32),
    ("fwmark", "100", 100),
    ("port", "http", 80),
    ("port", "8080", 8080),
    ("ports", "443,10000:20000", (PortRange(443, 443), PortRange(10000, 20000))),
    ("ports", "https, 8080", (PortRange(443, 443), PortRange(8080, 8080))),
    (
        "ports",
        "443,udp/443,udp/isakmp,sctp/10000:20000",
        (
            PortRange(443, 443),
            PortRange(443, 443, Protocol.UDP),
            PortRange(500, 500, Protocol.UDP),
            PortRange(10000, 20000, Protocol.SCTP),
        ),
    ),
    ("persistent", "360", 360),
    ("pmask", "255.255.255.0", 24),
    ("send", r'"GET / HTTP/1.0\r\n\r\n"', r"GET / HTTP/1.0\r\n\r\n"),
    ("send", "'single quoted'", "single quoted"),
    ("send", '"a # b"', "a # b"),
    ("send", '""', None),
    ("expect", "HTTP", "HTTP"),
    ("use_regex", "1", True),
    ("send_program", '"/bin/check %h"', "/bin/check %h"),
    ("check", "https", CheckKind.HTTPS),
    ("check_port", "8080", 8080),
    ("http_method", "HEAD", HttpMethod.HEAD),
    ("http_path", '"/health?full=1"', "/health?full=1"),
    ("http_host", '"www.example.com"', "www.example.com"),
    ("http_status", "200:299,304", (StatusRange(200, 299), StatusRange(304, 304))),
    ("tls_verify", "1", True),
    ("tls_name", '"www.example.com"', "www.example.com"),
    ("tls_expiry", "30", 30),
    ("dns_name", '"www.example.com"', "www.example.com"),
    ("dns_type", "MX", DnsType.MX),
    ("agent_port", "8081", 8081),
    ("agent_send", r'"shop\n"', r"shop\n"),
    ("weight_floor", "10", 10),
    ("weight_ceiling", "200", 200),
    ("slow_start", "120", 120),
    ("pool_protection", "50", 50),
    ("drain_time", "0", 0),
    ("start_cmd", '"/bin/start it"', "/bin/start it"),
    ("stop_cmd", '"/bin/stop it"', "/bin/stop it"),
    ("load_monitor", "rup", "rup"),
    ("client_monitor", "/usr/sbin/nanny", "/usr/sbin/nanny"),
    ("master", "lvs1", "lvs1"),
    ("dirs", '[ /a "/b c" ]', ("/a", "/b c")),
    ("scheduler", "lblcr", Scheduler.LBLCR),
    ("scheduler", "mh", Scheduler.MH),
    ("sched_flags", "sh-port,sh-fallback", (SchedulerFlag.SH_PORT, SchedulerFlag.SH_FALLBACK)),
    ("protocol", "sctp", Protocol.SCTP),
    ("one_packet", "1", True),
    ("network", "tunnel", Forwarding.TUNNEL),
    ("timeout", "6", 6),
    ("failures", "3", 3),
    ("reentry", "15", 15),
    ("quiesce_server", "1", True),
]
SERVERS = [
    ("address", "10.0.0.1", ip("10.0.0.1")),
    ("address", "0.0.0.0", None),
    ("active", "0", False),
    ("port", "8080", 8080),
    ("weight", "0", 0),
    ("upper_threshold", "1000", 1000),
    ("lower_threshold", "800", 800),
]


def test_the_tables_below_have_every_directive():
    for rows, table in ((GLOBALS, GLOBAL), (VIRTUALS, VIRTUAL), (SERVERS, SERVER)):
        assert {row[0] for row in rows} == {keyword.name for keyword in table}


def attribute(table, name, block):
    keyword = next(keyword for keyword in table if keyword.name == name)
    return getattr(getattr(block, keyword.part) if keyword.part else block, keyword.attribute)


@pytest.mark.parametrize(("name", "written", "value"), GLOBALS)
def test_global_directive_is_read(name, written, value):
    text = f"{name} = {written}\n"
    assert errors(text) == []
    assert attribute(GLOBAL, name, read(text).config) == value


@pytest.mark.parametrize("kind", ["virtual", "failover"])
@pytest.mark.parametrize(("name", "written", "value"), VIRTUALS)
def test_directive_is_read_in_virtual_and_failover_blocks(kind, name, written, value):
    text = in_virtual(f"{name} = {written}", kind)
    assert errors(text) == []
    config = read(text).config
    (block,) = config.virtual_servers if kind == "virtual" else config.failover_services
    assert attribute(VIRTUAL, name, block) == value


@pytest.mark.parametrize(("name", "written", "value"), SERVERS)
def test_directive_is_read_in_server_blocks(name, written, value):
    text = in_server(f"{name} = {written}")
    assert errors(text) == []
    assert attribute(SERVER, name, read(text).config.virtual_servers[0].real_servers[0]) == value


@pytest.mark.parametrize("block", Block)
def test_an_empty_block_has_the_daemons_defaults(block):
    text = {"global": "#", "server": in_server("")}.get(block, in_virtual("", block))
    config = read(text).config
    settings, redundancy = config.global_settings, config.redundancy
    if block is Block.GLOBAL:
        assert (settings.forwarding, settings.hard_shutdown, settings.tcp_timeout) == (
            Forwarding.NAT,
            True,
            0,
        )
        assert (redundancy.heartbeat_port, redundancy.keepalive, redundancy.deadtime) == (539, 2, 5)
    elif block is Block.SERVER:
        server = config.virtual_servers[0].real_servers[0]
        assert (server.address, server.port, server.weight) == (None, None, 1)
    else:
        (service,) = config.virtual_servers + config.failover_services
        assert (service.port, service.scheduler, service.timeout) == (80, Scheduler.WLC, 10)
        assert (service.reentry, service.persistence, service.protocol) == (180, 0, Protocol.TCP)


REFUSED = [
    ("a host name", "primary = router1", "host names are not looked up"),
    ("a partial address", "primary = 1.2.3", "is not a whole IPv4 address"),
    ("a number with leading zeros in an address", "primary = 192.168.001.1", "without leading zeros"),
    ("an address with a zone", "primary = fe80::1%eth0", "names a zone"),
    ("an address with a prefix", "primary = 10.0.0.1/24", "has a prefix length"),
    ("an address with a port", in_virtual("sorry_server = 10.0.0.1:80"), "has a port"),
    ("a malformed IPv6 address", "primary = 2001::db8::1", "is not an IPv6 address"),
    ("0.0.0.0 as primary", "primary = 0.0.0.0", "nobody's address"),
    ("a missing device", "nat_router = 10.0.0.1", "device is missing"),
    ("a word behind the value", "primary = 10.0.0.1   3", 'unexpected "3"'),
    ("several words without quotes", "active_cmd = /bin/up now", "with blanks needs quotes"),
    ("a missing value", "primary =", "the value is missing"),
    ("a comment as value", "primary = # none", "the value is missing"),
    ("a missing equals sign", "primary 10.0.0.1", "the equals sign is missing"),
    ("a word as number", "tcp_timeout = soon", "is not a whole number"),
    ("a number with a tail", "tcp_timeout = 10s", "is not a whole number"),
    ("a number of a thousand digits", f"serial_no = {'9' * 1000}", "is not a whole number"),
    ("an octal number that is none", "tcp_timeout = 089", "write 89"),
    ("yes", "backup_active = yes", "write 1 for yes"),
    ("2 as flag", "backup_active = 2", "neither 0 nor 1"),
    ("a word outside of the choices", "network = NAT", "nat, direct, tunnel"),
    ("a scheduler that was dropped", in_virtual("scheduler = pcc"), "rr, wrr"),
    ("an unknown service name", in_virtual("port = gopher+"), "write the port's number"),
    ("a service name that UDP does not have", in_virtual("protocol = udp\nport = ssh"), "not a udp service"),
    ("a service name as real server's port", in_server("port = http"), "is not a whole number"),
    ("an open range of ports", in_virtual("ports = 10:"), "10000:20000"),
    ("ports of no protocol", in_virtual("ports = /443"), "tcp, udp, sctp"),
    ("ports of an unknown protocol", in_virtual("ports = icmp/443"), "tcp, udp, sctp"),
    ("a protocol without ports", in_virtual("ports = udp/"), "10000:20000"),
    ("a bare prefix as IPv4 mask", "nat_nmask = 24", "255.255.255.0"),
    ("a mask whose ones are apart", "nat_nmask = 255.0.255.0", "ones together"),
    ("a prefix over 32", "nat_nmask = 33", "IPv4 has 32 bits"),
    (
        "a dotted mask for IPv6",
        in_virtual("vip_nmask = 255.0.0.0\naddress = ::5 eth0"),
        "prefix length such as 64",
    ),
    ("a prefix over 128", in_virtual("vip_nmask = 129\naddress = ::5 eth0"), "IPv6 has 128"),
    ("a list without brackets", in_virtual("dirs = a b"), "a list is expected"),
    ("an unknown directive", "deadtme = 3", "did you mean deadtime?"),
    ("a directive in capitals", "Primary = 10.0.0.1", "did you mean primary?"),
    ("a directive of another block", "weight = 3", "it belongs in a server block"),
    ("a word of keepalived's in the middle", "primary = 10.0.0.1\nlb_algo rr", "belongs to keepalived.conf"),
    ("ldirectord's grammar", "checktimeout=3\nvirtual=10.0.0.1:80", "belongs to ldirectord.cf"),
    ("ipvsadm's rules", "-A -t 10.0.0.1:80 -s rr", "list of ipvsadm rules"),
    ("an open quote", 'rsh_command = "ssh', "a quote is not closed"),
    ("an open quote in a block", in_virtual('send = "GET /'), "a quote is not closed"),
    ("an open quote in a name", 'virtual "web {\n}', "a quote is not closed"),
    ("text behind a closing quote", 'rsh_command = "ssh"q', 'unexpected "q"'),
    ("a brace on the next line", "virtual web\n{\nactive = 1\n}", "the brace is missing on this line"),
    ("a glued brace", "virtual web{\nactive = 1\n}", "a blank is missing before the brace"),
    ("a block on one line", "virtual web { active = 1 }", "stands on one line"),
    ("a block without a name", "virtual {\nactive = 1\n}", "the name is missing"),
    ("a name with blanks", "virtual my web {\nactive = 1\n}", "stands in quotes"),
    ("text behind the brace", "virtual web {  15\nactive = 1\n}", 'unexpected "15"'),
    ("an equals sign behind virtual", "server = 1", "write server NAME {"),
    ("a stray closing brace", "}", "closes nothing"),
    ("a server outside", "server a {\naddress = 10.0.0.1\n}", "outside of a virtual server"),
    ("an unknown block", "vhost a {\nb {\n}\nx = y\n}", '"vhost" is not a block'),
    ("a virtual inside a virtual", "virtual a {\nactive = 1\nvirtual b {\nactive = 1\n}", "is not closed"),
    (
        "a server inside a server",
        in_virtual("server a {\nactive = 1\nserver b {\nactive = 1\n}"),
        "is not closed",
    ),
    ("a NUL byte", "primary = 10.0.0.1\0", "NUL byte"),
    ("a NUL byte in a comment", "# \0", "NUL byte"),
    ("an empty file", "", "the configuration is empty"),
    ("a file of blank lines", "\n \t\n", "the configuration is empty"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_in_one_clear_sentence(text, message):
    ((_, said),) = errors(text)
    assert message in said
    assert not read(text).complete


WARNED = [
    ("blanks missing around the equals sign", "primary=10.0.0.1", "write primary = VALUE"),
    ("a comment behind the value", "primary = 10.0.0.1 # the first", "a comment stands behind the value"),
    ("a comment behind the brace", in_virtual("server a { # first\nactive = 1\n}"), "behind the brace"),
    ("a byte order mark", "\ufeffprimary = 10.0.0.1", "byte order mark"),
    ("mixed line ends", "primary = 10.0.0.1\r\nbackup = 10.0.0.2\n#", "mixes Windows and Unix"),
    ("a missing closing brace", "virtual web {\nactive = 1", "add the missing }"),
    ("text behind the closing brace", in_virtual("") + "virtual b {\nactive = 1\n} end", "was ignored"),
    ("an octal number", "tcp_timeout = 010", "taken as octal, 8"),
    ("a hexadecimal number", "tcp_timeout = 0x12", "taken as 18"),
    ("a slash before a mask's length", "nat_nmask = /24", "taken as 255.255.255.0"),
    ("a repeated directive", "primary = 10.0.0.1\nprimary = 10.0.0.2", "stands in line 1 already"),
    ("a repeated name", in_virtual("") + in_virtual(""), 'was named "web-2"'),
    ("a missing active", "virtual web {\n}", "add active = 0 or 1"),
    ("a missing active of a real server", in_virtual("server a {\n}"), "add active = 0 or 1"),
    ("a directive that is only kept", "debug_level = NONE", "has no effect"),
    ("expect_program of the old GUI", in_virtual("expect_program = /bin/x"), "left out"),
    ("deadtime of the old GUI", in_virtual("deadtime = 3"), "left out"),
    ("nmask of the old GUI", in_server("nmask = 255.0.0.0"), "left out"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in WARNED], ids=[row[0] for row in WARNED])
def test_taken_with_one_warning(text, message):
    assert errors(text) == []
    ((_, said),) = warnings(text)
    assert message in said


def test_the_last_of_repeated_directives_counts():
    assert read("primary = 10.0.0.1\nprimary = 10.0.0.2").config.global_settings.primary == ip("10.0.0.2")


def test_a_files_problems_are_all_found_and_each_has_its_line():
    text = (SAMPLES / "broken.cf").read_text()
    wanted = [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 25, 26, 29, 30]
    assert [line for line, _ in errors(text)] == wanted


def test_another_programs_grammar_is_refused_in_one_sentence():
    ((line, message),) = errors((SAMPLES / "keepalived-grammar.cf").read_text())
    assert line == 2
    assert "keepalived.conf" in message


def test_a_file_with_harmless_oddities_is_read():
    reading = read((SAMPLES / "harmless-oddities.cf").read_bytes().decode())
    assert reading.ok
    config = reading.config
    assert (config.redundancy.keepalive, config.redundancy.deadtime) == (6, 18)
    assert [service.name for service in config.virtual_servers] == ["web", "web-2"]
    web = config.virtual_servers[0]
    assert (web.address, web.port, web.address_mask) == (on("192.0.2.100", "eth0:1"), 80, None)
    assert web.real_servers[0].address == ip("10.0.0.1")


def test_what_piranha_knew_is_read_without_an_error():
    reading = read((SAMPLES / "piranha-everything.cf").read_text())
    assert reading.ok
    shop, dns = reading.config.virtual_servers
    assert (shop.name, dns.name) == ("web shop", "dns")
    assert (shop.check.send, shop.check.expect) == (r"GET /?q=a#b HTTP/1.0\r\n\r\n", 'say "up"')
    assert [(server.name, server.port) for server in shop.real_servers] == [
        ("1", None),
        ("two.example", 8080),
    ]
    assert (dns.port, dns.protocol) == (53, Protocol.UDP)
    assert [service.name for service in reading.config.failover_services] == ["printing"]


def test_comments_stay_with_the_directive_below_them():
    config = read((SAMPLES / "piranha-everything.cf").read_text()).config
    assert dict(config.comments)["global"][0] == "# Office cluster, lvs1 and lvs2"
    assert dict(config.comments)["primary"] == ("# the pair",)
    assert dict(config.comments)[""] == ("# end of file",)
    shop = config.virtual_servers[0]
    assert shop.comments == (("", ("# end of web shop",)),)
    assert dict(shop.real_servers[1].comments) == {"address": ("# drained for now",), "": ("# end of two",)}


def test_a_comment_behind_a_value_is_kept_above_it():
    config = read("primary = 10.0.0.1 # the first").config
    assert config.comments == (("primary", ("# the first",)),)


def test_a_comment_only_file_is_an_empty_configuration_without_an_error():
    assert errors("# nothing yet\n") == []


def test_line_numbers_of_values_and_blocks_are_known():
    lines = read("primary = 10.0.0.1\n\n" + in_server("weight = 3")).lines
    assert lines[(), "primary"] == 1
    assert lines[("virtual", "web"), None] == 3
    assert lines[("virtual", "web", "server", "one"), "weight"] == 7


def test_a_brace_in_quotes_is_a_name():
    reading = read('virtual "{" {\nactive = 0\n}\n')
    assert (reading.ok, [each.name for each in reading.config.virtual_servers]) == (True, ["{"])
