"""What make run stands on: its folder, its secrets, its processes."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from deploy.start.place import AlreadyRunning, Place, is_taken
from deploy.start.processes import TOO_OFTEN, Child, Children, wait_for
from tests.conftest import eventually


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    monkeypatch.setenv("PIRANHA_VAR", str(tmp_path / "var"))
    return Place.from_environment()


@pytest.fixture
def children():
    kept = Children()
    yield kept
    kept.stop()


def python(name: str, code: str, place: Place) -> Child:
    return Child(name, [sys.executable, "-c", code], place.log(name))


def test_the_folder_is_for_its_owner_alone(place):
    assert place.folder.stat().st_mode & 0o777 == 0o700


def test_a_secret_is_made_once_and_for_its_owner_alone(place):
    first = place.secret("redis.password").read_text()
    assert len(first) >= 64
    assert place.secret("redis.password").read_text() == first
    assert place.secret("redis.password").stat().st_mode & 0o777 == 0o600


def test_a_second_run_in_the_same_folder_is_told_so(place):
    held = place.lock()
    with pytest.raises(AlreadyRunning, match="another `make run`"):
        place.lock()
    held.close()
    place.lock().close()


def test_a_port_somebody_listens_on_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_taken("127.0.0.1", port)
    assert not is_taken("127.0.0.1", port)


def test_a_process_that_died_is_said_so_and_started_again(place, children, capsys):
    child = children.start(python("one", "raise SystemExit('no luck')", place))
    child.process.wait()
    children.watch()
    said = capsys.readouterr().out
    assert "one ended with status 1" in said
    assert "no luck" in said
    assert child.deaths == 1


def test_a_process_that_dies_again_and_again_ends_the_run(place, children):
    child = children.start(python("one", "pass", place))
    for _ in range(TOO_OFTEN - 1):
        child.process.wait()
        children.watch()
    child.process.wait()
    with pytest.raises(RuntimeError, match=f"one ended {TOO_OFTEN} times"):
        children.watch()


def test_waiting_for_a_process_that_has_died_ends_with_its_last_words(place, children):
    child = children.start(python("one", "raise SystemExit('port in use')", place))
    with pytest.raises(RuntimeError, match="port in use"):
        wait_for(lambda: False, child, "it answers", 30)


def test_stopping_leaves_nothing_of_a_process_and_what_it_started(place, children, tmp_path):
    code = f"""
import subprocess, time
other = subprocess.Popen(["sleep", "1000"])
open({str(tmp_path / "pid")!r}, "w").write(f"{{other.pid}}.")
time.sleep(1000)
"""
    children.start(python("one", code, place))
    pid_file = tmp_path / "pid"
    eventually(lambda: pid_file.exists() and pid_file.read_text().endswith("."), "it has started another")
    children.stop()
    pid = int(pid_file.read_text().rstrip("."))
    eventually(lambda: not os.path.exists(f"/proc/{pid}") or zombie(pid), "the other is gone")


def zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_a_secret_that_is_another_one_with_each_start_is_for_its_owner_alone(place):
    (place.folder / "broker.url").write_text("of a start before, open to others")
    (place.folder / "broker.url").chmod(0o644)
    assert place.keep("broker.url", "redis://x").read_text() == "redis://x"
    assert (place.folder / "broker.url").stat().st_mode & 0o777 == 0o600
