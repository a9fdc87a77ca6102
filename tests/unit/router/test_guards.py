"""How a guard of the panel's port is written, and what stands against one."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from lvs.config.model import Forwarding, LvsConfig, PortRange, Protocol
from lvs.errors import RouterError
from lvs.router import guards, passing, plan, tcp_table
from lvs.router.guards import Connection
from lvs.router.state import Guard, Netfilter, Role
from tests.unit.router.cluster import PAIR, config, health_of, real, virtual

PANEL = Guard(3636, (ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/48")))


def test_a_guard_is_written_and_read_again() -> None:
    document = {"port": 3636, "networks": ["192.0.2.0/24", "2001:db8:1::/48"]}
    assert guards.document_of(PANEL) == document
    assert guards.read_document(document) == PANEL
    assert guards.document_of(None) is None
    assert guards.read_document(None) is None


def test_an_address_alone_is_a_network_and_no_network_leaves_this_machine_alone() -> None:
    assert guards.guard_of(22, ["192.0.2.7"]) == Guard(22, (ip_network("192.0.2.7/32"),))
    assert guards.guard_of(22, []) == Guard(22, ())
    assert guards.guard_of(None, None) is None


@pytest.mark.parametrize(
    ("port", "networks", "said"),
    [
        (0, [], "from 1 to 65535"),
        (65536, [], "from 1 to 65535"),
        (True, [], "from 1 to 65535"),
        ("3636", [], "from 1 to 65535"),
        (3636, None, "must be a list"),
        (3636, "192.0.2.0/24", "must be a list"),
        (3636, [1], "must be a list"),
        (3636, ["192.0.2.1/24"], "write 192.0.2.0/24"),
        (3636, ["::ffff:10.0.0.0/104"], "IPv4 in IPv6's words: write 10.0.0.0/8"),
        (3636, ["::ffff:10.0.0.7"], "write 10.0.0.7/32"),
        (3636, ["office"], "write one as 192.0.2.0/24"),
        (3636, ["192.0.2.0/24"] * 1001, "at most 1000"),
    ],
)
def test_what_is_no_guard_is_refused_with_the_remedy(port: Any, networks: Any, said: str) -> None:
    with pytest.raises(RouterError, match=said):
        guards.guard_of(port, networks)


@pytest.mark.parametrize(
    ("cluster", "port", "said"),
    [
        (config(virtual(port=8000)), 8000, "one of virtual server"),
        (config(virtual(fwmark=1, ports=(PortRange(8000, 9000),))), 8080, "one of virtual server"),
        (LvsConfig(redundancy=PAIR), PAIR.heartbeat_port, "the heartbeat's"),
        (LvsConfig(redundancy=PAIR), 8848, "copies of connections"),
    ],
)
def test_a_port_that_serves_something_else_is_not_to_be_guarded(
    cluster: LvsConfig, port: int, said: str
) -> None:
    assert said in str(guards.conflict(cluster, replace(PANEL, port=port)))
    with pytest.raises(RouterError, match="give the panel another port"):
        guards.refuse_conflict(cluster, replace(PANEL, port=port))


@pytest.mark.parametrize(
    "cluster",
    [
        LvsConfig(),
        config(virtual(port=8000, active=False)),
        config(virtual(port=8000, protocol=Protocol.UDP)),
        config(virtual(port=80)),
    ],
)
def test_other_ports_may_be_guarded(cluster: LvsConfig) -> None:
    guards.refuse_conflict(cluster, replace(PANEL, port=8000))


def connection(
    remote: str, remote_port: int = 50_000, local: str = "192.0.2.1", port: int = 3636
) -> Connection:
    return Connection(ip_address(local), port, ip_address(remote), remote_port)


def test_connections_from_outside_the_networks_would_be_cut() -> None:
    seen = [
        connection("192.0.2.9"),
        connection("198.51.100.7"),
        connection("198.51.100.7", 50_001),
        connection("2001:db8:1::7", local="2001:db8:1::1"),
        connection("2001:db8:2::7", local="2001:db8:1::1"),
        connection("198.51.100.8", 3636, port=50_000),
    ]
    assert guards.cut(seen, PANEL) == (ip_address("198.51.100.7"), ip_address("2001:db8:2::7"))
    with pytest.raises(RouterError, match=r"198.51.100.7, 2001:db8:2::7 have a connection to port 3636"):
        guards.refuse_to_cut(seen, PANEL)
    guards.refuse_to_cut(seen, replace(PANEL, networks=(ip_network("0.0.0.0/0"), ip_network("::/0"))))


def test_what_the_machine_says_to_itself_counts_never() -> None:
    seen = [
        connection("127.0.0.1", local="127.0.0.1"),
        connection("::1", local="::1"),
        # To an address of its own, both ends of which it has.
        connection("203.0.113.1", 50_000, "203.0.113.1", 3636),
        connection("203.0.113.1", 3636, "203.0.113.1", 50_000),
    ]
    assert guards.cut(seen, PANEL) == ()


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0E34 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1
   1: 010200C0:0E34 076433C6:C350 01 00000000:00000000 00:00000000 00000000     0        0 102 1
   2: 010200C0:0E34 076433C6:C351 06 00000000:00000000 00:00000000 00000000     0        0 103 1
   3: 010200C0:0016 086433C6:C350 01 00000000:00000000 00:00000000 00000000     0        0 104 1
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF0000010200C0:0E34 0000000000000000FFFF0000096433C6:C350 01 00000000:00000000 0
   1: B80D0120000001000000000001000000:0E34 B80D0120000002000000000007000000:C350 01 00000000:00000000 0
"""


def test_the_kernels_table_names_both_ends_of_what_is_established() -> None:
    assert list(tcp_table.established(TABLE.splitlines(), 3636)) == [connection("198.51.100.7")]
    assert list(tcp_table.established(TABLE6.splitlines(), 3636)) == [
        connection("198.51.100.9"),
        connection("2001:db8:2::7", local="2001:db8:1::1"),
    ]


def test_the_guard_is_in_the_plan_of_both_roles_with_and_without_virtual_servers() -> None:
    shop = config(virtual(forwarding=Forwarding.NAT, real_servers=(real(1),)))
    for role in Role:
        found = plan.wanted(shop, role, health_of(shop), guard=PANEL).netfilter
        assert found == Netfilter(masquerade=(ip_address("10.0.0.11"),), guard=PANEL)
    assert plan.wanted(LvsConfig(), Role.STANDBY, {}, guard=PANEL).netfilter == Netfilter(guard=PANEL)


def test_a_guard_comes_and_goes_with_all_else_in_the_table_as_it_is() -> None:
    other = Netfilter(masquerade=(ip_address("10.0.0.11"),))
    assert passing.guarded(None, None) is None
    assert passing.guarded(None, PANEL) == Netfilter(guard=PANEL)
    assert passing.guarded(other, PANEL) == replace(other, guard=PANEL)
    assert passing.guarded(replace(other, guard=PANEL), None) == other
    assert passing.guarded(Netfilter(guard=PANEL), None) is None
    drifted = replace(other, drift=("a rule in chain output is not pulse's",))
    assert passing.guarded(drifted, None) is drifted
    assert passing.guarded(drifted, PANEL) == replace(other, guard=PANEL)
