"""Installed, set up, upgraded, removed and purged on a clean Debian 12 with systemd."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages import debs
from tests.packages.machine import Machine, booted, wait_until

pytestmark = pytest.mark.root

PASSWORD = "correct-horse-battery-7"
UNITS = ("piranha-web", "piranha-manager", "piranha-worker", "piranha-redis", "pulse")
LVS_CF = """\
serial_no = 1
primary = 127.0.0.1
service = lvs
network = nat
nat_router = 10.11.12.1 lo:1
virtual shop {
    active = 1
    address = 192.168.26.10 lo:2
    port = 80
    server s1 {
        address = 10.11.12.11
        active = 1
    }
}
"""
# systemd-analyze security, of 10: at most
EXPOSED = {
    "pulse": 5.5,
    "piranha-rules": 2.5,
    "piranha-web": 1.5,
    "piranha-manager": 1.5,
    "piranha-worker": 1.5,
    "piranha-redis": 1.5,
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    (folder / "exchange").mkdir()
    built = debs.built()
    debs.later(built, folder / "exchange/later")
    (folder / "exchange/first").mkdir()
    for path in (*built, Path(__file__).with_name("panel.py")):
        shutil.copy(path, folder / "exchange/first")
    (folder / "exchange/lvs.cf").write_text(LVS_CF)
    with booted(folder) as one:
        yield one


def install(machine: Machine, build: str) -> str:
    """Installs the packages of that folder from nothing but their files; what apt says."""
    names = machine.done("sh", "-c", f"ls /exchange/{build}/*.deb").split()
    return machine.done(
        "apt-get", "install", "--yes", "--quiet", "-o", "Dpkg::Options::=--force-confold", *names
    )


def installed(machine: Machine) -> None:
    """They are there, and set up."""
    if machine.run("dpkg", "-s", "piranha-web").returncode:
        install(machine, "first")
    if machine.run("test", "-e", "/etc/piranha/web.env").returncode:
        # This kernel may have no IPVS; the file is the administrator's own from now on.
        machine.done("sh", "-c", "echo 'PULSE_OPTIONS=\"--planning --no-checks\"' >/etc/default/pulse")
        machine.done("systemctl", "restart", "pulse")
        words = ["--kind", "single", "--yes", "--password-stdin", "--bind", "127.0.0.1"]
        machine.done("piranha", "setup", *words, text=f"{PASSWORD}\n")


def answers(machine: Machine) -> bool:
    """Whether the pages do, with all that they need."""
    done = machine.run("curl", "--silent", "--fail", "--max-time", "5", "http://127.0.0.1:3636/readyz")
    return done.returncode == 0


def test_whoever_installs_them_has_a_pulse_without_a_cluster_and_pages_that_wait_for_their_set_up(
    machine: Machine,
):
    said = install(machine, "first")
    assert "pulse runs, and does nothing yet" in said
    assert "Set it up: piranha setup" in said
    assert machine.is_active("pulse")
    assert [unit for unit in UNITS if machine.is_active(unit)] == ["pulse"]
    assert all(machine.said("systemctl", "is-enabled", unit) == "enabled" for unit in UNITS)
    assert machine.said("systemctl", "--failed", "--no-legend") == ""
    assert "/lvs.cf" not in machine.said("ls", "/etc/piranha")
    assert machine.said("dpkg", "--verify", "piranha-common", "piranha-web", "piranha-router") == ""


def test_each_service_is_shut_in_as_far_as_the_guide_says(machine: Machine):
    installed(machine)
    for unit, most in EXPOSED.items():
        said = machine.done("systemd-analyze", "security", "--no-pager", unit)
        assert float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]) <= most, unit
    paths = [f"/usr/lib/systemd/system/{unit}.service" for unit in EXPOSED]
    assert machine.run("systemd-analyze", "verify", "--man=no", *paths).stderr == ""


def test_manual_pages_and_completion_are_found(machine: Machine):
    installed(machine)
    assert "piranha-failover" in machine.done("man", "--where", "--all", "piranha-failover")
    machine.done("sh", "-c", "zcat /usr/share/man/man8/piranha-pulse.8.gz | grep -q 'SH SERVICE'")
    machine.done("bash", "-c", "source /usr/share/bash-completion/completions/piranha && complete -p piranha")


def test_a_machine_is_set_up_and_what_is_applied_in_the_panels_reaches_its_pulse(machine: Machine):
    installed(machine)
    wait_until(lambda: answers(machine), "the pages")
    assert all(machine.is_active(unit) for unit in UNITS)
    panel = ["/usr/bin/python3", "/exchange/first/panel.py", "3636", PASSWORD, "/exchange/lvs.cf", "seen"]
    assert re.search(r"/\w+/\d+", machine.done(*panel))
    wait_until(lambda: "serial_no 1," in machine.said("piranha", "status"), "the lvs.cf")
    assert "shop" in machine.done("cat", "/etc/piranha/lvs.cf")
    again = machine.run("piranha", "setup", "--kind", "single", "--yes", "--bind", "127.0.0.1")
    assert again.returncode == 0
    assert "Nothing to do" in again.stdout + again.stderr


def test_a_port_below_1024_is_served_by_a_right_that_goes_again_with_another_port(machine: Machine):
    installed(machine)
    again = ["piranha", "setup", "--kind", "single", "--yes", "--bind", "127.0.0.1", "--port"]
    machine.done(*again, "443")
    assert machine.done("curl", "--silent", "--max-time", "5", "http://127.0.0.1:443/healthz") == "ok\n"
    right = ["systemctl", "show", "piranha-web", "--property=AmbientCapabilities", "--value"]
    assert machine.said(*right) == "cap_net_bind_service"
    assert "may not listen" not in machine.said("piranha", "doctor")

    drop_in = "/etc/systemd/system/piranha-web.service.d/50-low-port.conf"
    machine.done("rm", drop_in)
    machine.done("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "piranha-web")
    assert "piranha-web may not listen at port 443" in machine.said("piranha", "doctor")

    machine.done(*again, "3636")  # also while the service tries the other port over and over
    wait_until(lambda: answers(machine), "the pages")
    assert machine.said(*right) == ""
    assert machine.run("test", "-e", drop_in).returncode != 0


def test_an_upgrade_takes_all_to_the_new_build_and_keeps_what_is_the_administrators(machine: Machine):
    installed(machine)
    wait_until(lambda: answers(machine), "the pages")
    before = {unit: machine.said("systemctl", "show", "--property=MainPID", unit) for unit in UNITS}
    kept = machine.said("sha256sum", "/etc/piranha/lvs.cf", "/etc/piranha/web.env", "/etc/default/pulse")
    install(machine, "later")
    version = machine.said("dpkg-query", "--show", "--showformat=${Version}", "piranha-router")
    assert machine.done("piranha", "pulse", "--version") == f"pulse {version}\n"
    wait_until(lambda: answers(machine), "the pages of the new build")
    after = {unit: machine.said("systemctl", "show", "--property=MainPID", unit) for unit in UNITS}
    # Redis is not ours to upgrade: it goes on.
    assert {unit for unit in UNITS if before[unit] != after[unit]} == {*UNITS} - {"piranha-redis"}
    assert kept == machine.said(
        "sha256sum", "/etc/piranha/lvs.cf", "/etc/piranha/web.env", "/etc/default/pulse"
    )
    assert all(machine.is_active(unit) for unit in UNITS)
    assert machine.said("systemctl", "--failed", "--no-legend") == ""


def test_a_pulse_that_is_killed_comes_back(machine: Machine):
    installed(machine)
    before = machine.said("systemctl", "show", "--property=MainPID", "--value", "pulse")
    machine.done("kill", "-KILL", before)
    wait_until(
        lambda: (
            machine.is_active("pulse")
            and machine.said("systemctl", "show", "--property=MainPID", "--value", "pulse") != before
        ),
        "another pulse",
    )


def test_removed_they_stop_and_installed_again_a_pulse_with_an_old_lvs_cf_waits_to_be_started(
    machine: Machine,
):
    installed(machine)
    machine.done("apt-get", "remove", "--yes", "piranha-common", "piranha-web", "piranha-router")
    assert not any(machine.is_active(unit) for unit in UNITS)
    assert machine.run("test", "-e", "/usr/lib/piranha").returncode != 0
    assert machine.run("test", "-e", "/var/lib/piranha/piranha.sqlite3").returncode == 0
    machine.done("sh", "-c", "test -e /etc/piranha/lvs.cf || cp /exchange/lvs.cf /etc/piranha/lvs.cf")
    said = install(machine, "later")
    assert "so pulse was not started" in said
    assert not machine.is_active("pulse")
    wait_until(lambda: machine.is_active("piranha-web"), "the pages, which were set up")


def test_purged_they_leave_nothing(machine: Machine):
    installed(machine)
    everything = ("piranha-common", "piranha-web", "piranha-router")
    machine.done("apt-get", "purge", "--yes", *everything)
    left = {path for path in machine.files() if "piranha" in path or "pulse" in path}
    assert left == set()
    assert machine.run("id", "piranha").returncode != 0
    assert machine.said("find", "/etc", "/var/lib", "/usr", "-xdev", "-nouser") == ""
    assert machine.said("systemctl", "--failed", "--no-legend") == ""
    before = machine.files()
    install(machine, "first")
    machine.done("apt-get", "purge", "--yes", *everything)
    assert machine.files() - before == set()
