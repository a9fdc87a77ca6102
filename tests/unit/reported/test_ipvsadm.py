"""The table in the words of ipvsadm. tests/kernel/test_ipvsadm.py compares it with ipvsadm itself."""

from __future__ import annotations

import pytest

from lvs.reported import ipvsadm
from lvs.reported.ipvsadm import Show, number
from tests.web.reports import real_server, status

MARKED = {"key": "fwmark 80 (IPv6)", "name": "six", "persistence": 300}


def test_the_list_has_ipvsadms_columns() -> None:
    lines = ipvsadm.table(status()).splitlines()
    assert lines[2:] == [
        "TCP  192.168.26.10:80 wlc",
        "  -> 10.11.12.1:80                Masq    1      3          1",
    ]


def test_the_statistics_have_ipvsadms_columns() -> None:
    assert ipvsadm.table(status(), Show.STATS).splitlines()[2:] == [
        "TCP  192.168.26.10:80                   12      120      110     4096     8192",
        "  -> 10.11.12.1:80                      12      120      110     4096     8192",
    ]


def test_marks_persistence_and_ipv6_are_written_as_ipvsadm_writes_them() -> None:
    document = status()
    document["virtual_servers"][0] |= {**MARKED, "real_servers": [real_server("web", "2001:db8::1")]}
    lines = ipvsadm.table(document).splitlines()
    assert lines[2] == "FWM  80 IPv6 wlc persistent 300"
    assert lines[3].startswith("  -> [2001:db8::1]:80 ")


def test_a_rate_that_is_not_known_is_a_question_mark_and_no_zero() -> None:
    (service, server) = ipvsadm.lines(
        status()["virtual_servers"], Show.RATE, {("shop", ""): {"connections": 212.4, "bytes_in": 0.0}}
    )
    assert str(service).split() == ["TCP", "192.168.26.10:80", "212", "?", "?", "0", "?"]
    assert str(server).split() == ["->", "10.11.12.1:80", *"?????"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (99_999_999, "99999999"),
        (100_000_000, "100000K"),
        (10**9, "1000M"),
        (10**11, "100G"),
        (10**14, "100T"),
    ],
)
def test_large_numbers_are_shortened(value: int, text: str) -> None:
    assert number(value) == text.rjust(9)
