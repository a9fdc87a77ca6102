"""From lvs.cf's directives to checks."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest

from lvs.config.model import HealthCheck, LvsConfig, Protocol, RealServer, VirtualServer
from lvs.nanny.checks import check_of, problems, unescape

REAL = RealServer(name="a", address=ip_address("10.0.0.1"), active=True)


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


def test_a_program_is_replaced_by_a_connect_check_and_said_so() -> None:
    with_program = virtual(port=80, check=HealthCheck(send_program="/bin/probe %h", expect="OK"))
    check = check_of(with_program, REAL)
    assert check is not None
    assert (check.send, check.expect) == (b"", b"")
    (problem,) = problems(LvsConfig(virtual_servers=(with_program,)))
    assert problem.message.startswith(
        "virtual web: checked by connect only; programs are not run by this version"
    )


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
