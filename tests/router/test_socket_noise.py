"""A worker's account that has gone bad, at pulse's socket: noise, slowness, crowds, calls that ask too much.

pulse is a real process (in planning mode); who attacks is another process with another user's rights.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import LvsError, RouterError
from lvs.pulse.client import PulseClient
from lvs.pulse.control import MAX_CONNECTIONS
from tests.router.test_pulse_process import Process, pulse, until
from tests.unit.pulse.world import lvs_cf

pytestmark = pytest.mark.root

WORKER = 65534
FRAMES = 100_000
CALLS = [
    "status",
    "running",
    "plan",
    "install",
    "confirm",
    "hand_over",
    "server",
    "explain",
    "rules",
    "guard",
]
PIECES = [None, True, -1, 2**70, 1e308, "", "x", "../../etc/shadow", "/bin/sh", "\0", "\ud800", [], [[]], {}]
PIECES += [
    ["a", "b"],
    [["a", "b"]],
    {"a": {"b": []}},
    "serial_no = x",
    "virtual a {\n",
    "include /etc/shadow",
]
FIELDS = [
    "lvs_cf",
    "back_from",
    "keys",
    "confirm_within",
    "serial",
    "anyway",
    "targets",
    "order",
    "by",
    "reason",
]
FIELDS += ["until", "virtual_server", "real_server", "port", "networks", "x"]


@pytest.fixture
def router() -> Iterator[Process]:
    """A pulse with an lvs.cf in force, which hears the worker's user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # reachable for the other user
        with pulse(folder, "--no-checks", "--allow-user", str(WORKER)) as process:
            process.client.install(lvs_cf(3))
            yield process


@contextmanager
def attacker(work: Callable[[], object]) -> Iterator[Callable[[], int]]:
    """Does work as the worker's user in a process of its own; gives what waits for its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
            os.setgroups([])
            os.setresgid(WORKER, WORKER, WORKER)
            os.setresuid(WORKER, WORKER, WORKER)
            work()
            status = 0
        finally:
            os._exit(status)
    ended: list[int] = []

    def wait() -> int:
        if not ended:
            ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return ended[0]

    try:
        yield wait
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
            wait()


def connected(path: Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(60)
    while True:
        try:
            opened.connect(str(path))
        except BlockingIOError:  # the queue is full (unix(7))
            os.sched_yield()
        else:
            return opened


def frame(chance: random.Random) -> bytes:
    """A line that is no request, or half of one, or a whole one with senseless values."""
    kind = chance.random()
    if kind < 0.3:
        return chance.randbytes(chance.randrange(60)).replace(b"\n", b" ") + b"\n"
    request = {"call": chance.choice(CALLS)} if kind < 0.9 else {"call": chance.choice(PIECES)}
    line = json.dumps(request | {name: chance.choice(PIECES) for name in chance.sample(FIELDS, 3)}).encode()
    if kind < 0.6:
        line = line[: chance.randrange(len(line))]
    return line + b"\n"


def converse(path: Path, frames: list[bytes]) -> None:
    """Sends the lines in pieces of odd sizes and takes in every answer, each of which is one."""
    with connected(path) as opened:

        def send() -> None:
            text, place = b"".join(frames), 0
            while place < len(text):
                place += opened.send(text[place : place + 4093])
            opened.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        with opened.makefile("rb") as lines:
            count = sum(1 for line in lines if "ok" in json.loads(line))
        sending.join()
        if count != len(frames):
            raise AssertionError(f"{count} answers to {len(frames)} lines")


def memory(process: Process) -> int:
    """The most bytes that pulse has had in memory (proc(5), VmHWM)."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def slowest(client: PulseClient, wait: Callable[[], int]) -> float:
    """Asks pulse for its status until the attack is over; the longest answer in seconds."""
    over = threading.Event()
    longest = 0.0

    def watch() -> None:
        wait()
        over.set()

    watching = threading.Thread(target=watch)
    watching.start()
    while not over.is_set():
        begun = time.monotonic()
        assert client.status()["serial"] == 3
        longest = max(longest, time.monotonic() - begun)
        over.wait(0.05)
    watching.join()
    return longest


def is_as_before(process: Process) -> bool:
    return process.popen.poll() is None and process.client.running()["lvs_cf"] == lvs_cf(3)


