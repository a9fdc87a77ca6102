"""What is seen of a router with IPVS before anything is applied, and that what is said of it is so.

The claims about firewalls are tried on packets: what is called in the way is, and nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import inside, write_sysctls
from lvs.config.check import load
from lvs.config.model import LvsConfig
from lvs.router.preflight import judged
from lvs.router.seen import Level, Remark, Seen
from lvs.router.state import Owned, Role, ServiceKey, SyncState
from lvs.router.surroundings import look
from tests.conftest import eventually

pytestmark = pytest.mark.kernel

LVS_CF = f"""\
serial_no = 1
primary = 192.168.26.9
service = lvs
network = nat
nat_router = {network.NAT_GATEWAY} eth1:1
nat_nmask = 255.255.255.0
virtual shop {{
  active = 1
  address = {network.NAT_VIP} eth0:1
  vip_nmask = 255.255.255.0
  port = 80
  scheduler = sed
  server s1 {{
    address = 10.11.12.1
    active = 1
  }}
}}
"""
FOREIGN = "198.51.100.77:53"


def config() -> LvsConfig:
    return load(LVS_CF)


def seen(owned: Owned | None = None) -> Seen:
    with inside("r1"):
        return look(config(), Role.ACTIVE, owned=owned)


def said(about: str, owned: Owned | None = None) -> list[Remark]:
    return [each for each in judged(seen(owned), config()) if each.about == about]


def test_the_kernels_modules_are_seen_as_loaded_or_loadable(lab: Lab) -> None:
    found = seen().modules
    assert found.known
    assert [found.may_be_used(name) for name in ("ip_vs", "ip_vs_sed", "ip_vs_ftp", "ip_vs_none")] == [
        True,
        True,
        True,
        False,
    ]


def test_looking_loads_no_module(lab: Lab) -> None:
    def loaded() -> set[str]:
        return {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}

    before = loaded()
    seen()
    assert loaded() == before


def test_a_foreign_service_and_sync_daemon_are_named_and_pulses_own_are_not(lab: Lab) -> None:
    lab.run("r1", ["ipvsadm", "-A", "-u", FOREIGN, "-s", "sed"])
    lab.run("r1", ["ipvsadm", "--start-daemon", "master", "--mcast-interface", "eth1", "--syncid", "9"])
    try:
        table, daemon = said("managers")
        assert f"udp {FOREIGN}" in table.what
        assert f"ipvsadm -D -u {FOREIGN}" in table.remedy
        assert "sync daemon runs already, on eth1" in daemon.what
        ipvs = seen().ipvs
        assert ipvs is not None
        own: frozenset[ServiceKey] = ipvs.services
        assert said("managers", Owned(services=own, sync=frozenset({SyncState.MASTER}))) == []
    finally:
        lab.run("r1", ["ipvsadm", "--stop-daemon", "master"])


def test_a_service_of_lvs_cf_that_somebody_else_made_is_named(lab: Lab) -> None:
    lab.run("r1", ["ipvsadm", "-A", "-t", f"{network.NAT_VIP}:80", "-s", "rr"])
    (found,) = said("managers")
    assert f"IPVS has the service tcp {network.NAT_VIP}:80 already" in found.what


def test_the_real_keepalived_is_found_by_its_name(lab: Lab, tmp_path: Path) -> None:
    program = shutil.which("keepalived")
    assert program, "install the package keepalived"
    text = tmp_path / "keepalived.conf"
    text.write_text("global_defs {\n  router_id lab\n}\n")
    files = ["--use-file", str(text), "--pid", str(tmp_path / "pid"), "--vrrp_pid", str(tmp_path / "vrrp")]
    files += ["--checkers_pid", str(tmp_path / "checkers")]
    running = lab.spawn("r1", [program, "--dont-fork", "--log-console", *files])
    try:
        eventually(lambda: [each for each in said("managers") if "keepalived" in each.what], "it is found")
        assert said("managers")[0].level in (Level.ERROR, Level.WARNING)
    finally:
        running.terminate()
        running.communicate(timeout=20)


def test_timeouts_and_parameters_of_ipvs_are_in_the_table(lab: Lab) -> None:
    lab.run("r1", ["ipvsadm", "-A", "-u", FOREIGN, "-s", "sed"])
    lab.run("r1", ["ipvsadm", "--set", "901", "121", "301"])
    rows = {row.path: row.found for row in seen().parameters}
    assert [rows[name] for name in ("tcp_timeout", "tcpfin_timeout", "udp_timeout")] == ["901", "121", "301"]
    assert rows["net/ipv4/vs/conn_reuse_mode"] == "1"
    assert rows["net/ipv4/vs/conntrack"] == "0"
    lab.run("r1", ["ipvsadm", "--set", "900", "120", "300"])


def test_a_real_server_that_answers_arp_for_the_virtual_address_is_named(lab: Lab) -> None:
    lab.run("s1", ["ip", "address", "add", f"{network.NAT_VIP}/32", "dev", "eth1"])
    write_sysctls("s1", {"net/ipv4/conf/all/arp_ignore": "0"})
    try:
        (found,) = said("addresses")
        assert f"Another machine answers for the floating address {network.NAT_VIP}" in found.what
    finally:
        write_sysctls("s1", {"net/ipv4/conf/all/arp_ignore": "1"})  # as the lab has it, for the tests to come
        lab.run("s1", ["ip", "address", "del", f"{network.NAT_VIP}/32", "dev", "eth1"])


# ---- firewalls, on packets


@contextmanager
def balanced(lab: Lab) -> Iterator[None]:
    """r1 is a router for the virtual server, by hand; the lab's fixture clears it."""
    write_sysctls("r1", {"net/ipv4/ip_forward": "1", "net/ipv4/vs/conntrack": "0"})
    lab.run("r1", ["ip", "address", "add", f"{network.NAT_VIP}/24", "dev", "eth0"])
    lab.run("r1", ["ip", "address", "add", f"{network.NAT_GATEWAY}/24", "dev", "eth1"])
    lab.run("r1", ["ipvsadm", "-A", "-t", f"{network.NAT_VIP}:80", "-s", "sed"])
    lab.run("r1", ["ipvsadm", "-a", "-t", f"{network.NAT_VIP}:80", "-r", "10.11.12.1:80", "-m"])
    try:
        yield
    finally:
        lab.run("r1", ["nft", "flush", "ruleset"])
        write_sysctls("r1", {"net/ipv4/vs/conntrack": "0"})


