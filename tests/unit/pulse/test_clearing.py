"""What `piranha clear` takes out of a kernel that a stopped pulse has left balancing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvs.pulse.clearing import SERVING, clear_command
from lvs.router import plan
from lvs.router.apply import reconcile
from lvs.router.files import Ledger, locked
from lvs.router.memory import MemoryKernel
from lvs.router.saved_rules import NAME
from lvs.router.state import Health, Role
from piranha_web.cli import parser
from tests.unit.router.cluster import config, real, virtual

BALANCED = config(virtual(fwmark=7, real_servers=(real(1), real(2))))


def left_by_pulse(state: Path, role: Role = Role.ACTIVE) -> MemoryKernel:
    """A kernel as a pulse of that role has left it, its ledger in the folder."""
    kernel = MemoryKernel()
    health = dict.fromkeys(plan.keys(BALANCED).values(), Health.HEALTHY)
    reconcile(kernel, plan.wanted(BALANCED, role, health), Ledger(state / "ledger.json"))
    (state / NAME).write_text("table inet piranha {}\n", encoding="utf-8")
    return kernel


def test_all_that_pulse_put_there_goes_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kernel = left_by_pulse(tmp_path)
    assert kernel.services
    assert kernel.addresses
    assert kernel.netfilter
    assert clear_command(tmp_path, unless_serving=False, edge=lambda: kernel) == 0
    assert not kernel.services
    assert not kernel.addresses
    assert not kernel.netfilter
    assert not (tmp_path / NAME).exists()
    said = capsys.readouterr().out.splitlines()
    assert len(said) >= 3
    assert all(line.startswith("remove ") for line in said)


def test_a_second_time_there_is_nothing_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kernel = left_by_pulse(tmp_path)
    clear_command(tmp_path, unless_serving=False, edge=lambda: kernel)
    capsys.readouterr()
    assert clear_command(tmp_path, unless_serving=False, edge=lambda: kernel) == 0
    assert capsys.readouterr().out == "There was nothing left to take out.\n"


def test_what_is_not_pulses_stays(tmp_path: Path):
    kernel = left_by_pulse(tmp_path)
    (foreign,) = plan.wanted(config(virtual(port=8080)), Role.ACTIVE, {}).services.items()
    kernel.services[foreign[0]], kernel.destinations[foreign[0]] = foreign[1], {}
    clear_command(tmp_path, unless_serving=False, edge=lambda: kernel)
    assert list(kernel.services) == [foreign[0]]


def test_a_router_that_serves_is_left_alone_when_asked_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kernel = left_by_pulse(tmp_path)
    assert clear_command(tmp_path, unless_serving=True, edge=lambda: kernel) == SERVING
    assert kernel.services
    assert kernel.addresses
    assert "goes on balancing" in capsys.readouterr().out


def test_a_standby_is_cleared_even_so(tmp_path: Path):
    kernel = left_by_pulse(tmp_path, Role.STANDBY)
    assert clear_command(tmp_path, unless_serving=True, edge=lambda: kernel) == 0
    assert not kernel.services


def test_a_pulse_that_runs_is_not_cleared_under_its_feet(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kernel = left_by_pulse(tmp_path)
    with locked(tmp_path):
        assert clear_command(tmp_path, unless_serving=False, edge=lambda: kernel) == 1
    assert kernel.services
    assert "stop it first" in capsys.readouterr().err


def test_without_a_ledger_there_is_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert clear_command(tmp_path / "never", unless_serving=False, edge=MemoryKernel) == 0
    assert capsys.readouterr().out == "pulse has put nothing into this kernel.\n"


def test_a_ledger_that_cannot_be_understood_clears_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    kernel = left_by_pulse(tmp_path)
    (tmp_path / "ledger.json").write_text("{", encoding="utf-8")
    assert clear_command(tmp_path, unless_serving=False, edge=lambda: kernel) == 1
    assert kernel.services
    assert "cannot be understood" in capsys.readouterr().err


def test_the_command_line_knows_the_folder_of_the_packages():
    words = parser().parse_args(["clear", "--unless-serving"])
    assert (words.state, words.unless_serving) == (Path("/var/lib/piranha-router"), True)
