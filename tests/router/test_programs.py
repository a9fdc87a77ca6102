"""Programs of checks as root runs them: what they may do, how they end, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvs.config.model import Protocol
from lvs.nanny import launching
from lvs.nanny.checks import Check, Kind
from lvs.nanny.probes import registry
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding
from lvs.nanny.programs import FOLDER, Ran, run, user
from tests.conftest import eventually
from tests.programs import children, descriptors, processes, program_folder, put

pytestmark = pytest.mark.root

LIMIT = 0.5
LATE = 2.0  # seconds within which even a busy machine has the verdict

INTERNAL_SIGNALS = 3 << 31  # 32 and 33, which posix_spawn(3) of some C libraries leaves ignored

# Forks twice, in a session of its own, ignores what can be ignored, and holds on to the pipes.
DAEMON = """
import os, signal, sys, time
for _ in range(2):
    if os.fork():
        {parent}
    os.setsid()
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
os.execv("/bin/sleep", ["sleep", "{word}"])
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.fail("this test needs root; leave such tests out with: pytest -m 'not root'")
    with program_folder() as folder:
        yield folder


def with_launcher(story: Callable[[], Awaitable[None]]) -> None:
    """Play story beside a launcher that has run a program; nothing is left of it either."""

    async def all_of_it() -> int:
        pid = launching.line(user()).pid
        await story()
        return pid

    before = descriptors()
    pid = asyncio.run(all_of_it())
    assert not Path(f"/proc/{pid}").exists()
    assert descriptors() == before


async def nothing_left() -> None:
    """Return when the launcher has no child any more: it is about to reap the last, on a busy machine."""
    launcher = launching.line(user()).pid
    await asyncio.to_thread(eventually, lambda: not children(launcher), "the launcher has no child", 5.0)


def checked(folder: Path, *words: str, limit: float = LIMIT) -> tuple[Finding, float]:
    """What a check by a program finds, and in how many seconds; nothing is left of it when it is known."""
    results: list[tuple[Finding, float]] = []

    async def story() -> None:
        FOLDER.set(folder)
        check = Check(
            ip_address("127.0.0.1"), 80, Protocol.TCP, limit, kind=Kind.PROGRAM, program=tuple(words)
        )
        begun = time.monotonic()
        finding = await registry.probe(check, NOTHING_KEPT)
        results.append((finding, time.monotonic() - begun))
        await nothing_left()

    with_launcher(story)
    return results[0]


def ran(folder: Path, *words: str, limit: float = 10.0) -> Ran:
    return asyncio.run(run(words, limit, folder, NOTHING_KEPT))


# ---- what must be seen: down, with the reason, in time, and nothing left behind


def test_a_program_that_hangs_is_down_at_the_limit_with_all_its_children(folder: Path) -> None:
    put(folder, "shop", "trap '' TERM; sleep 86401.25 & sleep 86402.25 & wait")
    finding, took = checked(folder, "shop")
    assert finding == Finding(False, "program had not ended after 0.5 s, and was killed")
    assert LIMIT <= took < LATE
    assert processes("86401.25") + processes("86402.25") == []


def test_a_daemon_that_a_program_leaves_ends_with_it_and_holds_nothing_up(folder: Path) -> None:
    text = DAEMON.format(parent="time.sleep(0.2); os._exit(0)", word="86403.25")
    put(folder, "shop", text, shell="/usr/bin/python3")
    finding, took = checked(folder, "shop", limit=60.0)
    assert finding == Finding(True, "program: status 0")
    assert took < 20
    assert processes("86403.25") == []


def test_a_daemon_of_a_program_that_hangs_ends_with_it(folder: Path) -> None:
    put(folder, "shop", DAEMON.format(parent="time.sleep(3600)", word="86404.25"), shell="/usr/bin/python3")
    finding, took = checked(folder, "shop", limit=1.0)
    assert finding == Finding(False, "program had not ended after 1 s, and was killed")
    assert took < 1.0 + LATE
    assert processes("86404.25") == []


def test_a_program_that_forks_without_end_is_bounded_and_killed(folder: Path) -> None:
    put(folder, "shop", "bomb() { bomb 86405.25 | bomb & }; bomb; exec sleep 86405.25")
    finding, took = checked(folder, "shop")
    assert finding.reason.startswith("program had not ended after 0.5 s, and was killed")
    assert took < 10
    assert processes(str(folder)) + processes("86405.25") == []


