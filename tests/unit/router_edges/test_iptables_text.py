"""The table in the words of iptables-save."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from lvs.config.model import PortRange, Protocol
from lvs.router.netfilter import iptables
from lvs.router.state import Guard, MarkRule, Netfilter
from tests.unit.router_edges.test_netfilter_text import mark

WEB, FTP = mark("192.0.2.80", 443, 443, 80), mark("192.0.2.80", 10000, 20000, 21)
QUIC = MarkRule(ip_address("2001:db8::80"), Protocol.UDP, PortRange(443, 443), 80)
ALL = Netfilter(
    (WEB, FTP, QUIC),
    (ip_address("10.0.0.11"), ip_address("10.0.0.12")),
    guard=Guard(3636, (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))),
)


def test_each_part_is_as_iptables_save_and_ip6tables_save_would_print_it() -> None:
    assert iptables.text(ALL, {WEB: "shop", FTP: 'the "old" one'}) == (
        "# IPv4, as iptables-save would print it\n"
        "*mangle\n"
        ":PREROUTING ACCEPT [0:0]\n"
        ":OUTPUT ACCEPT [0:0]\n"
        ":PIRANHA - [0:0]\n"
        "-A PREROUTING -j PIRANHA\n"
        "-A OUTPUT -j PIRANHA\n"
        "-A PIRANHA -d 192.0.2.80/32 -p tcp -m tcp --dport 443 "
        '-m comment --comment "shop" -j MARK --set-mark 80\n'
        "-A PIRANHA -d 192.0.2.80/32 -p tcp -m tcp --dport 10000:20000 "
        '-m comment --comment "the \\"old\\" one" -j MARK --set-mark 21\n'
        "COMMIT\n"
        "*nat\n"
        ":POSTROUTING ACCEPT [0:0]\n"
        ":PIRANHA-MASQUERADE - [0:0]\n"
        "-A POSTROUTING -s 10.0.0.11/32 ! -o lo -j PIRANHA-MASQUERADE\n"
        "-A POSTROUTING -s 10.0.0.12/32 ! -o lo -j PIRANHA-MASQUERADE\n"
        "-A PIRANHA-MASQUERADE -d 10.0.0.11/32 -j RETURN\n"
        "-A PIRANHA-MASQUERADE -d 10.0.0.12/32 -j RETURN\n"
        '-A PIRANHA-MASQUERADE -m comment --comment "what real servers ask of the outside" -j MASQUERADE\n'
        "COMMIT\n"
        "*filter\n"
        ":INPUT ACCEPT [0:0]\n"
        ":PIRANHA-GUARD - [0:0]\n"
        "-A INPUT ! -i lo -p tcp -m tcp --dport 3636 -j PIRANHA-GUARD\n"
        "-A PIRANHA-GUARD -s 192.0.2.0/24 -j RETURN\n"
        '-A PIRANHA-GUARD -m comment --comment "the panel is not for others" -j DROP\n'
        "COMMIT\n"
        "# IPv6, as ip6tables-save would print it\n"
        "*mangle\n"
        ":PREROUTING ACCEPT [0:0]\n"
        ":OUTPUT ACCEPT [0:0]\n"
        ":PIRANHA - [0:0]\n"
        "-A PREROUTING -j PIRANHA\n"
        "-A OUTPUT -j PIRANHA\n"
        "-A PIRANHA -d 2001:db8::80/128 -p udp -m udp --dport 443 -j MARK --set-mark 80\n"
        "COMMIT\n"
        "*filter\n"
        ":INPUT ACCEPT [0:0]\n"
        ":PIRANHA-GUARD - [0:0]\n"
        "-A INPUT ! -i lo -p tcp -m tcp --dport 3636 -j PIRANHA-GUARD\n"
        "-A PIRANHA-GUARD -s 2001:db8::/32 -j RETURN\n"
        '-A PIRANHA-GUARD -m comment --comment "the panel is not for others" -j DROP\n'
        "COMMIT\n"
    )


def test_what_is_not_there_is_not_written() -> None:
    assert iptables.text(Netfilter(), {}) == ""
    only = iptables.text(Netfilter((QUIC,)), {})
    assert only.startswith("# IPv6")
    assert "*nat" not in only
