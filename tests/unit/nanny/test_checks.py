"""From lvs.cf's directives to checks."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.config.model import (
    CheckKind,
    DnsType,
    HealthCheck,
    HttpMethod,
    LvsConfig,
    Protocol,
    RealServer,
    StatusRange,
    VirtualServer,
)
from lvs.nanny.checks import (
    Check,
    Http,
    Kind,
    Question,
    Tls,
    agent_of,
    check_of,
    host_name,
    problems,
    unescape,
)
from lvs.nanny.descriptions import describe

REAL = RealServer(name="a", address=ip_address("10.0.0.1"), active=True)
REAL6 = RealServer(name="b", address=ip_address("fd00::1"), active=True)


def virtual(**settings: object) -> VirtualServer:
    return VirtualServer(name="web", active=True, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"),
        (r"a\tb", b"a\tb"),
        (r"a\\n", b"a\\n"),
        (r"say \"it\'s\"", b'say "it\'s"'),
        (r"\x", b"x"),
        ("end\\", b"end\\"),
        ("é", "é".encode()),
        ("x" * 1000, b"x" * 1000),
    ],
)
def test_escapes_are_translated_as_nanny_did(text: str, expected: bytes) -> None:
    assert unescape(text) == expected


def test_virtual_port_80_without_a_check_is_asked_for_a_web_page() -> None:
    check = check_of(virtual(port=80), REAL)
    assert check is not None
    assert (check.send, check.expect) == (b"GET / HTTP/1.0\r\n\r\n", b"HTTP")


def test_the_virtual_port_decides_the_default_and_the_real_port_is_contacted() -> None:
    on_80 = check_of(virtual(port=80), RealServer(name="a", address=REAL.address, port=8080))
    on_8080 = check_of(virtual(port=8080), RealServer(name="a", address=REAL.address, port=80))
    assert on_80 is not None
    assert on_8080 is not None
    assert (on_80.port, on_80.send) == (8080, b"GET / HTTP/1.0\r\n\r\n")
    assert (on_8080.port, on_8080.send, on_8080.expect) == (80, b"", b"")


def test_other_ports_and_udp_80_have_no_default_text() -> None:
    for setting in (virtual(port=443), virtual(port=80, protocol=Protocol.UDP)):
        check = check_of(setting, REAL)
        assert check is not None
        assert (check.send, check.expect) == (b"", b"")


def test_a_real_server_without_an_address_has_no_check() -> None:
    assert check_of(virtual(), RealServer(name="a")) is None


def test_two_virtual_servers_that_want_the_same_check_share_it() -> None:
    assert check_of(virtual(port=443), REAL) == check_of(virtual(port=443, persistence=60), REAL)
    assert check_of(virtual(port=443), REAL) != check_of(virtual(port=443, timeout=3), REAL)


def test_a_regular_expression_keeps_its_backslashes() -> None:
    check = check_of(virtual(port=25, check=HealthCheck(expect=r"^220 .*\.example", use_regex=True)), REAL)
    assert check is not None
    assert check.use_regex
    assert re.search(check.expect, b"220 mail.example ESMTP")
    assert not re.search(check.expect, b"220 mailXexample ESMTP")


def of(check: HealthCheck | None = None, real_server: RealServer = REAL, **settings: Any) -> Check:
    found = check_of(virtual(check=check or HealthCheck(), **settings), real_server)
    assert found is not None
    return found


def test_without_a_kind_the_directives_choose_one_as_piranha_did() -> None:
    assert of(port=80).kind is Kind.EXCHANGE
    assert of(port=443).kind is Kind.CONNECT
    assert of(port=53, protocol=Protocol.UDP).kind is Kind.EXCHANGE
    assert of(HealthCheck(expect="220"), port=25).kind is Kind.EXCHANGE
    assert of(HealthCheck(send_program="probe", send="x", expect="OK"), port=80).kind is Kind.PROGRAM


def test_a_connect_check_that_was_chosen_assumes_no_web_page_and_sends_nothing() -> None:
    assert of(HealthCheck(kind=CheckKind.CONNECT, expect="220"), port=80) == Check(
        ip_address("10.0.0.1"), 80, Protocol.TCP, 10.0
    )


def test_connecting_is_tried_over_tcp_where_the_service_is_udp() -> None:
    assert of(HealthCheck(kind=CheckKind.CONNECT), port=53, protocol=Protocol.UDP).protocol is Protocol.TCP
    assert of(HealthCheck(kind=CheckKind.CONNECT), protocol=Protocol.SCTP).protocol is Protocol.SCTP


def test_check_port_is_contacted_in_place_of_the_real_servers_own() -> None:
    real_server = RealServer(name="a", address=REAL.address, port=8080)
    for kind in (CheckKind.AUTO, CheckKind.CONNECT, CheckKind.HTTP, CheckKind.SMTP, CheckKind.DNS):
        assert of(HealthCheck(kind=kind, check_port=9000), real_server).port == 9000
        assert of(HealthCheck(kind=kind), real_server).port == 8080


def test_address_and_port_stand_for_h_and_p_in_words_too() -> None:
    check = of(HealthCheck(send_program=r"probe %h -u http://%h:%p/ 'a %h' \d", expect="OK"), port=8080)
    assert check.program == ("probe", "10.0.0.1", "-u", "http://10.0.0.1:8080/", "a 10.0.0.1", r"\d")
    assert (check.send, check.expect) == (b"", b"OK")


def test_a_program_with_an_open_quote_is_a_program_check_without_a_program() -> None:
    assert of(HealthCheck(send_program="probe 'x")).program == ()


@pytest.mark.parametrize(
    ("check", "real_server", "port", "host"),
    [
        (HealthCheck(kind=CheckKind.HTTP), REAL, 80, "10.0.0.1"),
        (HealthCheck(kind=CheckKind.HTTP), REAL, 8080, "10.0.0.1:8080"),
        (HealthCheck(kind=CheckKind.HTTP), REAL6, 80, "[fd00::1]"),
        (HealthCheck(kind=CheckKind.HTTPS), REAL6, 443, "[fd00::1]"),
        (HealthCheck(kind=CheckKind.HTTPS), REAL6, 80, "[fd00::1]:80"),
        (HealthCheck(kind=CheckKind.HTTP, http_host="shop.example"), REAL, 8080, "shop.example"),
    ],
)
def test_the_host_field_is_the_address_and_an_unusual_port_unless_it_is_set(
    check: HealthCheck, real_server: RealServer, port: int, host: str
) -> None:
    http = of(check, real_server, port=port).http
    assert http is not None
    assert http.host == host


def test_an_http_check_has_all_that_was_set() -> None:
    check = of(
        HealthCheck(
            kind=CheckKind.HTTP,
            http_method=HttpMethod.HEAD,
            http_path="/health",
            http_status=(StatusRange(204, 204),),
            expect=r"a\tb",
        ),
        protocol=Protocol.UDP,
    )
    assert check.http == Http(HttpMethod.HEAD, "/health", "10.0.0.1", (StatusRange(204, 204),))
    assert (check.kind, check.protocol, check.tls, check.expect) == (Kind.HTTP, Protocol.TCP, None, b"a\tb")


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (HealthCheck(kind=CheckKind.HTTPS), "10.0.0.1"),
        (HealthCheck(kind=CheckKind.HTTPS, http_host="shop.example:8443"), "shop.example"),
        (HealthCheck(kind=CheckKind.HTTPS, http_host="[fd00::2]:8443"), "fd00::2"),
        (HealthCheck(kind=CheckKind.HTTPS, http_host="shop.example", tls_name="a.example"), "a.example"),
    ],
)
def test_the_name_for_tls_is_set_or_that_of_the_host_field(check: HealthCheck, name: str) -> None:
    assert of(check, port=443).tls == Tls(name, verify=False, expiry=14)


def test_the_name_of_a_host_field_has_no_port_and_no_brackets() -> None:
    assert [host_name(each) for each in ("a", "a:1", "[fd00::1]", "[fd00::1]:1", "fd00::1", "")] == [
        "a",
        "a",
        "fd00::1",
        "fd00::1",
        "fd00::1",
        "",
    ]


def test_dns_asks_over_the_protocol_of_the_service_and_over_udp_else() -> None:
    check = HealthCheck(kind=CheckKind.DNS, dns_name="shop.example", dns_type=DnsType.MX)
    for service, spoken in (
        (Protocol.TCP, Protocol.TCP),
        (Protocol.UDP, Protocol.UDP),
        (Protocol.SCTP, Protocol.UDP),
    ):
        assert of(check, protocol=service).protocol is spoken
    assert of(check).question == Question("shop.example", DnsType.MX)
    assert of(HealthCheck(kind=CheckKind.DNS)).question == Question(".", DnsType.A)


def test_one_ping_and_one_unchecked_entry_do_for_all_services_of_a_machine() -> None:
    for kind in (CheckKind.PING, CheckKind.NONE):
        check = HealthCheck(kind=kind)
        assert of(check, port=80) == of(check, port=53, protocol=Protocol.UDP)
        assert str(of(check)) == "10.0.0.1"


def test_fields_of_other_kinds_make_no_other_check() -> None:
    assert of(HealthCheck(kind=CheckKind.SMTP, send="x", http_path="/")) == of(
        HealthCheck(kind=CheckKind.SMTP, dns_name="a.example")
    )


def test_a_weight_agent_is_asked_on_its_port_every_timeout() -> None:
    asked = virtual(load_monitor="agent", agent_port=5555, agent_send=r"load\n", timeout=3)
    assert agent_of(asked, REAL) == Check(
        ip_address("10.0.0.1"), 5555, Protocol.TCP, 3.0, send=b"load\n", kind=Kind.AGENT
    )


def test_another_load_monitor_is_a_program_that_gets_the_address_every_twenty_seconds() -> None:
    asked = virtual(load_monitor="uptime", timeout=3)
    check = agent_of(asked, REAL)
    assert check is not None
    assert (check.kind, check.program, check.timeout) == (Kind.LOAD, ("uptime", "10.0.0.1"), 20.0)


def test_nothing_is_asked_for_its_load_where_nothing_can_be() -> None:
    assert agent_of(virtual(), REAL) is None
    assert agent_of(virtual(load_monitor="agent"), REAL) is None
    assert agent_of(virtual(load_monitor="uptime"), RealServer(name="a")) is None


@pytest.mark.parametrize(
    ("check", "settings", "text"),
    [
        (HealthCheck(), {"port": 443}, "connect to port 443"),
        (HealthCheck(), {"port": 443, "protocol": Protocol.SCTP}, "connect to SCTP port 443"),
        (HealthCheck(), {"port": 80}, r"send 'GET / HTTP/1.0\r\n\r\n', expect 'HTTP' on port 80"),
        (HealthCheck(expect="220"), {"port": 25}, "expect '220' on port 25"),
        (HealthCheck(send="x" * 30), {"port": 25}, f"send '{'x' * 24}…' on port 25"),
        (HealthCheck(expect="*"), {"port": 25}, "expect any answer on port 25"),
        (HealthCheck(expect="^2+", use_regex=True), {"port": 25}, "expect a match of '^2+' on port 25"),
        (HealthCheck(), {"port": 53, "protocol": Protocol.UDP}, "expect any answer on UDP port 53"),
        (HealthCheck(kind=CheckKind.HTTP, http_path="/health"), {}, "http GET /health on port 80"),
        (HealthCheck(kind=CheckKind.HTTPS), {"port": 443}, "https GET / on port 443"),
        (HealthCheck(kind=CheckKind.SMTP), {"port": 25}, "smtp on port 25"),
        (HealthCheck(kind=CheckKind.DNS, dns_name="a.example"), {}, "dns A a.example on TCP port 80"),
        (HealthCheck(kind=CheckKind.PING), {}, "ping"),
        (HealthCheck(kind=CheckKind.NONE), {}, "not checked"),
        (HealthCheck(send_program="ftp %h"), {"port": 21}, "program ftp on port 21"),
    ],
)
def test_a_check_is_described_in_a_few_words(check: HealthCheck, settings: dict[str, Any], text: str) -> None:
    assert describe(of(check, **settings)) == text


def test_questions_about_the_load_are_described_too() -> None:
    for settings, text in (
        ({"load_monitor": "agent", "agent_port": 5555}, "agent on port 5555"),
        ({"load_monitor": "rup"}, "load monitor rup"),
    ):
        check = agent_of(virtual(**settings), REAL)
        assert check is not None
        assert describe(check) == text


def test_a_name_that_tls_could_not_ask_for_is_a_problem_at_its_field() -> None:
    def found(**settings: Any) -> list[tuple[str | None, str]]:
        check = HealthCheck(kind=CheckKind.HTTPS, **settings)
        return [
            (problem.field, problem.message)
            for problem in problems(LvsConfig(virtual_servers=(virtual(check=check),)))
        ]

    assert found(tls_name="a..example") == [
        (
            "tls_name",
            "virtual web: tls_name: 'a..example' is no name of a host: write one as in the certificate",
        )
    ]
    assert [field for field, _ in found(http_host=f"{'a' * 64}.example")] == ["http_host"]
    assert found(tls_name="a.example", http_host="a..example") == []
