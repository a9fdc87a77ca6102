"""A real pulse process in planning mode, spoken to as the worker does: over its socket."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import InvalidConfig, LvsError, PulseUnreachable, RouterError, StaleSerial
from lvs.pulse.client import PulseClient
from piranha_web.cli import main
from tests.unit.pulse.world import lvs_cf

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """One pulse, in a folder of its own."""

    def __init__(self, folder: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.socket = folder / "pulse.sock"
        self.config = folder / "etc"
        self.log = folder / "log"
        words = ["--config", str(self.config), "--state", str(folder / "state"), "--socket", str(self.socket)]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "lvs.pulse", "--planning", "--node", "primary", *words, *options],
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=os.environ | (environment or {}),
            )
        self.client = PulseClient(self.socket, timeout=20)

    def answers(self) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"pulse ended: {self.log.read_text()}")
        try:
            return bool(self.client.status()["pid"] == self.popen.pid)
        except PulseUnreachable:
            return False

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(timeout=20)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.01)


@contextmanager
def pulse(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Process]:
    process = Process(folder, *options, environment=environment)
    try:
        until(process.answers)
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


@contextmanager
def listener() -> Iterator[int]:
    """A real server on loopback that accepts; gives its port."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen(64)
        accepting = threading.Thread(target=accept, args=(opened,), daemon=True)
        accepting.start()
        try:
            yield opened.getsockname()[1]
        finally:
            opened.shutdown(socket.SHUT_RDWR)
            accepting.join()


def accept(opened: socket.socket) -> None:
    while True:
        try:
            opened.accept()[0].close()
        except OSError:
            return


def text(serial: int, port: int, **settings: Any) -> str:
    return lvs_cf(serial, reals=("127.0.0.1", "127.0.0.2"), port=port, **settings)


def healths(process: Process) -> dict[str, str]:
    (web,) = process.client.status()["virtual_servers"]
    return {one["address"]: one["health"] for one in web["real_servers"]}


def test_a_pulse_plans_installs_and_reports(tmp_path: Path) -> None:
    with listener() as port, pulse(tmp_path, "--name", "r1") as process:
        client = process.client
        planned = client.plan(text(3, port))
        assert not (process.config / "lvs.cf").exists()
        installed = client.install(text(3, port))
        assert [
            one.removesuffix(", once its check passes") for one in planned["changes"] if "s2" not in one
        ] == (installed["changes"])
        assert (process.config / "lvs.cf").read_text() == text(3, port) == client.running()["lvs_cf"]
        status = client.status()
        assert (status["name"], status["mode"], status["role"]) == ("r1", "planning", "active")
        assert (status["serial"], status["sha256"]) == (3, installed["sha256"])
        assert healths(process) == {"127.0.0.1": "healthy", "127.0.0.2": "failed"}
        assert process.end() == 0
        assert not process.socket.exists()
    assert "Terminating due to signal 15" in process.log.read_text()


def test_a_pulse_without_checks_takes_every_real_server_as_healthy_and_says_so(tmp_path: Path) -> None:
    with listener() as port, pulse(tmp_path, "--no-checks") as process:
        process.client.install(text(3, port))
        assert healths(process) == {"127.0.0.1": "healthy", "127.0.0.2": "healthy"}
        assert any("no checks" in problem for problem in process.client.status()["problems"])


def test_bad_and_stale_configurations_are_refused_over_the_socket(tmp_path: Path) -> None:
    with listener() as port, pulse(tmp_path) as process:
        process.client.install(text(3, port))
        with pytest.raises(InvalidConfig) as refused:
            process.client.install(text(4, port).replace("192.0.2.80", "0.0.0.0"))
        assert refused.value.problems[0].line
        with pytest.raises(StaleSerial):
            process.client.install(text(2, port))
        assert process.client.running()["serial"] == 3
        assert process.client.install(text(2, port), back_from=3)["serial"] == 2


def test_after_kill_9_a_new_pulse_takes_up_where_the_old_one_was(tmp_path: Path) -> None:
    with listener() as port:
        with pulse(tmp_path) as process:
            before = process.client.install(text(3, port))
            process.end(signal.SIGKILL)
            with pytest.raises(PulseUnreachable):
                process.client.status()
        with pulse(tmp_path) as process:
            until(lambda: process.client.status()["serial"] == 3)
            assert process.client.running()["sha256"] == before["sha256"]
            assert process.client.install(text(3, port))["changes"] == []


