"""What the reader does with huge and foreign texts, and which port names it knows."""

from __future__ import annotations

import pytest

from lvs.config.model import Protocol, Severity
from lvs.config.reader import decode, read
from lvs.config.services import port_of


def test_many_repeated_names_are_told_apart_in_linear_time():
    config = read("virtual a {\nactive = 0\n}\n" * 3000).config
    assert len({service.name for service in config.virtual_servers}) == 3000


HUGE = [
    ("a line of a megabyte", "primary = " + "1" * 1_000_000),
    ("a megabyte of open quotes", "send = " + '"' * 1_000_001),
    ("a hundred thousand words", "primary = " + "x " * 100_000),
    ("a hundred thousand unknown directives", "".join(f"word{number} = 1\n" for number in range(100_000))),
    ("forty thousand open blocks", "virtual a {\nserver b {\n" * 20_000),
    ("a hundred thousand unknown blocks", "x {\n" * 100_000),
    ("a megabyte of equals signs", "=" * 1_000_000),
    ("a megabyte of blanks before nothing", "primary" + " " * 1_000_000),
    ("NUL bytes", "\0" * 100_000),
]


@pytest.mark.parametrize("text", [row[1] for row in HUGE], ids=[row[0] for row in HUGE])
def test_huge_nonsense_is_refused_in_bounded_time_and_short_sentences(text):
    problems = read(text).problems
    assert problems
    assert max(len(problem.message) for problem in problems) < 300


def test_latin_1_bytes_are_taken_with_a_warning():
    text, (problem,) = decode(b"primary = 10.0.0.1\n# Caf\xe9\n")
    assert text.endswith("# Caf\xe9\n")
    assert (problem.line, problem.severity) == (2, Severity.WARNING)


@pytest.mark.parametrize(
    ("name", "protocol", "port"),
    [
        ("syslog", Protocol.UDP, 514),
        ("shell", Protocol.TCP, 514),
        ("syslog", Protocol.TCP, None),
        ("domain", Protocol.UDP, 53),
        ("https", Protocol.SCTP, 443),
        ("ssh", Protocol.SCTP, None),
    ],
)
def test_service_names_are_those_of_the_protocol(name, protocol, port):
    assert port_of(name, protocol) == port