def test_a_program_that_forks_without_end_keeps_no_other_from_running(folder: Path) -> None:
    text = (
        "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: print(); time.sleep(86407.25)"
    )
    put(folder, "bomb", text, shell="/usr/bin/python3")
    put(folder, "shop", "echo $(echo here) | tr h H")

    async def story() -> None:
        bomb = asyncio.create_task(run(("bomb",), 60.0, folder, NOTHING_KEPT))
        await asyncio.to_thread(eventually, lambda: len(processes(f"{folder}/bomb")) > 120, "all it may have")
        got = await run(("shop",), 10.0, folder, NOTHING_KEPT)
        assert (got.status, got.output) == (0, b"Here\n")
        bomb.cancel()
        await nothing_left()

    with_launcher(story)
    assert processes(f"{folder}/bomb") == []


def test_a_program_that_prints_10_mb_is_down_long_before_the_limit(folder: Path) -> None:
    put(folder, "shop", "head -c 10000000 /dev/zero; sleep 86406.25")
    finding, took = checked(folder, "shop", limit=60.0)
    assert not finding.ok
    assert finding.reason.startswith("program printed more than 64 KiB, and was killed")
    assert took < 20
    assert processes("86406.25") == []


def test_a_program_that_does_not_exist_is_down_at_once(folder: Path) -> None:
    finding, took = checked(folder, "/usr/local/bin/shop")
    reason = f"program shop is not in {folder}: copy it there, owned by root, mode 0755"
    assert finding == Finding(False, reason)
    assert took < LATE


def test_more_at_once_than_have_a_turn_leave_nothing(folder: Path) -> None:
    put(folder, "good", "echo fine")
    put(folder, "hangs", "sleep 86407.25")
    put(folder, "daemon", "(setsid sleep 86407.25 &); exit 1")

    async def story() -> None:
        limits = {"good": 30.0, "hangs": 1.0, "daemon": 30.0}
        names = ("good", "hangs", "daemon", "good") * 12
        runs = (run((name,), limits[name], folder, NOTHING_KEPT) for name in names)
        all_of_them = await asyncio.gather(*runs)
        assert {got.status for got in all_of_them[::4]} == {0}
        assert {got.status for got in all_of_them[1::4]} == {None}
        assert {got.status for got in all_of_them[2::4]} == {1}
        await nothing_left()

    with_launcher(story)
    assert processes("86407.25") == []


# ---- what a program may do


def test_a_program_has_another_user_no_capability_no_file_and_its_own_processes_only(folder: Path) -> None:
    put(
        folder,
        "shop",
        """
        id -u; id -G; pwd; umask; echo $$
        grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs)' /proc/self/status | tr -d '\\n\\t'; echo
        ls /proc/self/fd | wc -l
        readlink /proc/self/fd/0
        grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\n\t'; echo
        kill -0 1 2>/dev/null && echo reached
        kill -0 $1 2>/dev/null || echo hidden
        """,
    )
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
    try:
        lines = ran(folder, "shop", str(os.getpid())).output.decode().splitlines()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    given = pwd.getpwnam(user())
    none = "0" * 16
    assert lines[:5] == [str(given.pw_uid), str(given.pw_gid), "/", "0077", "2"]
    assert lines[5] == f"CapPrm:{none}CapEff:{none}CapBnd:{none}CapAmb:{none}NoNewPrivs:1"
    assert lines[6:8] == ["4", "/dev/null"]  # stdin, stdout, stderr, and what ls looks at
    blocks, _, ignored = lines[8].partition("SigIgn:")
    assert blocks == f"SigBlk:{none}"
    assert int(ignored, 16) & ~INTERNAL_SIGNALS == 0
    assert lines[9:] == ["reached", "hidden"]