def test_a_hangup_takes_up_the_edited_file_and_leaves_a_bad_one(tmp_path: Path) -> None:
    with listener() as port, pulse(tmp_path) as process:
        process.client.install(text(3, port))
        (process.config / "lvs.cf").write_text(text(4, port, scheduler="rr"))
        process.popen.send_signal(signal.SIGHUP)
        until(lambda: process.client.status()["serial"] == 4)
        (process.config / "lvs.cf").write_text("scheduler\n")
        process.popen.send_signal(signal.SIGHUP)
        until(lambda: any("is not valid" in problem for problem in process.client.status()["problems"]))
        assert process.client.running()["serial"] == 4


def test_two_pulses_never_share_a_state_folder(tmp_path: Path) -> None:
    with pulse(tmp_path) as first:
        second = Process(tmp_path)
        assert second.popen.wait(timeout=20) == 1
        assert "another pulse" in second.log.read_text()
        assert first.answers()


@pytest.mark.root
def test_another_user_is_refused_unless_allowed() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # reachable for the other user
        with pulse(folder) as process:
            assert as_user(65534, process.client) == "RouterError"
            process.end()
        with pulse(folder, "--allow-user", "65534") as process:
            assert as_user(65534, process.client) == "ok"


def as_user(uid: int, client: PulseClient) -> str:
    """How a status call of another user ends: "ok" or the error's class."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(uid)
            os.write(writing, outcome(client).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return found


def outcome(client: PulseClient) -> str:
    try:
        client.status()
    except LvsError as error:
        return type(error).__name__
    return "ok"


@pytest.mark.parametrize(
    "options",
    [
        ("--socket", "/dev/null/pulse.sock"),
        ("--no-such-option",),
        ("--allow-user", "nobody-by-this-name"),
        ("--socket", "/tmp/" + "x" * 200),
    ],
)
def test_what_cannot_start_ends_with_1_and_says_why(tmp_path: Path, options: tuple[str, ...]) -> None:
    process = Process(tmp_path, *options)
    assert process.popen.wait(timeout=20) == 1
    assert "pulse: " in process.log.read_text()


def test_the_old_command_line_still_works(tmp_path: Path) -> None:
    with pulse(
        tmp_path, "-n", "-v", "--norun", "--forceactive", "-c", str(tmp_path / "old" / "lvs.cf")
    ) as process:
        process.client.install(lvs_cf(1, reals=("127.0.0.1",), port=1))
        assert (tmp_path / "old" / "lvs.cf").exists()


def test_systemd_is_told_when_pulse_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(20)
        systemd.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        with pulse(tmp_path, environment=environment) as process:
            heard: list[str] = []
            while not {"READY=1", "WATCHDOG=1"} <= set(heard):
                heard += systemd.recv(1000).decode().split("\n")
            assert heard.index("READY=1") < heard.index("WATCHDOG=1")  # else a slow start would be ended
            assert any(line.startswith("STATUS=") for line in heard)
            process.popen.send_signal(signal.SIGHUP)
            until(lambda: b"RELOADING=1" in systemd.recv(1000))
            until(lambda: b"READY=1" in systemd.recv(1000))
            assert process.end() == 0
            until(lambda: b"STOPPING=1" in systemd.recv(1000))


def test_pulse_is_small(tmp_path: Path) -> None:
    with pulse(tmp_path) as process:
        status = Path(f"/proc/{process.popen.pid}/status").read_text()
        (resident,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        assert resident < 60_000  # kB
        modules = subprocess.run(
            [
                sys.executable,
                "-c",
                "import json, sys, lvs.pulse.__main__; print(json.dumps(list(sys.modules)))",
            ],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        assert not {"django", "celery", "redis"} & set(json.loads(modules))


def test_a_confirmation_and_a_hand_over_are_asked_for_over_the_socket(tmp_path: Path) -> None:
    with listener() as port, pulse(tmp_path) as process:
        client = process.client
        client.install(text(3, port))
        client.install(text(4, port, scheduler="rr"), confirm_within=60)
        assert client.status()["unconfirmed"]["back_to"] == 3
        with pytest.raises(RouterError, match="serial 5 cannot be confirmed"):
            client.confirm(5)
        assert client.confirm(4) == {"serial": 4}
        client.install(text(5, port), confirm_within=0.2)
        until(lambda: client.running()["serial"] == 4)
        with pytest.raises(RouterError, match="no second router"):
            client.hand_over()
        with pytest.raises(RouterError, match="no second router"):
            client.take_over_by_force()


SENSELESS: tuple[dict[str, Any], ...] = (
    {"call": "install", "lvs_cf": lvs_cf(), "confirm_within": "soon"},
    {"call": "install", "lvs_cf": lvs_cf(), "confirm_within": 0},
    {"call": "install", "lvs_cf": lvs_cf(), "confirm_within": True},
    {"call": "install", "lvs_cf": lvs_cf(), "keys": "00"},
    {"call": "install", "lvs_cf": lvs_cf(), "keys": ["00"]},
    {"call": "install", "lvs_cf": lvs_cf(), "keys": ["xy" * 32]},
    {"call": "confirm"},
    {"call": "confirm", "serial": "1"},
)


def test_requests_that_make_no_sense_change_nothing(tmp_path: Path) -> None:
    with pulse(tmp_path) as process:
        for request in SENSELESS:
            with pytest.raises(RouterError):
                process.client._call(request)
        assert process.client.status()["serial"] is None
        assert not (process.config / "cluster.key").exists()


def test_a_client_that_says_garbage_does_not_disturb_pulse(tmp_path: Path) -> None:
    with pulse(tmp_path) as process, socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(process.socket))
        rude.sendall(b"\0" * 100_000)
        assert process.answers()
        with pytest.raises(RouterError, match=r"no such call\. If it is older .* systemctl restart pulse"):
            process.client._call({"call": "shutdown"})


def test_the_hand_is_asked_for_over_the_socket_and_is_kept_over_kill_9(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def server(*words: str) -> int:
        return main(["server", *words, "--socket", str(tmp_path / "pulse.sock")])

    with listener() as port:
        with pulse(tmp_path, "--name", "r1") as process:
            process.client.install(text(3, port))
            assert server("down", "web/s1", "--reason", "new disk") == 0
            assert server("drain", "web/s9") == 1
            said = capsys.readouterr()
            user = pwd.getpwuid(os.getuid()).pw_name
            assert said.out == f"web/s1: forced down by {user} on r1: new disk\n"
            assert "no real server web/s9" in said.err
            assert server("test", "web/s1") == 0
            assert server("test", "web/s2") == 1
            process.end(signal.SIGKILL)
        with pulse(tmp_path) as process:
            until(lambda: process.client.status()["serial"] == 3)
            shown = process.client.explain("web", "s1")
            assert (shown["weight"]["wanted"], shown["hand"]["reason"]) == (None, "new disk")
            assert process.client.server([("web", "s1")], "auto", by="anna")["changed"] == [
                "web/s1: left to its checks by anna"
            ]
            assert process.client.explain("web", "s1", test=True)["test"]["ok"]


SENSELESS_ORDERS: tuple[dict[str, Any], ...] = (
    {"targets": [["web", "s1"]], "order": "burn"},
    {"targets": [["web"]], "order": "drain"},
    {"targets": "web/s1", "order": "drain"},
    {"targets": [], "order": "drain"},
    {"targets": [["web", "s1"]], "order": "drain", "until": "soon"},
    {"targets": [["web", "s1"]], "order": "drain", "until": True},
    {"targets": [["web", "s1"]], "order": "drain", "by": 7},
    {"targets": [["web", "s1"]], "order": "drain", "reason": ["x"]},
    {"order": "drain"},
)


def test_orders_that_make_no_sense_change_nothing(tmp_path: Path) -> None:
    with listener() as port, pulse(tmp_path) as process:
        process.client.install(text(3, port))
        for request in SENSELESS_ORDERS:
            with pytest.raises(RouterError):
                process.client._call({"call": "server", **request})
        for request in ({}, {"virtual_server": 7, "real_server": []}, {"virtual_server": "web"}):
            with pytest.raises(RouterError):
                process.client._call({"call": "explain", **request})
        (web,) = process.client.status()["virtual_servers"]
        assert [one["hand"] for one in web["real_servers"]] == [None, None]
