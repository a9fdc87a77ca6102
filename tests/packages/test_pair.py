"""A pair of packaged routers and their manager, from the set-up to the purge, under traffic that never ends.

In the order in which they stand: each begins with what the one before has left. The commands are the guide's.
Times that were seen are printed (pytest -s).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.lab import network
from tests.kernel.failover_lab import FLOATING, OTHER
from tests.packages.images import MANAGER, ROUTER, install
from tests.packages.machine import Machine, wait_until
from tests.packages.manual import commands, fill
from tests.packages.pair import MANAGER_ADDRESS, PAIR, PASSWORD, WAIT, Cluster, cluster

pytestmark = pytest.mark.kernel

SET_UP, BACKUP, UPGRADE = "docs/set-up.md", "docs/backup.md", "docs/operations/upgrade.md"
OWN = {"manager.example.org": MANAGER_ADDRESS}
KEPT = "/root/piranha-before.backup"
# Beyond the dead time: until the addresses are announced, and a client asks again.
SLACK = 2.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("pair")) as made:
        yield made


@contextmanager
def noticed_by_nobody(pair: Cluster, what: str) -> Iterator[None]:
    """No request fails meanwhile, nor once it is over."""
    pair.clients.go_on()
    begin = time.monotonic()
    yield
    over = time.monotonic()
    pair.clients.go_on(50)
    end = time.monotonic()
    probe = pair.clients.probe
    wait_until(lambda: probe.is_done_with(end), "the end of every request")
    print(
        f"{what}: {over - begin:.0f} s, {probe.answered_since(begin)} requests answered, no answer for "
        f"{probe.gap(begin, end):.2f} s, the slowest took {probe.slowest(begin, end):.2f} s"
    )
    assert not probe.failures(begin, end), what


def typed(machine: Machine, line: str, text: str | None = None) -> str:
    """A line of the guide, in root's shell."""
    return machine.done("sh", "-c", line, text=text)


def set_up(machine: Machine) -> str:
    """As a manager of the two routers; what it prints."""
    line = fill(commands(SET_UP, "A manager, and its routers")[0], OWN)
    return typed(machine, f"{line} --yes --password-stdin", f"{PASSWORD}\n")


def version(machine: Machine) -> str:
    return machine.done("dpkg-query", "--show", "--showformat=${Version}", "piranha-common")


def left(machine: Machine) -> set[str]:
    """Files that are the packages'."""
    return {path for path in machine.files() if "piranha" in path or "pulse" in path}


def test_a_manager_and_two_routers_are_set_up_and_what_is_applied_reaches_both_and_is_balanced(pair: Cluster):
    tokens = re.findall(r"^piranha join (\S+)", set_up(pair.manager), re.MULTILINE)
    assert len(tokens) == 2
    join = commands(SET_UP, "A manager, and its routers")[1]
    for router, token in zip(pair.routers.values(), tokens, strict=True):
        typed(router, f"{fill(join, {'TOKEN': token})} --yes")
    wait_until(pair.answers, "the pages", WAIT)
    pair.apply(1)
    assert pair.well() in pair.routers
    pair.clients.go_on()
    served: set[str] = set()

    def all_have() -> bool:
        served.update(pair.lab.client_get(f"http://{network.DIRECT_VIP}/", 3))
        return served == set(network.REAL_SERVERS)

    wait_until(all_have, "an answer of each real server", WAIT)


def test_a_pulse_that_is_killed_under_traffic_costs_no_request(pair: Cluster):
    active = pair.well()
    router = pair.routers[active]
    before = pair.status(active)["pid"]
    with noticed_by_nobody(pair, "pulse killed"):
        router.done("kill", "-KILL", str(before))
        wait_until(lambda: pair.status(active).get("pid", before) != before, "another pulse", WAIT)
        pair.well(active)


def test_an_upgrade_in_the_order_of_the_guide_costs_no_request(pair: Cluster):
    active = pair.well()
    standby = OTHER[active]
    before = version(pair.manager)
    typed(pair.manager, commands(UPGRADE, "Before")[0])
    with noticed_by_nobody(pair, "manager upgraded"):
        install(pair.manager, MANAGER, "later")
        wait_until(pair.answers, "the pages of the new build", WAIT)
    with noticed_by_nobody(pair, "standby upgraded"):
        install(pair.routers[standby], ROUTER, "later")
        pair.well(active)
    with noticed_by_nobody(pair, "switched"):
        typed(pair.routers[active], "piranha failover")
        pair.well(standby)
    with noticed_by_nobody(pair, "other router upgraded"):
        install(pair.routers[active], ROUTER, "later")
        pair.well(standby)
    after = {version(machine) for machine in (pair.manager, *pair.routers.values())}
    assert len(after) == 1
    assert before not in after
    with noticed_by_nobody(pair, "applied by the new build"):
        pair.apply(2)
        pair.well(standby)


def test_a_router_that_dies_is_replaced_within_the_bound_and_comes_back_as_standby(pair: Cluster):
    active = pair.well()
    begin = time.monotonic()
    pair.routers[active].crash()
    wait_until(lambda: pair.clients.probe.answered_since(begin + PAIR.deadtime) >= 50, "answers", WAIT)
    gap = pair.clients.probe.gap(begin, time.monotonic())
    print(f"router died: no answer for {gap:.2f} s (dead time {PAIR.deadtime:g} s)")
    assert gap >= PAIR.deadtime - 2 * PAIR.keepalive, "it handed over, so it did not die"
    assert gap <= PAIR.deadtime + SLACK
    with noticed_by_nobody(pair, "router came back"):
        pair.routers[active].start()
        pair.well(OTHER[active])


def test_a_new_manager_with_the_backup_is_obeyed_by_the_routers_as_they_are(pair: Cluster, tmp_path: Path):
    typed(pair.manager, commands(UPGRADE, "Before")[0])
    kept = (pair.manager.root / KEPT.lstrip("/")).read_bytes()
    successor = pair.made["successor"]
    with noticed_by_nobody(pair, "another manager"):
        pair.manager.shut_down()
        pair.manager.stop()
        successor.start()
        (successor.root / KEPT.lstrip("/")).write_bytes(kept)
        for line in commands(BACKUP, "Restore"):
            if line == "piranha setup":
                set_up(successor)
            elif line == "piranha doctor":
                # A fault as long as the routers are not let in again, which takes seconds.
                wait_until(lambda: successor.run("piranha", "doctor").returncode == 0, "no fault", WAIT)
            else:
                typed(successor, fill(line, {"FILE": KEPT}))
        pair.manager = successor
        pair.apply(3)
        pair.well()


def test_a_router_that_is_removed_hands_over_first_and_purged_leaves_nothing(pair: Cluster):
    active = pair.well()
    router = pair.routers[active]
    with noticed_by_nobody(pair, "active router removed"):
        router.done("apt-get", "remove", "--yes", "piranha-router")
    assert pair.status(OTHER[active])["redundancy"]["role"] == "active"
    addresses = router.done("ip", "address")
    assert not [address for address in FLOATING if f"{address}/" in addresses]
    assert router.done("cat", "/proc/net/ip_vs").splitlines()[3:] == []
    for machine, own in ((router, "piranha-router"), (pair.manager, "piranha-web")):
        machine.done("apt-get", "purge", "--yes", own, "piranha-common")
        assert left(machine) == set()
        assert machine.run("id", "piranha").returncode != 0
        assert machine.said("find", "/etc", "/var/lib", "/usr", "-xdev", "-nouser") == ""
        assert machine.said("systemctl", "--failed", "--no-legend") == ""
