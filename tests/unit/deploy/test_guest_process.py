"""A guest as a process, with shell scripts in the part of guests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.lab.guests.job import GuestError
from deploy.lab.guests.process import TIMED_OUT, run
from tests.conftest import eventually
from tests.unit.deploy.test_guest_job import make_job

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _own_signal_handlers():
    """run() answers SIGTERM and SIGHUP by leaving; pytest's own answers come back after the test."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def guest(script: str):
    """A guest that runs a script: $1 takes output, $2 the kernel's words; descriptors."""
    return lambda consoles: ["sh", "-c", script, "guest", str(consoles.output), str(consoles.log)]


def test_output_is_passed_on_and_the_exit_status_returned(tmp_path, capfdbinary):
    job = make_job(tmp_path, "unused")
    script = f"echo hello >/dev/fd/$1; echo booting >/dev/fd/$2; echo 3 >{job.status_file}"
    assert run(guest(script), job) == 3
    assert capfdbinary.readouterr().out == b"hello\n"


def test_a_guest_that_ends_without_a_result_is_an_error_with_its_kernels_words(tmp_path):
    with pytest.raises(GuestError, match="panic: no init"):
        run(guest("echo 'panic: no init' >/dev/fd/$2"), make_job(tmp_path, "unused"))


def test_a_guest_that_takes_too_long_is_ended(tmp_path, capfd):
    job = make_job(tmp_path, "unused", timeout=0.2)
    assert run(guest(f"echo $$ >{tmp_path}/pid; sleep 1000"), job) == TIMED_OUT
    assert "time limit" in capfd.readouterr().err
    eventually(lambda: not alive(tmp_path / "pid"), "the guest is gone")


def test_helpers_that_a_guest_leaves_behind_are_ended(tmp_path):
    job = make_job(tmp_path, "unused")
    run(
        guest(f"sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >{tmp_path}/pid; echo 0 >{job.status_file}"),
        job,
    )
    eventually(lambda: not alive(tmp_path / "pid"), "the helper is gone")


# Runs the script that is its second argument as a guest, in the folder that is its first.
LAUNCHER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from deploy.lab.guests.process import run
from tests.unit.deploy.test_guest_job import make_job
job = make_job(Path(sys.argv[1]), "unused", timeout=1000.0, scratch=True)
sys.exit(run(lambda consoles: ["sh", "-c", sys.argv[2]], job))
"""


def test_a_guest_is_as_nice_as_its_launcher_though_it_has_a_session_of_its_own(tmp_path):
    """Where the kernel schedules a session as one; it does not have to."""
    is_nice = "[ ! -e /proc/$$/autogroup ] || grep -q 'nice 3$' /proc/$$/autogroup"
    script = f"until {is_nice}; do sleep 0.02; done; echo 0 >{tmp_path}/exchange/status"
    process = subprocess.run(["nice", "-n", "3", sys.executable, "-c", LAUNCHER, str(tmp_path), script])
    assert process.returncode == 0


def test_a_guest_does_not_outlive_a_killed_launcher(tmp_path):
    script = f"echo $$ >{tmp_path}/pid; sleep 1000"
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(tmp_path), script])
    eventually(lambda: (tmp_path / "pid").exists() and alive(tmp_path / "pid"), "the guest runs")
    process.kill()
    process.wait()
    eventually(lambda: not alive(tmp_path / "pid"), "the guest is gone")
    eventually(lambda: not (tmp_path / "exchange").exists(), "its folder is gone")


def alive(file: Path) -> bool:
    """Whether the process whose number is in the file runs; a zombie does not."""
    text = file.read_text().strip()
    if not text:
        return False
    try:
        os.kill(int(text), 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{text}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
