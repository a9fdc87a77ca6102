from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

import pytest

from lvs.config.model import PortRange, Protocol
from lvs.errors import KernelError
from lvs.router import netfilter
from lvs.router.netfilter.counts import Count, Counts
from lvs.router.state import Guard, MarkRule, Netfilter


def mark(address: str, first: int, last: int, fwmark: int = 7, protocol: Protocol = Protocol.TCP) -> MarkRule:
    return MarkRule(ip_address(address), protocol, PortRange(first, last), fwmark)


def test_nothing_to_mark_and_nobody_to_masquerade_is_an_empty_table() -> None:
    assert netfilter.text(Netfilter()) == "table inet piranha {\n}\n"


def test_the_text_names_every_port_set_and_real_server_and_hooks_only_what_is_needed() -> None:
    marks = (mark("10.0.0.100", 443, 443), mark("10.0.0.100", 10000, 20000))
    assert netfilter.text(Netfilter(marks)) == (
        "table inet piranha {\n"
        "\tmap marks4 {\n"
        "\t\ttype ipv4_addr . inet_proto . inet_service : mark\n"
        "\t\tflags interval\n"
        "\t\tcounter\n"
        "\t\telements = {\n"
        "\t\t\t10.0.0.100 . tcp . 443 : 7,\n"
        "\t\t\t10.0.0.100 . tcp . 10000-20000 : 7\n"
        "\t\t}\n"
        "\t}\n"
        "\tchain prerouting {\n"
        "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
        "\t\tmeta mark set ip daddr . meta l4proto . th dport map @marks4"
        ' comment "one virtual server for several ports"\n'
        "\t}\n"
        "\tchain output {\n"
        "\t\ttype filter hook output priority mangle; policy accept;\n"
        "\t\tmeta mark set ip daddr . meta l4proto . th dport map @marks4"
        ' comment "one virtual server for several ports"\n'
        "\t}\n"
        "}\n"
    )
    assert netfilter.text(Netfilter(masquerade=(ip_address("fd01::11"),))) == (
        "table inet piranha {\n"
        "\tset masquerade6 {\n"
        "\t\ttype ipv6_addr\n"
        "\t\telements = {\n"
        "\t\t\tfd01::11\n"
        "\t\t}\n"
        "\t}\n"
        "\tchain postrouting {\n"
        "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
        '\t\toifname != "lo" ip6 saddr @masquerade6 ip6 daddr != @masquerade6 counter masquerade'
        ' comment "what real servers ask of the outside"\n'
        "\t}\n"
        "}\n"
    )


def test_the_guard_closes_one_port_behind_ipvs_to_all_but_its_networks_and_the_machine_itself() -> None:
    guard = Guard(3636, (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("10.1.0.0/16")))
    assert netfilter.text(Netfilter(guard=guard)) == (
        "table inet piranha {\n"
        "\tset guard4 {\n"
        "\t\ttype ipv4_addr\n"
        "\t\tflags interval\n"
        "\t\telements = {\n"
        "\t\t\t10.0.0.0/8,\n"
        "\t\t\t192.0.2.7/32\n"
        "\t\t}\n"
        "\t}\n"
        "\tchain guard {\n"
        "\t\ttype filter hook input priority 110; policy accept;\n"
        '\t\tiifname "lo" accept comment "this machine itself"\n'
        '\t\ttcp dport 3636 ip saddr @guard4 accept comment "who may see the panel"\n'
        '\t\ttcp dport 3636 counter drop comment "the panel is not for others"\n'
        "\t}\n"
        "}\n"
    )


def test_a_guard_of_no_port_is_refused_before_the_kernel_is_asked() -> None:
    for port in (0, 65536):
        with pytest.raises(KernelError, match="give one from 1 to 65535"):
            netfilter.replace(Netfilter(guard=Guard(port, ())))


def test_counters_begin_where_they_were() -> None:
    web, ftp = mark("10.0.0.100", 443, 443), mark("10.0.0.100", 10000, 20000)
    value = Netfilter((web, ftp), (ip_address("10.1.0.11"), ip_address("fd01::11")), guard=Guard(3636, ()))
    counts = Counts({web: Count(3, 180)}, {6: Count(2, 160)}, Count(1, 60))
    text = netfilter.text(value, counts)
    assert "10.0.0.100 . tcp . 443 counter packets 3 bytes 180 : 7,\n" in text
    assert "10.0.0.100 . tcp . 10000-20000 : 7\n" in text
    assert "ip daddr != @masquerade4 counter masquerade" in text
    assert "ip6 daddr != @masquerade6 counter packets 2 bytes 160 masquerade" in text
    assert "tcp dport 3636 counter packets 1 bytes 60 drop" in text


def test_two_values_of_the_same_effect_are_equal_in_any_order_and_with_duplicates() -> None:
    marks = [mark(a, p, p, protocol=q) for a in ("10.0.0.1", "fd00::1") for p in (80, 443) for q in Protocol]
    masquerade = [ip_address(a) for a in ("10.1.0.2", "10.1.0.1", "fd01::1")]
    value = Netfilter(tuple(marks), tuple(masquerade))
    for seed in range(10):
        order = random.Random(seed)
        shuffled = Netfilter(
            tuple(order.sample(marks * 2, 2 * len(marks))),
            tuple(order.sample(masquerade * 2, 2 * len(masquerade))),
        )
        assert shuffled == value
    assert len(value.marks) == 12


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([(80, 80), (80, 90)], [(80, 90)]),
        ([(80, 100), (85, 90)], [(80, 100)]),
        ([(80, 90), (90, 95), (95, 99)], [(80, 99)]),
        ([(20, 20), (21, 21)], [(20, 20), (21, 21)]),
    ],
)
def test_overlapping_ranges_of_one_mark_are_joined(
    given: list[tuple[int, int]], kept: list[tuple[int, int]]
) -> None:
    value = Netfilter(tuple(mark("10.0.0.1", first, last) for first, last in given))
    assert [(rule.ports.first, rule.ports.last) for rule in value.marks] == kept


def test_ranges_of_another_address_or_protocol_are_not_joined() -> None:
    marks = (mark("10.0.0.1", 80, 90), mark("10.0.0.2", 80, 90), mark("10.0.0.1", 80, 90, 8, Protocol.UDP))
    assert set(Netfilter(marks).marks) == set(marks)


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ((mark("10.0.0.1", 80, 80, 7), mark("10.0.0.1", 80, 80, 8)), "one mark or ports of their own"),
        ((mark("10.0.0.1", 1, 100, 7), mark("10.0.0.1", 90, 200, 8)), "one mark or ports of their own"),
        (
            (mark("10.0.0.1", 1, 100, 7), mark("10.0.0.1", 20, 30, 7), mark("10.0.0.1", 99, 99, 8)),
            "port 1:100, mark 7",
        ),
        ((mark("10.0.0.1", 80, 70),), "give ports to 65535"),
        ((mark("10.0.0.1", 80, 65536),), "give ports to 65535"),
        ((mark("10.0.0.1", 80, 80, 0),), "a mark above 0"),
        ((mark("10.0.0.1", 80, 80, 1 << 32),), "a mark above 0"),
    ],
)
def test_marks_that_make_no_sense_are_refused_before_the_kernel_is_asked(
    marks: tuple[MarkRule, ...], reason: str
) -> None:
    with pytest.raises(KernelError, match=reason):
        netfilter.replace(Netfilter(marks))
