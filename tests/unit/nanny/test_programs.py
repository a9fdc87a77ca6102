"""Which programs are run, how they end, and what a check makes of that."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.config.model import HealthCheck, LvsConfig, Protocol, RealServer, VirtualServer
from lvs.nanny.checks import Check, Kind
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding, Record, What
from lvs.nanny.probes.program import judge
from lvs.nanny.programs import FOLDER, Ran, Refused, find, missing, named, run
from tests.programs import program_folder, put
from tests.unit.nanny.probing import descriptors_left, probe, transcript


@pytest.fixture
def folder() -> Iterator[Path]:
    with program_folder() as folder:
        yield folder


def ran(folder: Path, *words: str, limit: float = 5.0, record: Record = NOTHING_KEPT) -> Ran:
    return asyncio.run(run(words, limit, folder, record))


def a_check(*program: str, **settings: Any) -> Check:
    given: dict[str, Any] = {"address": ip_address("10.0.0.1"), "port": 80, "protocol": Protocol.TCP}
    return Check(timeout=5.0, kind=Kind.PROGRAM, program=program, **(given | settings))


def found(folder: Path, *checks: Check) -> list[Finding]:
    async def all_of_them() -> list[Finding]:
        FOLDER.set(folder)
        return [await probe(check) for check in checks]

    return asyncio.run(all_of_them())


# ---- which are run


def test_a_program_is_named_by_the_last_part_of_the_word(folder: Path) -> None:
    put(folder, "check_shop", "exit 0")
    for word in ("check_shop", "/usr/local/bin/check_shop", "./check_shop", "../../check_shop"):
        assert find(word, folder) == str(folder / "check_shop")


@pytest.mark.parametrize("word", ["", "/", "..", "/usr/bin/", "/usr/bin/.."])
def test_a_word_that_names_nothing_is_refused(folder: Path, word: str) -> None:
    with pytest.raises(Refused, match="names no program: write its name"):
        find(word, folder)


def refusal(folder: Path, word: str = "shop") -> str:
    with pytest.raises(Refused) as refused:
        find(word, folder)
    return str(refused.value)


def test_what_is_not_there_is_refused_with_where_to_put_it(folder: Path) -> None:
    assert refusal(folder) == f"shop is not in {folder}: copy it there, owned by root, mode 0755"
    absent = folder / "checks"
    assert refusal(absent) == f"shop is not in {absent}: copy it there, owned by root, mode 0755"


def test_a_link_may_lead_to_another_program_of_the_folder_and_nowhere_else(folder: Path) -> None:
    put(folder, "one", "exit 0")
    (folder / "shop").symlink_to("one")
    assert find("shop", folder) == str(folder / "one")
    (folder / "shell").symlink_to("/bin/sh")
    assert refusal(folder, "shell").startswith(f"{folder}/shell leads out of the folder, to /")
    (folder / "deeper").mkdir()
    put(folder / "deeper", "two", "exit 0")
    (folder / "two").symlink_to("deeper/two")
    assert "leads out of the folder" in refusal(folder, "two")


def test_the_folder_itself_may_be_a_link(folder: Path) -> None:
    real = folder / "real"
    real.mkdir(mode=0o755)
    put(real, "shop", "exit 0")
    (folder / "checks").symlink_to("real")
    assert find("shop", folder / "checks") == str(real / "shop")


def test_what_is_no_file_or_may_not_be_run_is_refused(folder: Path) -> None:
    (folder / "shop").mkdir()
    assert refusal(folder) == f"{folder}/shop is not a file that can be run: replace it by the program"
    path = put(folder, "mail", "exit 0", mode=0o644)
    assert refusal(folder, "mail") == f"{path} may not be run by everyone: chmod 0755 {path}"


def test_what_others_can_change_is_refused_and_so_is_all_in_a_folder_that_they_can_change(
    folder: Path,
) -> None:
    path = put(folder, "shop", "exit 0")
    for mode in (0o775, 0o757):
        path.chmod(mode)
        assert refusal(folder).startswith(f"{path} could be changed by others than root, so it is not run: ")
    path.chmod(0o755)
    folder.chmod(0o777)
    assert refusal(folder) == (
        f"shop could be replaced by others than root, who may change {folder}, so it is not run: "
        f"chown root:root {folder}; chmod go-w {folder}"
    )


def test_the_programs_that_active_virtual_servers_name_are_found_in_lvs_cf() -> None:
    real_servers = (RealServer(name="one", address=ip_address("10.0.0.1")),)

    def a(name: str, *, active: bool = True, program: str | None = None, monitor: str = "none") -> Any:
        return VirtualServer(
            name=name,
            active=active,
            check=HealthCheck(send_program=program),
            load_monitor=monitor,
            real_servers=real_servers,
        )

    config = LvsConfig(
        virtual_servers=(
            a("web", program="/usr/bin/shop %h '%p'", monitor="uptime"),
            a("mail", program="mail", monitor="agent"),
            a("plain"),
            a("broken", program="'mail"),
            a("old", active=False, program="old"),
        )
    )
    assert named(config) == {"/usr/bin/shop", "uptime", "mail"}


def test_what_is_missing_is_a_sentence_each(folder: Path) -> None:
    put(folder, "shop", "exit 0")
    put(folder, "mail", "exit 0", mode=0o600)
    assert missing(["/old/bin/shop"], folder) == ()
    assert missing(["/usr/bin/mail", "shop", "mail", "dns"], folder) == (
        f"{folder}/mail may not be run by everyone: chmod 0755 {folder}/mail",
        f"dns is not in {folder}: copy it there, owned by root, mode 0755",
    )


# ---- how one ends


def test_it_gets_its_words_as_they_are_and_no_shell_looks_at_them(folder: Path) -> None:
    put(folder, "shop", 'printf "%s|" "$@"')
    assert ran(folder, "shop", "two words", "$HOME", "*", "").output == b"two words|$HOME|*||"


def test_status_stdout_and_stderr_are_kept_apart(folder: Path) -> None:
    put(folder, "shop", "echo out; echo err >&2; exit 3")
    got = ran(folder, "shop")
    assert (got.status, got.output, got.errors, got.problem) == (3, b"out\n", b"err\n", "")


def test_the_end_of_the_program_is_the_end_whoever_holds_its_pipes(folder: Path) -> None:
    put(folder, "shop", "(sleep 60 &) ; echo done")
    assert ran(folder, "shop").output == b"done\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kill -SEGV $$", "was killed by signal 11 (Segmentation fault)"),
        ("kill -KILL $$", "was killed by signal 9 (Killed)"),
        ("sleep 60", "had not ended after 0.2 s, and was killed"),
        ("trap '' TERM INT HUP; while :; do sleep 60; done", "had not ended after 0.2 s, and was killed"),
        ("head -c 10000000 /dev/zero; sleep 60", "printed more than 64 KiB, and was killed"),
        ("head -c 10000000 /dev/zero >&2; sleep 60", "printed more than 64 KiB, and was killed"),
    ],
)
def test_what_ends_otherwise_has_no_status_but_a_problem(folder: Path, text: str, problem: str) -> None:
    put(folder, "shop", text)
    got = ran(folder, "shop", limit=0.2 if "0.2" in problem else 5.0)
    assert (got.status, got.problem) == (None, problem)
    assert len(got.output) + len(got.errors) <= 64 * 1024


def test_exactly_64_kib_are_not_too_much(folder: Path) -> None:
    put(folder, "shop", "head -c 65536 /dev/zero")
    got = ran(folder, "shop")
    assert (got.status, len(got.output)) == (0, 65536)


def test_what_cannot_be_begun_says_why(folder: Path) -> None:
    put(folder, "old", "exit 0", shell="/no/such/interpreter")
    (folder / "text").write_text("exit 0\n")
    (folder / "text").chmod(0o755)
    assert "names an interpreter in its first line that does not exist" in ran(folder, "old").problem
    assert "neither a binary nor has it a first line such as #!/bin/sh" in ran(folder, "text").problem
    assert ran(folder, "none").problem.startswith("none is not in")
    assert ran(folder).problem.startswith("no program is named")
    assert ran(folder, "text", "x" * 9000).problem.startswith("its arguments have more than 8192 bytes")


def test_a_test_of_the_check_keeps_what_was_run_and_said(folder: Path) -> None:
    put(folder, "shop", "echo out; echo err >&2; exit 3")
    record = Record()
    ran(folder, "shop", "10.0.0.1", record=record)
    assert transcript(record, What.RECEIVED) == b"out\n"
    assert transcript(record, What.NOTE) == (
        f"run {folder}/shop 10.0.0.1".encode() + b"stderr: err\n" + b"ended with status 3"
    )


def test_many_take_turns_and_waiting_is_not_counted_as_their_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lvs.nanny.programs.AT_ONCE", 2)
    put(folder, "shop", "sleep 0.2")

    async def story() -> list[Ran]:
        return list(await asyncio.gather(*(run(("shop",), 2.0, folder, NOTHING_KEPT) for _ in range(6))))

    all_of_them = asyncio.run(story())
    assert [got.status for got in all_of_them] == [0] * 6
    assert sorted(got.waited for got in all_of_them)[-1] >= 0.4


def test_a_program_that_is_dropped_gives_its_turn_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lvs.nanny.programs.AT_ONCE", 1)
    put(folder, "hang", "sleep 60")
    put(folder, "shop", "exit 0")

    async def story() -> None:
        hanging = asyncio.create_task(run(("hang",), 60.0, folder, NOTHING_KEPT))
        await asyncio.sleep(0)  # it has its turn
        hanging.cancel()
        assert (await run(("shop",), 5.0, folder, NOTHING_KEPT)).status == 0
        assert hanging.cancelled()

    asyncio.run(story())


def test_a_router_without_descriptors_says_so_and_leaks_none(folder: Path) -> None:
    put(folder, "shop", "exit 0")

    async def story() -> list[Finding]:
        FOLDER.set(folder)
        before = await probe(a_check("shop"))  # the launcher is there from now on
        opened = set(os.listdir("/proc/self/fd"))
        with descriptors_left(3):  # of the two pipes, one and a half
            lacking = await probe(a_check("shop"))
        assert set(os.listdir("/proc/self/fd")) == opened
        return [before, lacking, await probe(a_check("shop"))]

    before, lacking, after = asyncio.run(story())
    assert (before.ok, lacking.ok, lacking.ours, after.ok) == (True, False, True, True)
    assert lacking.reason == "program cannot be started: too many open files"


# ---- what a check makes of it


def verdict(ran: Ran, **settings: Any) -> tuple[bool, str]:
    finding = judge(a_check("shop", **settings), ran)
    return finding.ok, finding.reason


def test_a_program_that_this_router_could_not_run_says_nothing_of_the_real_server() -> None:
    lacking = Ran(None, problem="cannot be started: resource temporarily unavailable", ours=True)
    assert judge(a_check("shop"), lacking).ours
    assert not judge(a_check("shop"), Ran(None, problem="was killed by signal 9")).ours


def test_status_0_is_up_and_any_other_is_down_with_the_last_words() -> None:
    assert verdict(Ran(0)) == (True, "program: status 0")
    assert verdict(Ran(1)) == (False, "program ended with status 1")
    assert verdict(Ran(2, b"all well\n\n", b"one\nconnect: no\x1b route\n")) == (
        False,
        "program ended with status 2: connect: no\\x1b route",
    )
    assert verdict(Ran(2, b"first\nlast\n")) == (False, "program ended with status 2: last")
    assert verdict(Ran(2, b"x" * 500)) == (False, f"program ended with status 2: {'x' * 120}")
    assert verdict(Ran(None, b"so far\n", problem="was killed by signal 9 (Killed)")) == (
        False,
        "program was killed by signal 9 (Killed): so far",
    )


OK: Sequence[tuple[bytes, bytes]] = [
    (b"OK", b"OK"),
    (b"OK\n", b"OK"),
    (b"OK\r\n", b"OK"),
    (b"OK", b"OK\n"),
    (b"OK\nall\n", b"OK\nall"),
    (b"OK\n\n", b"OK\n\n"),
    (b"anything", b"*"),
]
OTHER: Sequence[tuple[bytes, bytes, str]] = [
    (b"OKAY\n", b"OK", "expected 'OK', got 'OKAY'"),
    (b"O", b"OK", "expected 'OK', got 'O'"),
    (b"OK\nmore\n", b"OK", "expected 'OK', got 'OK\\nmore'"),
    (b"OK\n\n", b"OK", "expected 'OK', got 'OK\\n'"),
    (b" OK\n", b"OK", "expected 'OK', got ' OK'"),
    (b"", b"OK", "expected 'OK', got nothing"),
    (b"", b"*", "expected anything, got nothing"),
]


@pytest.mark.parametrize(("output", "expect"), OK)
def test_the_output_is_the_expected_one_but_for_the_newline_at_the_end(output: bytes, expect: bytes) -> None:
    assert verdict(Ran(0, output), expect=expect) == (True, "printed what is expected")


@pytest.mark.parametrize(("output", "expect", "reason"), OTHER)
def test_other_output_than_the_expected_one_is_down(output: bytes, expect: bytes, reason: str) -> None:
    assert verdict(Ran(0, output), expect=expect) == (False, reason)


def test_a_regular_expression_is_found_anywhere_in_the_output() -> None:
    assert verdict(Ran(0, b"one\ntwo 22\n"), expect=b"t.o [0-9]+", use_regex=True)[0]
    assert verdict(Ran(0, b"one\n"), expect=b"t.o", use_regex=True) == (
        False,
        "expected a match of 't.o', got 'one'",
    )


def test_a_status_that_is_not_0_is_down_whatever_was_printed() -> None:
    assert verdict(Ran(1, b"OK\n"), expect=b"OK") == (False, "program ended with status 1: OK")


def test_one_that_waits_longer_than_its_interval_is_a_warning() -> None:
    assert judge(a_check("shop"), Ran(0, waited=4.9)).warning == ""
    assert judge(a_check("shop"), Ran(0, waited=5.6)).warning.startswith("waited 6 s for its turn, since 32 ")


def test_a_check_runs_its_program_with_what_it_is_about_in_the_environment(folder: Path) -> None:
    put(folder, "shop", "env | sort")
    (finding,) = found(folder, a_check("shop", expect=b"nothing"))
    assert not finding.ok
    told = Record()

    async def story() -> None:
        FOLDER.set(folder)
        await probe(a_check("shop"), told)

    asyncio.run(story())
    lines = transcript(told, What.RECEIVED).decode().split()
    assert [line for line in lines if not line.startswith(("PWD=", "PATH=", "SHLVL=", "_="))] == [
        "LANG=C.UTF-8",
        "PIRANHA_CHECK_ADDRESS=10.0.0.1",
        "PIRANHA_CHECK_PORT=80",
        "PIRANHA_CHECK_TIMEOUT=5",
    ]


def test_a_load_monitor_is_a_program_that_prints_a_load_average(folder: Path) -> None:
    put(folder, "uptime", 'test "$1" = 10.0.0.1 && echo "up 1 day, load average: 0.25, 0, 0"')
    put(folder, "rup", "echo who")
    put(folder, "none", "echo no route >&2; exit 255")
    checks = [a_check(name, "10.0.0.1") for name in ("uptime", "rup", "none", "absent")]
    uptime, rup, none, absent = found(folder, *(as_load(check) for check in checks))
    assert (uptime.ok, uptime.reason) == (True, "load average 0.25")
    assert uptime.load is not None
    assert uptime.load.average == 0.25
    assert (rup.ok, rup.reason) == (False, "expected a load average, got 'who'")
    assert (none.ok, none.reason) == (False, "program ended with status 255: no route")
    assert absent.reason.startswith("program absent is not in ")


def as_load(check: Check) -> Check:
    return Check(check.address, 0, Protocol.TCP, check.timeout, kind=Kind.LOAD, program=check.program)


def test_pulse_without_root_runs_its_own_programs(folder: Path) -> None:
    put(folder, "shop", "id -u")
    expected = os.geteuid() or None
    printed = int(ran(folder, "shop").output)
    assert printed == expected if expected else printed != 0