def chain(hook: str, *rules: str, policy: str = "drop", prio: int = 0) -> str:
    head = f"type filter hook {hook} priority {prio}; policy {policy};"
    lines = "\n".join((head, *rules))
    return f"table inet t {{\nchain c {{\n{lines}\n}}\n}}\n"


ESTABLISHED = "ct state established,related accept"
CASES = {
    "input closed": (chain("input", ESTABLISHED), "0", False),
    "input closed right before IPVS": (chain("input", prio=99), "0", False),
    "input open": (chain("input", f"ip daddr {network.NAT_VIP} tcp dport 80 accept"), "0", True),
    "forward for established": (chain("forward", ESTABLISHED), "0", False),
    "forward for established and invalid": (
        chain("forward", ESTABLISHED, "ct state invalid accept"),
        "0",
        False,
    ),
    "invalid dropped": (chain("forward", "ct state invalid drop", policy="accept"), "0", False),
    "forward for established, tracked": (chain("forward", ESTABLISHED), "1", True),
    "forward open": (chain("forward", "ip saddr 10.11.12.1 tcp sport 80 accept"), "0", True),
    "output to real servers": (
        chain("output", "ip daddr 10.11.12.1 tcp dport 80 drop", policy="accept"),
        "0",
        False,
    ),
}


@pytest.mark.nft
@pytest.mark.parametrize(("rules", "conntrack", "passes"), CASES.values(), ids=CASES)
def test_a_firewall_is_said_to_be_in_the_way_just_where_clients_get_no_answer(
    lab: Lab, tmp_path: Path, rules: str, conntrack: str, passes: bool
) -> None:
    path = tmp_path / "rules.nft"
    path.write_text(rules)
    with balanced(lab):
        assert lab.client_get(f"http://{network.NAT_VIP}/")["s1"] == 1, "it works without a firewall"
        write_sysctls("r1", {"net/ipv4/vs/conntrack": conntrack})
        lab.run("r1", ["nft", "-f", str(path)])
        errors = [each for each in said("firewall") if each.level is Level.ERROR]
        answered = lab.client_get(f"http://{network.NAT_VIP}/", seconds=3.0)["s1"] == 1
    assert (answered, not errors) == (passes, passes), [each.what for each in errors]
