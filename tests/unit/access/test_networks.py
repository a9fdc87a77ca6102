"""Which spelling of an address or a network means what."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piranha_web.access.networks import (
    NetworkRefused,
    address_of,
    covering,
    is_everything,
    network_of,
    networks_of,
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.7%eth0", "192.0.2.7"),
    ],
)
def test_an_address_has_one_spelling(text: str, meant: str) -> None:
    assert str(address_of(text)) == meant


@pytest.mark.parametrize(
    "text",
    ["", " ", "127.1", "0177.0.0.1", "127.0.0.01", "0x7f.0.0.1", "2130706433", "127.0.0.1 ", "127.0.0.1:80",
     "[::1]", "::1%", "::1%a%b", "１27.0.0.1", "127.0.0.1/32", "localhost", "::ffff:0177.0.0.1", "\0"],
)  # fmt: skip
def test_what_is_not_quite_an_address_is_none(text: str) -> None:
    assert address_of(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_read_as_it_is_meant(text: str, found: str) -> None:
    assert str(network_of(text)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.5/8", "write 10.0.0.0/8 for the whole network, or 10.0.0.5 for that address alone"),
        ("2001:db8::5/32", "write 2001:db8::/32 for the whole network, or 2001:db8::5 for that"),
        ("::ffff:10.0.0.0/104", "write 10.0.0.0/8"),
        ("::ffff:10.1.2.3", "write 10.1.2.3/32"),
        ("fe80::1%eth0", "names a zone"),
        ("fe80::%1/10", "names a zone"),
        ("010.0.0.0/8", "without zeros"),
        ("10.0.0.0/33", "is no network"),
        ("10/8", "is no network"),
        ("167772160", "is no network"),
        ("example.org", "is no network"),
        ("", "is no network"),
        ("10.0.0.0/8/8", "is no network"),
        ("10.0.0.0/-1", "is no network"),
        ("x" * 5000, "x…' is no network"),
        ("\x1b[31m10.0.0.0/8", r"\x1b"),
    ],
)
def test_what_is_no_network_or_two_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(NetworkRefused) as refused:
        network_of(text)

    assert said in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_one_bad_word_among_networks_refuses_them_all() -> None:
    with pytest.raises(NetworkRefused, match="nowhere"):
        networks_of(["10.0.0.0/8", "nowhere"])


def test_only_a_network_of_no_bits_is_everything() -> None:
    assert [is_everything(network_of(text)) for text in ("0.0.0.0/0", "::/0", "0.0.0.0/1", "::/1")] == [
        True,
        True,
        False,
        False,
    ]


def test_an_address_is_in_each_network_that_covers_it_and_in_none_of_the_other_family() -> None:
    networks = networks_of(["10.0.0.0/8", "10.1.0.0/16", "::/0", "192.0.2.0/24"])

    assert covering(IPv4Address("10.1.2.3"), networks) == networks[:2]
    assert covering(IPv6Address("::ffff:0:0"), networks) == [ip_network("::/0")]


@pytest.mark.thorough
@given(st.text(max_size=40))
def test_no_text_makes_the_readers_fail_in_another_way(text: str) -> None:
    address_of(text)
    try:
        found = network_of(text)
    except NetworkRefused as refused:
        assert str(refused).isprintable()  # noqa: PT017 - what it says is the point
    else:
        assert network_of(str(found)) == found