def test_a_program_writes_no_file_and_gets_no_more_memory_than_its_bound(folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    put(folder, "file", f"echo secret > {folder}/open/file")
    assert ran(folder, "file").status != 0
    assert not any(each.stat().st_size for each in (folder / "open").iterdir())
    put(folder, "memory", "bytearray(2 * 1024 ** 3)", shell="/usr/bin/python3")
    got = ran(folder, "memory")
    assert (got.status, got.last_words) == (1, "MemoryError")


def test_a_program_makes_nothing_that_would_outlive_it(folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    text = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for make in (
    lambda: os.mkdir("{folder}/open/folder"),
    lambda: os.symlink("x" * 4000, "{folder}/open/link"),
    lambda: open("/dev/shm/{folder.name}", "w"),
):
    try:
        make()
    except OSError as error:
        print(error.strerror)
print(libc.shmget(7, 4096, 0o1666), libc.semget(7, 1, 0o1666), libc.msgget(7, 0o1666))
print(libc.unshare(0x10000000))  # a user namespace, in which it would have every right
print(libc.ptrace(16, int(open("/proc/self/stat").read().split()[3]), 0, 0))  # to its parent
open("/dev/null", "w").write("this may be written to")
"""
    put(folder, "shop", text, shell="/usr/bin/python3")
    got = ran(folder, "shop")
    assert got.errors == b""
    assert got.output.decode().splitlines() == ["Read-only file system"] * 3 + ["-1 -1 -1", "-1", "-1"]
    assert list((folder / "open").iterdir()) == []


def test_a_program_that_its_user_may_not_enter_the_way_to_is_refused_with_what_to_do(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    put(closed, "shop", "exit 0")
    got = ran(closed, "shop")
    assert got.problem == (
        f"{closed}/shop may not be run by the user {user()}: chmod 0755 {closed}/shop, and let that user "
        "enter the folders above it"
    )


# ---- when something dies


def test_a_program_ends_with_the_pulse_that_runs_it(folder: Path) -> None:
    put(folder, "shop", "(setsid sleep 86408.25 &) ; sleep 86408.25")
    script = (
        "import asyncio; from pathlib import Path; from lvs.nanny import programs; "
        "from lvs.nanny.probes.finding import NOTHING_KEPT; "
        f"asyncio.run(programs.run(('shop',), 3600, Path({str(folder)!r}), NOTHING_KEPT))"
    )
    pulse = subprocess.Popen([sys.executable, "-c", script])
    eventually(lambda: len(processes("86408.25")) == 2, "both sleep")
    (launcher,) = children(pulse.pid)
    pulse.send_signal(signal.SIGKILL)
    pulse.wait()
    eventually(lambda: not processes("86408.25"), "neither is left")
    eventually(lambda: not Path(f"/proc/{launcher}/exe").exists(), "the launcher has ended")


def test_a_launcher_that_dies_takes_its_programs_along_and_the_next_has_a_new_one(folder: Path) -> None:
    put(folder, "hang", "(setsid sleep 86409.25 &) ; sleep 86409.25")
    put(folder, "good", "exit 0")

    async def story() -> None:
        first = launching.line(user()).pid
        hanging = asyncio.create_task(run(("hang",), 60.0, folder, NOTHING_KEPT))
        await asyncio.to_thread(eventually, lambda: len(processes("86409.25")) == 2, "both sleep")
        os.kill(first, signal.SIGKILL)
        got = await hanging
        assert (got.status, got.problem) == (None, "the process that starts programs ended unexpectedly")
        assert (await run(("good",), 5.0, folder, NOTHING_KEPT)).status == 0
        await asyncio.to_thread(eventually, lambda: not processes("86409.25"), "neither is left")

    asyncio.run(story())


def test_without_the_right_to_namespaces_all_that_a_program_started_ends_with_it_as_well(
    folder: Path,
) -> None:
    put(folder, "hang", DAEMON.format(parent="time.sleep(3600)", word="86410.25"), shell="/usr/bin/python3")
    put(folder, "ends", DAEMON.format(parent="os._exit(3)", word="86410.25"), shell="/usr/bin/python3")
    script = (
        "import asyncio, json; from pathlib import Path; from lvs.nanny import programs; "
        "from lvs.nanny.probes.finding import NOTHING_KEPT\n"
        "async def story():\n"
        f"    folder = Path({str(folder)!r})\n"
        "    given = {'hang': 2.0, 'ends': 30.0}.items()\n"
        "    return [await programs.run((name,), limit, folder, NOTHING_KEPT) for name, limit in given]\n"
        "print(json.dumps([(ran.status, ran.problem) for ran in asyncio.run(story())]))"
    )
    done = subprocess.run(
        ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [[None, "had not ended after 2 s, and was killed"], [3, ""]]
    assert processes("86410.25") == []
