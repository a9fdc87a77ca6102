"""What is offered as networks that may reach the pages, and what an answer means."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from piranha_web.setup import networks
from piranha_web.setup.networks import OddAnswer, Offer

OWN = [("eth0", ip_network("192.168.7.0/24")), ("eth1", ip_network("203.0.113.0/24"))]
FIRST = networks.offers(OWN, None)


def texts(taken: tuple[Offer, ...]) -> list[str]:
    return [str(one.network) for one in taken]


def test_enter_takes_this_machines_private_networks_and_the_private_ranges() -> None:
    assert texts(networks.chosen("", FIRST)) == [
        "192.168.7.0/24", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10",
    ]  # fmt: skip


def test_a_public_network_of_this_machine_is_offered_with_a_warning_and_taken_by_its_number_alone() -> None:
    line = networks.lines(FIRST)[1]

    assert line.startswith("   2  203.0.113.0/24")
    assert "eth1 (public addresses" in line
    assert texts(networks.chosen("2", FIRST)) == ["203.0.113.0/24"]


def test_numbers_and_networks_can_be_mixed_and_count_once() -> None:
    taken = networks.chosen("1, 2001:db8::/32 1 192.0.2.7 192.168.7.0/24 127.0.0.0/8", FIRST)

    assert texts(taken) == ["192.168.7.0/24", "2001:db8::/32", "192.0.2.7/32"]
    assert [one.what for one in taken] == ["the network of eth0", "", ""]


def test_none_means_this_machine_alone() -> None:
    assert networks.chosen("none", FIRST) == ()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("9", "There is no number '9': they are 1 to 7."),
        ("0", "There is no number '0'"),
        ("99999999999999999999", "There is no number"),
        ("yes", "'yes' is no network. Write one as 192.0.2.0/24"),
        ("10.0.0.5/8", "write 10.0.0.0/8 for the whole network"),
        ("1 none", "none stands alone"),
        ("0.0.0.0/0", "If you mean it: 0.0.0.0/0 everybody"),
        ("::/0 1", "every IPv6 address"),
        ("everybody", "beside 0.0.0.0/0 or ::/0"),
        ("1 everybody", "beside 0.0.0.0/0 or ::/0"),
        ("010.0.0.0/8", "without zeros"),
        ("1 " * 101, "more than 100 networks"),
        ("\x1b[2J", r"\x1b"),
    ],
)
def test_an_odd_answer_is_explained(typed: str, said: str) -> None:
    with pytest.raises(OddAnswer) as found:
        networks.chosen(typed, FIRST)

    assert said in str(found.value)
    assert str(found.value).isprintable()


def test_everybody_is_let_in_by_who_says_it_twice() -> None:
    assert texts(networks.chosen("0.0.0.0/0 everybody", FIRST)) == ["0.0.0.0/0"]


def test_asked_again_enter_takes_the_list_as_it_is() -> None:
    present = {ip_network("198.51.100.0/24"): "the office", ip_network("10.0.0.0/8"): ""}

    offered = networks.offers(OWN, present)

    assert texts(networks.chosen("", offered)) == ["198.51.100.0/24", "10.0.0.0/8"]
    assert "192.168.7.0/24" in [str(one.network) for one in offered]


def test_an_empty_list_stays_empty_by_enter() -> None:
    assert networks.chosen("", networks.offers(OWN, {})) == ()


@pytest.mark.parametrize(
    ("console", "added"),
    [
        ("198.51.100.9", ["198.51.100.9/32"]),
        ("2001:db8::9", ["2001:db8::9/128"]),
        ("192.168.7.20", []),
        ("127.0.0.1", []),
    ],
)
def test_where_the_administrator_sits_is_never_left_out(console: str, added: list[str]) -> None:
    taken = networks.chosen("1", FIRST)

    assert texts(networks.with_console(taken, ip_address(console))) == ["192.168.7.0/24", *added]


def test_at_the_machines_own_console_nothing_is_added() -> None:
    assert networks.with_console((), None) == ()


def test_a_note_of_the_list_obeys_nobody_at_the_terminal() -> None:
    noted = {ip_network("10.0.0.0/8"): "x\x1b]0;PWNED\x07\x1b[2J\u202e"}
    text = "\n".join(networks.lines(networks.offers([], noted)))
    assert text.replace("\n", "").isprintable()
    assert "x\\x1b]0;PWNED" in text
