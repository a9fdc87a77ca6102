"""What is seen of a real machine before anything is applied, in network namespaces of this kernel."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    Protocol,
    RealServer,
    Redundancy,
    VirtualServer,
)
from lvs.errors import ParseError
from lvs.router import netfilter
from lvs.router.preflight import judged
from lvs.router.seen import Interface, Level, Remark, Seen, Way
from lvs.router.state import InterfaceAddress, MarkRule, Netfilter, Owned, Role
from lvs.router.surroundings import look
from piranha_web.cli import main
from tests.conftest import eventually
from tests.router.conftest import Namespace
from tests.router.test_pulse_process import pulse
from tests.unit.pulse.world import lvs_cf

pytestmark = pytest.mark.root

VIRTUAL, GATEWAY = ip_address("192.0.2.80"), ip_address("10.0.0.254")
PRIMARY, BACKUP = ip_address("192.0.2.8"), ip_address("192.0.2.9")
REAL = ip_address("10.0.0.11")

CONFIG = LvsConfig(
    global_settings=GlobalSettings(
        primary=PRIMARY, nat_router=FloatingAddress(address=GATEWAY, device="eth1:1"), nat_mask=24
    ),
    redundancy=Redundancy(backup_active=True, backup=BACKUP),
    virtual_servers=(
        VirtualServer(
            name="shop",
            active=True,
            address=FloatingAddress(address=VIRTUAL, device="eth0:1"),
            forwarding=Forwarding.NAT,
            real_servers=(RealServer(name="web1", address=REAL, active=True),),
        ),
    ),
)
SILENT = replace(CONFIG, virtual_servers=())  # with no address to ask the network for


@pytest.fixture
def machines(namespaces: Callable[[], Namespace]) -> tuple[Namespace, Namespace]:
    """A router with eth0 and eth1, its addresses and routes, and the machine at the other end of both."""
    router, far = namespaces(), namespaces()
    router.join(far, "eth0", "far0")
    router.join(far, "eth1", "far1")
    router.run("ip", "address", "add", "192.0.2.8/24", "dev", "eth0")
    router.run("ip", "address", "add", "10.0.0.8/24", "dev", "eth1")
    router.run("ip", "route", "add", "default", "via", "192.0.2.254")
    eventually(
        lambda: all(
            each.carries for one in (router, far) for each in one.call(seen, SILENT).interfaces.values()
        ),
        "the cables carry",
        limit=10,
    )
    return router, far


def seen(config: LvsConfig = CONFIG, **more: Any) -> Seen:
    return look(config, Role.ACTIVE, **more)


def remarks(router: Namespace, config: LvsConfig = CONFIG, **more: Any) -> list[Remark]:
    """What is said of a router, but for what depends on the machine that the test runs on."""
    found = judged(router.call(seen, config, **more), config)
    return [
        each for each in found if each.about not in ("modules", "clock", "limits", "managers", "parameters")
    ]


def test_a_router_is_seen_as_it_is(machines: tuple[Namespace, Namespace]) -> None:
    router, _ = machines
    found = router.call(seen)
    assert found.unseen == ()
    assert found.interfaces["eth0"] == Interface("eth0", True, True, found.interfaces["eth0"].mac)
    assert len(found.interfaces["eth0"].mac) == 6
    assert InterfaceAddress(PRIMARY, 24, "eth0") in found.addresses
    assert found.ways == {REAL: Way("eth1")}
    assert found.way_out == {4: Way("eth0", ip_address("192.0.2.254")), 6: None}
    assert (found.rules, found.answered, found.listeners) == ((), (), ())
    assert found.value("net/ipv4/ip_forward") == "0"
    assert found.clock.now == pytest.approx(time.time(), abs=60)
    assert remarks(router) == []


def test_looking_changes_nothing_and_takes_a_moment(machines: tuple[Namespace, Namespace]) -> None:
    router, far = machines

    def state() -> list[str]:
        kept = [
            one.run(*words)
            for one in (router, far)
            for words in (
                ("ip", "-4", "-brief", "address", "show"),
                ("ip", "-brief", "link", "show"),
                ("ip", "-4", "route", "show", "table", "all"),
                ("nft", "list", "ruleset"),
                ("sysctl", "-a", "-r", r"^net\.ipv4\.(conf|ip_forward)"),
            )
        ]
        modules = Path("/proc/modules")
        return [*kept, modules.read_text() if modules.exists() else ""]

    def timed() -> float:
        begun = time.thread_time()
        seen()
        return time.thread_time() - begun

    before = state()
    assert router.call(timed) < 0.5
    assert state() == before


def test_interfaces_that_are_missing_or_down_are_named(machines: tuple[Namespace, Namespace]) -> None:
    router, far = machines
    far.run("ip", "link", "set", "far1", "down")
    eventually(lambda: not router.call(seen, SILENT).interfaces["eth1"].carries, "eth1 lost its carrier")
    assert remarks(router)[0].what == "The interface eth1 has no carrier."
    router.run("ip", "link", "set", "eth1", "down")
    assert remarks(router)[0].what == "The interface eth1 is switched off."
    router.run("ip", "link", "del", "eth1")
    found = {each.what for each in remarks(router)}
    assert "This machine has no interface eth1." in found
    assert "The interface eth0 is switched off." not in found


def test_an_address_that_pulse_did_not_put_there_is_named(machines: tuple[Namespace, Namespace]) -> None:
    router, _ = machines
    router.run("ip", "address", "add", "192.0.2.80/32", "dev", "eth0")
    (found,) = remarks(router)
    assert "192.0.2.80 is on eth0 already" in found.what
    own = Owned(addresses=frozenset({InterfaceAddress(VIRTUAL, 32, "eth0")}))
    assert remarks(router, owned=own) == []


@pytest.mark.parametrize(
    ("virtual", "prefix"), [("192.0.2.80", "24"), ("2001:db8::80", "64")], ids=["ARP", "neighbour discovery"]
)
def test_another_machine_that_has_the_virtual_address_is_named_by_its_mac(
    machines: tuple[Namespace, Namespace], virtual: str, prefix: str
) -> None:
    router, far = machines
    far.run(
        "ip", "address", "add", f"{virtual}/{prefix}", "dev", "far0", *(["nodad"] if ":" in virtual else [])
    )
    address = FloatingAddress(address=ip_address(virtual), device="eth0")
    shop = replace(CONFIG.virtual_servers[0], address=address, forwarding=Forwarding.DIRECT)
    config = replace(CONFIG, virtual_servers=(shop,))
    (link,) = json.loads(far.run("ip", "-json", "link", "show", "far0"))
    (found,) = [each for each in remarks(router, config) if each.about == "addresses"]
    assert found.level is Level.ERROR
    assert str(link["address"]) in found.what
    # The other router is known by its own address, and may have it.
    far.run("ip", "address", "add", "192.0.2.9/24", "dev", "far0")
    assert [each for each in remarks(router, config) if each.about == "addresses"] == []


def load(router: Namespace, rules: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.nft"
    path.write_text(rules)
    router.run("nft", "-f", str(path))


CLOSED = """
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        tcp dport { 22, 443 } accept
        udp dport 539 ip saddr 192.0.2.9 accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        ip saddr 10.0.0.0/24 jump servers
    }
    chain servers {
        tcp sport 8080 accept
    }
}
"""


def test_a_firewall_that_is_closed_to_the_cluster_is_named_and_one_that_is_open_is_not(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    router, _ = machines
    load(router, CLOSED, tmp_path)
    what = [each.what for each in remarks(router)]
    assert what == [
        "The policy drop of chain input of table inet filter drops what clients send to 192.0.2.80 tcp port "
        "80.",
        "Rule 1 in chain forward of table inet filter drops what NAT real servers answer: web1 (10.0.0.11) "
        "tcp "
        "port 80.",
    ]
    router.run("nft", "insert", "rule", "inet", "filter", "input", "ip daddr 192.0.2.80 tcp dport 80 accept")
    router.run("nft", "insert", "rule", "inet", "filter", "forward", "ip saddr 10.0.0.11 tcp sport 80 accept")
    assert remarks(router) == []


def test_a_rule_that_takes_the_virtual_port_away_is_named(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    router, _ = machines
    load(
        router,
        "table ip other {\n chain pre {\n type nat hook prerouting priority dstnat;\n"
        " iifname eth0 tcp dport 80 dnat to 10.0.0.5:8080\n }\n}\n",
        tmp_path,
    )
    (found,) = remarks(router)
    assert found.what.startswith("Rule 1 in chain pre of table ip other sends elsewhere")


def test_sets_of_any_size_are_passed_over_and_pulses_own_table_is_no_rival(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    router, _ = machines
    elements = ", ".join(f"198.18.{n // 250}.{n % 250}" for n in range(20_000))
    load(
        router,
        "table ip blocked {\n set bad {\n type ipv4_addr\n elements = { " + elements + " }\n }\n chain in {\n"
        " type filter hook input priority 0\n ip saddr @bad drop\n }\n}\n",
        tmp_path,
    )
    mine = Netfilter(marks=(MarkRule(VIRTUAL, Protocol.TCP, PortRange(80, 80), 1),), masquerade=(REAL,))
    router.call(netfilter.replace, mine)
    found = router.call(seen)
    assert not [thing for thing in found.rules if "piranha" in json.dumps(thing)]
    assert len(json.dumps(found.rules)) < 2000
    doubts = remarks(router)
    assert {each.level for each in doubts} == {Level.WARNING}
    assert all("Rule 1 in chain in of table ip blocked may drop" in each.what for each in doubts)


def test_a_strict_filter_on_the_wrong_side_of_the_default_route_is_named(
    machines: tuple[Namespace, Namespace],
) -> None:
    router, _ = machines
    router.run("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1")
    assert remarks(router) == []
    router.run("ip", "route", "replace", "default", "via", "10.0.0.1")
    (found,) = remarks(router)
    assert found.what == "eth0 drops what comes from clients beyond its own networks."
    router.run("ip", "route", "del", "default")
    assert {each.level for each in remarks(router)} == {Level.WARNING}


def test_real_servers_without_a_route_are_named(machines: tuple[Namespace, Namespace]) -> None:
    router, _ = machines
    router.run("ip", "route", "del", "default")
    router.run("ip", "address", "del", "10.0.0.8/24", "dev", "eth1")
    assert "There is no route to web1 (10.0.0.11)." in {each.what for each in remarks(router)}
    router.run("ip", "route", "add", "unreachable", "10.0.0.0/24")
    assert router.call(seen).ways == {REAL: None}


def test_a_program_at_the_virtual_port_is_named(machines: tuple[Namespace, Namespace]) -> None:
    router, _ = machines

    def listening(address: str, port: int) -> socket.socket:
        return socket.create_server(
            (address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET
        )

    with router.call(listening, "0.0.0.0", 80), router.call(listening, "0.0.0.0", 22):
        (found,) = remarks(router)
    assert found.level is Level.NOTE
    assert f"(process {os.getpid()})" in found.what
    assert "0.0.0.0 tcp port 80" in found.evidence
    with router.call(listening, "::", 80):
        assert [each.level for each in remarks(router)] == [Level.NOTE]
    with router.call(listening, "192.0.2.8", 80):
        assert remarks(router) == []


def managers(router: Namespace) -> list[str]:
    return [each.what for each in judged(router.call(seen, SILENT), SILENT) if each.about == "managers"]


@pytest.mark.parametrize("name", ["keepalived", "ldirectord"])
def test_another_manager_of_ipvs_in_this_network_is_found_running(
    machines: tuple[Namespace, Namespace], tmp_path: Path, name: str
) -> None:
    router, far = machines
    program = tmp_path / name
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    running = subprocess.Popen(["ip", "netns", "exec", router.name, str(program), "60"])
    try:
        eventually(lambda: managers(router) == [f"{name} is running."], f"{name} is found")
        assert managers(far) == [], "what runs in another network is no rival here"
    finally:
        running.kill()
        running.wait()


def test_what_may_not_be_looked_at_is_said_and_the_rest_is_seen() -> None:
    program = (
        "import json; from lvs.config.model import LvsConfig; from lvs.router.state import Role\n"
        "from lvs.router.surroundings import look; seen = look(LvsConfig(), Role.ACTIVE)\n"
        "print(json.dumps([seen.unseen, sorted(seen.interfaces)]))"
    )
    done = subprocess.run(
        [
            "unshare",
            "--net",
            "setpriv",
            "--bounding-set=-all",
            "--inh-caps=-all",
            sys.executable,
            "-c",
            program,
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    unseen, interfaces = json.loads(done.stdout)
    assert any("nftables rules" in sentence for sentence in unseen)
    assert interfaces == ["lo"]


def test_pulse_answers_for_what_it_runs_and_for_what_it_is_asked_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pulse(tmp_path) as running:
        empty = running.client.preflight()
        assert {"remarks", "parameters", "interfaces", "ways_out", "seconds"} == empty.keys()
        text = lvs_cf(1).replace("eth0:1", "none0")
        found = running.client.preflight(text)
        assert "This machine has no interface none0." in {remark["what"] for remark in found["remarks"]}
        assert found["seconds"] < 10
        assert running.client.status()["sha256"] is None, "nothing was installed"
        with pytest.raises(ParseError):
            running.client.preflight("primary = nobody\n")
        running.client.install(text)
        again = running.client.preflight()
        assert [
            row["wanted"] for row in again["parameters"] if row["path"].endswith("expire_nodest_conn")
        ] == ["1"]
        assert main(["preflight", "--socket", str(running.socket)]) == 1
        assert "error: This machine has no interface none0." in capsys.readouterr().out
