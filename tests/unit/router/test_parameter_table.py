"""The table of kernel parameters, and what the machine's files say of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lvs.config.model import Forwarding, LvsConfig
from lvs.router import plan
from lvs.router.parameter_table import LEFT_ALONE, Row, interfaces, table
from lvs.router.parameters import SYSCTLS
from lvs.router.state import Role
from lvs.router.sysctl_files import Persisted, Settings, in_order
from tests.unit.router.cluster import PAIR, config, floating, virtual

EMPTY = LvsConfig()
DIRECT = config(virtual())
NAT = config(
    virtual(forwarding=Forwarding.NAT, persistence=60),
    virtual("six", "2001:db8::1", forwarding=Forwarding.NAT),
    nat_router=floating("10.0.0.254", "eth1:1"),
    tcp_timeout=90,
)
COPIED = replace(DIRECT, redundancy=PAIR)


def rows(of: LvsConfig, role: Role = Role.ACTIVE, **found: str) -> dict[str, Row]:
    made = table(of, role, lambda path: found.get(path.rpartition("/")[2]))
    assert len({row.path for row in made}) == len(made), "each parameter has one row"
    return {row.path: row for row in made}


@pytest.mark.parametrize("of", [EMPTY, DIRECT, NAT, COPIED], ids=["nothing", "direct", "NAT", "copied"])
@pytest.mark.parametrize("role", Role)
def test_the_table_wants_just_what_pulse_sets(of: LvsConfig, role: Role) -> None:
    wanted = {path: row.wanted for path, row in rows(of, role).items() if "/" in path and row.wanted}
    assert wanted == plan.wanted(of, role, {}).sysctls


@pytest.mark.parametrize("of", [EMPTY, NAT, COPIED], ids=["nothing", "NAT", "copied"])
def test_each_row_says_why_and_when(of: LvsConfig) -> None:
    for row in rows(of).values():
        assert row.why, row.path
        assert row.when, row.path


def test_every_parameter_that_pulse_may_set_is_in_the_table() -> None:
    assert {sysctl.path for sysctl in SYSCTLS} <= rows(EMPTY).keys()


def test_what_people_set_by_habit_is_in_the_table_with_the_reason_why_it_is_left() -> None:
    names = {path.rpartition("/")[2] for path, _ in LEFT_ALONE}
    assert {"rp_filter", "arp_ignore", "arp_announce", "conn_reuse_mode", "conntrack", "sync_ports"} <= names


def test_parameters_of_interfaces_have_a_row_for_each_that_carries_a_floating_address() -> None:
    assert interfaces(NAT) == ("eth0", "eth1")
    found = rows(NAT, rp_filter="1")
    assert found["net/ipv4/conf/eth1/rp_filter"].found == "1"
    assert "net/ipv4/conf/eth1/rp_filter" not in rows(DIRECT)


def test_timeouts_stand_by_their_directives() -> None:
    found = rows(NAT, tcp_timeout="900")
    assert (found["tcp_timeout"].wanted, found["tcp_timeout"].found) == ("90", "900")
    assert found["tcp_timeout"].differs
    assert found["udp_timeout"].wanted is None


def test_a_row_says_what_would_be_changed_and_what_a_file_undoes() -> None:
    saved = Settings([("/etc/sysctl.d/50-router.conf", "net.ipv4.ip_forward=0\n")])
    row = next(
        row for row in table(NAT, Role.ACTIVE, lambda path: "1", saved) if row.path.endswith("ip_forward")
    )
    assert not row.differs
    assert row.is_undone
    assert row.persisted == Persisted("0", "/etc/sysctl.d/50-router.conf:1")


def test_the_documentation_has_the_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "router.md").read_text()
    lines = [f"| `{each.path}` | {each.value} | {each.condition} | {each.why} |" for each in SYSCTLS]
    lines += [f"| `{path}` | {why} |" for path, why in LEFT_ALONE]
    missing = [line for line in lines if line not in text]
    assert not missing, "put these lines into docs/router.md:\n" + "\n".join(missing)


# ---- the files


def settings(*texts: str) -> Settings:
    return Settings((f"/etc/sysctl.d/{number}.conf", text) for number, text in enumerate(texts))


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("net.ipv4.ip_forward = 1", "net/ipv4/ip_forward", "1"),
        ("net/ipv4/ip_forward=1", "net/ipv4/ip_forward", "1"),
        ("-net.ipv4.ip_forward=1", "net/ipv4/ip_forward", "1"),
        ("net.ipv4.vs.sync_threshold = 3  50", "net/ipv4/vs/sync_threshold", "3 50"),
        ("net.ipv4.conf.eth0/100.rp_filter=2", "net/ipv4/conf/eth0.100/rp_filter", "2"),
        ("net/ipv4/conf/eth0.100/rp_filter=2", "net/ipv4/conf/eth0.100/rp_filter", "2"),
        ("net.ipv4.conf.*.rp_filter=2", "net/ipv4/conf/eth0/rp_filter", "2"),
        ("net.ipv4.conf.*.rp_filter=2\n-net.ipv4.conf.eth0.rp_filter", "net/ipv4/conf/eth0/rp_filter", None),
        ("net.ipv4.conf.eth0.rp_filter=1\nnet.ipv4.conf.*.rp_filter=2", "net/ipv4/conf/eth0/rp_filter", "1"),
        ("# net.ipv4.ip_forward=1\n; net.ipv4.ip_forward=1\n\nnonsense", "net/ipv4/ip_forward", None),
    ],
)
def test_a_line_sets_a_parameter(text: str, path: str, value: str | None) -> None:
    found = settings(text).of(path)
    assert (found.value if found else None) == value


def test_the_last_file_wins() -> None:
    found = settings("net.ipv4.ip_forward=1", "\nnet.ipv4.ip_forward=0").of("net/ipv4/ip_forward")
    assert found == Persisted("0", "/etc/sysctl.d/1.conf:2")


def test_files_are_read_by_name_and_one_in_etc_replaces_one_of_the_same_name() -> None:
    found = [
        "/usr/lib/sysctl.d/50-a.conf",
        "/etc/sysctl.conf",
        "/etc/sysctl.d/50-a.conf",
        "/run/sysctl.d/10-b.conf",
    ]
    assert in_order(found) == ["/run/sysctl.d/10-b.conf", "/etc/sysctl.d/50-a.conf", "/etc/sysctl.conf"]