def test_a_hundred_thousand_senseless_lines_change_nothing_and_hold_up_nobody(router: Process) -> None:
    before = memory(router)

    def attack() -> None:
        chance = random.Random(3636)
        threads = [
            threading.Thread(
                target=converse, args=(router.socket, [frame(chance) for _ in range(FRAMES // 4)])
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with attacker(attack) as wait:
        longest = slowest(router.client, wait)
        assert wait() == 0

    assert is_as_before(router)
    assert longest < 5
    assert memory(router) - before < 100 * 2**20


def test_lines_of_a_megabyte_are_answered_one_by_one(router: Process) -> None:
    before = memory(router)

    def attack() -> None:
        chance = random.Random(3637)
        frames = [chance.randbytes(size).replace(b"\n", b" ") + b"\n" for size in range(0, 2**20, 2**16)]
        frames += [
            json.dumps({"call": "plan", "lvs_cf": "x" * size}).encode() + b"\n" for size in (10**5, 10**6)
        ]
        frames += [b"[" * 10**6 + b"\n", b'{"call": "plan", "lvs_cf": ' + b"9" * 10**6 + b"}\n"]
        converse(router.socket, frames)

    with attacker(attack) as wait:
        longest = slowest(router.client, wait)
        assert wait() == 0

    assert is_as_before(router)
    assert longest < 5
    assert memory(router) - before < 150 * 2**20


def test_five_hundred_held_connections_of_the_worker_keep_root_from_nothing(router: Process) -> None:
    reading, writing = os.pipe()

    def attack() -> None:
        held = [connected(router.socket) for _ in range(500)]
        for opened in held:
            with suppress(OSError):
                opened.send(b'{"call": ')  # and never goes on
        os.write(writing, b"held")
        signal.pause()

    with attacker(attack):
        assert os.read(reading, 4) == b"held"
        for _ in range(MAX_CONNECTIONS):
            assert router.client.status()["serial"] == 3
        assert len(os.listdir(f"/proc/{router.popen.pid}/fd")) < 100

    until(lambda: len(os.listdir(f"/proc/{router.popen.pid}/fd")) < 40)
    assert is_as_before(router)
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_whom_pulse_was_not_told_to_hear_cannot_even_connect(router: Process) -> None:
    def attack() -> None:
        os.setresuid(WORKER, WORKER, WORKER)
        with socket.socket(socket.AF_UNIX) as opened, pytest.raises(PermissionError):
            opened.connect(str(router.socket))

    router.socket.chmod(0o600)
    os.chown(router.socket, 0, 0)
    with attacker(attack) as wait:
        assert wait() == 0


# ---- calls that ask for more


def said(client: PulseClient, call: str, **arguments: Any) -> str:
    """What pulse says to a call, an error or not, as text."""
    try:
        return json.dumps(client._call({"call": call, **arguments}))
    except LvsError as error:
        return str(error)


SECRET = "known to root alone"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that only root may read."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def test_no_call_shows_a_file(router: Process, secret: Path) -> None:
    client = router.client
    names = [
        str(secret),
        f"../../../../../../../..{secret}",
        f"file://{secret}",
        f"@{secret}",
        f"$(cat {secret})",
    ]
    answers = []
    for name in names:
        answers += [
            said(client, call, virtual_server=name, real_server=name, lvs_cf=f'include "{name}"\n', test=True)
            for call in ("explain", "examine", "try_check", "plan", "preflight", "install")
        ]
        answers.append(
            said(client, "guard", port=3636, networks=[f'::1%"}} include "{name}" #'], anyway=True)
        )
        answers.append(said(client, "server", targets=[[name, name]], order="drain"))
        answers.append(said(client, "install", lvs_cf=lvs_cf(4), keys=[name]))
    assert not [answer for answer in answers if SECRET in answer]
    assert router.client.status()["guard"] is None
    assert is_as_before(router)


@pytest.mark.parametrize(
    "name",
    [
        "/bin/touch {}",
        "../../../bin/touch {}",
        "touch {}",
        "sh -c 'touch {}'",
        "./../checks/../../bin/touch {}",
        "$(touch {})",
        "`touch {}`",
        "x; touch {}",
        "-- /bin/touch {}",
    ],
)
def test_no_lvs_cf_runs_a_program_outside_of_the_fixed_folders(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace"
    command = name.format(trace)
    quoted = f'"{command}"'
    with pulse(tmp_path) as process:
        settings = {"active_cmd": quoted, "inactive_cmd": quoted}
        text = lvs_cf(3).replace(
            "service = lvs", "service = lvs\n" + "".join(f"{a} = {b}\n" for a, b in settings.items())
        )
        assert "active_cmd" in text
        said(process.client, "install", lvs_cf=text)
        checked = text.replace("serial_no = 3", "serial_no = 4").replace(
            "  port = 443", f"  port = 443\n  send_program = {quoted}\n  load_monitor = {quoted}"
        )
        said(process.client, "install", lvs_cf=checked)
        said(process.client, "try_check", lvs_cf=checked, virtual_server="web", real_server="s1")
        assert process.client.status()["pid"] == process.popen.pid
        process.end()
    assert not trace.exists()
    assert not [path for path in tmp_path.rglob("*touch*")]


def test_a_name_like_a_path_leads_nowhere(router: Process) -> None:
    folder = router.socket.parent
    before = set(folder.rglob("*"))
    for name in ("../../x", "/tmp/x", "..", "a/../../x", ".", "-x"):
        text = (
            lvs_cf(3)
            .replace("virtual web {", f'virtual "{name}" {{')
            .replace("server s1 {", f'server "{name}" {{')
        )
        router.client.plan(text)
        with suppress(RouterError):
            router.client.server([(name, name)], "drain", reason=name)
        with suppress(LvsError):
            router.client.explain(name, name, test=True)
    assert set(folder.rglob("*")) - before <= {folder / "state" / "hand.json"}
    assert is_as_before(router)
