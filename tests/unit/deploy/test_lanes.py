"""Targets in lanes, with shell scripts in the part of make's targets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually

ROOT = Path(__file__).resolve().parents[3]
# A target is the name of a script in the folder where it runs.
LAUNCHER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from deploy.lanes import main
sys.exit(main(sys.argv[1:], ("sh",)))
"""

Launch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts the lanes given as arguments; the scripts are named."""
    started: list[subprocess.Popen[str]] = []

    def start(*lanes: str, **scripts: str) -> subprocess.Popen[str]:
        for name, script in scripts.items():
            (tmp_path / name).write_text(script)
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, *lanes],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_for(*files: str) -> str:
    """Lines of a script that wait until others have made these files."""
    return "".join(f"until [ -e {file} ]; do sleep 0.02; done\n" for file in files)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_lanes_run_side_by_side_and_the_targets_of_one_lane_one_after_the_other(launch: Launch) -> None:
    process = launch(
        "a b", "c",
        a="touch a-runs; " + wait_for("c-runs"),
        b="touch b-runs; echo b was here",
        c="touch c-runs; " + wait_for("a-runs", "b-runs"),
    )  # fmt: skip
    printed, _ = process.communicate()
    assert process.returncode == 0
    for said in (("a begins", "a: passed", "b begins", "b was here"), ("c begins", "b begins", "c: passed")):
        places = [printed.index(text) for text in said]
        assert places == sorted(places)


def test_what_a_target_prints_is_in_one_piece(launch: Launch) -> None:
    process = launch(
        "a", "b",
        a="echo a1; touch a-spoke; " + wait_for("b-spoke") + "echo a2 >&2",
        b=wait_for("a-spoke") + "echo b1; touch b-spoke; echo b2",
    )  # fmt: skip
    printed, _ = process.communicate()
    assert "a1\na2\n" in printed
    assert "b1\nb2\n" in printed


def test_what_failed_comes_last_with_its_name_and_nothing_begins_after_it(launch: Launch) -> None:
    process = launch(
        "bad never", "good",
        bad="echo the reason; touch failed; exit 3",
        never="echo not to be seen",
        good=wait_for("failed") + "echo all is well",
    )  # fmt: skip
    printed, _ = process.communicate()
    assert process.returncode == 1
    assert "not to be seen" not in printed
    said = (
        "all is well",
        "the reason",
        "never: did not begin",
        "good: passed",
        "bad: FAILED with exit status 3",
    )
    places = [printed.rindex(text) for text in said]
    assert places == sorted(places)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_the_lanes_ends_all_that_they_started(
    launch: Launch, tmp_path: Path, number: signal.Signals
) -> None:
    """Also what pays no heed to Ctrl-C in a session of its own, and whose parent has ended."""
    process = launch(
        "polite", "deaf never",
        polite="trap 'echo put away; exit 0' INT; echo $$ >polite-pid; while :; do sleep 0.05; done",
        deaf="(setsid sh -c 'trap \"\" INT TERM; echo $$ >deaf-pid; exec sleep 1000' &)\n"
        "trap 'exit 0' INT; while :; do sleep 0.05; done",
        never="",
    )  # fmt: skip
    files = [tmp_path / "polite-pid", tmp_path / "deaf-pid"]
    eventually(lambda: all(file.exists() and file.read_text().strip() for file in files), "both run")
    process.send_signal(number)
    printed, _ = process.communicate()
    assert process.returncode == 130
    assert "put away" in printed
    assert "never: did not begin" in printed
    for file in files:
        assert is_gone(int(file.read_text()))
