"""`piranha setup` as an administrator uses it: real commands, terminal, Redis and web server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from deploy.start.place import free_port
from lvs.machines import worker_file
from piranha_web import installed
from tests.conftest import eventually
from tests.terminal import Terminal

PIRANHA = str(Path(sys.executable).with_name("piranha"))
GUNICORN = str(Path(sys.executable).with_name("gunicorn"))
PASSWORD = "a horse and a battery"


def environment(**more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIRANHA_", "SSH_", "DJANGO_"))
    }
    return {**kept, **more}


def setup(*words: str, typed: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PIRANHA, "setup", *words],
        env=environment(**more),
        input=typed,
        capture_output=True,
        text=True,
        timeout=300,
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    """Each file below a folder, but what a database notes of being looked at."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_a_single_machine_is_set_up_at_a_terminal_and_a_second_time_nothing_changes(tmp_path: Path) -> None:
    root, port, pages = tmp_path / "root", free_port(), free_port()
    terminal = Terminal(
        [PIRANHA, "setup", "--root", str(root), "--redis-port", str(port)],
        environment(SSH_CONNECTION="198.51.100.9 50000 192.0.2.1 22"),
    )
    terminal.until("This machine [single]: ")
    terminal.type("7")
    assert "Write one of single, manager, router" in terminal.until("This machine [single]: ")
    terminal.type("1")
    terminal.until("Router [")
    terminal.type("r1")
    for prompt, answer in (
        ("Cluster [main]: ", ""), ("Address [0.0.0.0]: ", ""), ("Port [3636]: ", str(pages)),
        ("Certificate [own]: ", ""),
        ("Database [sqlite]: ", "mysql://h/d"), ("Database [sqlite]: ", ""), ("Redis [own]: ", ""),
        ("Networks [those with a *]: ", "10.1.2.0/24"), ("piranha, who may do everything.", None),
        ("Enter: one is made and printed): ", "short"), ("8 to 1024 characters.", None),
        ("Enter: one is made and printed): ", PASSWORD), ("Again: ", PASSWORD),
    ):  # fmt: skip
        terminal.until(prompt)
        if answer is not None:
            terminal.type(answer)
    plan = terminal.until("Go on? [yes]: ")
    assert f"Write {root}/etc/piranha/web.env: PIRANHA_VAR={root}/var/lib/piranha" in plan
    assert "Let in these networks: 10.1.2.0/24, 198.51.100.9/32" in plan
    assert not root.exists()
    terminal.type("yes")
    assert terminal.ended() == 0, terminal.shown
    assert re.search(r"SHA-256, to compare in the browser: [0-9A-F:]{95}", terminal.shown)
    assert PASSWORD not in terminal.shown

    var = root / "var" / "lib" / "piranha"
    file = worker_file.read(var / "worker" / "worker.json")
    assert (file.router, f"127.0.0.1:{port}" in file.broker_url) == ("r1", True)
    assert "user router.r1 on" in (var / "redis" / "users.acl").read_text()
    for secret in (
        "secret.key",
        "broker.url",
        "redis/redis.conf",
        "redis/users.acl",
        "worker/worker.json",
        "allow",
    ):
        assert (var / secret).stat().st_mode & 0o077 == 0, secret
    settings = installed.parsed((root / "etc/piranha/web.env").read_text())[0]
    assert settings["PIRANHA_PORT"] == str(pages)

    before = everything_in(root)
    again = setup("--root", str(root), "--yes", "--password-stdin", typed=f"{PASSWORD}\n")
    assert again.returncode == 0, again.stderr
    assert again.stderr.startswith("Nothing to do: all of it is set up so already.")
    assert everything_in(root) == before
    other_port = free_port()
    other = setup("--root", str(root), "--yes", "--dry-run", "--port", str(other_port))
    assert "Write" in other.stderr
    assert f"PIRANHA_PORT={other_port}" in other.stderr
    assert everything_in(root) == before


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[Path, int, int, str]]:
    """A manager of r1 and r2 that runs: its folder, ports of pages and Redis, and what the set-up printed."""
    root, port, redis_port = tmp_path / "manager", free_port(), free_port()
    done = setup(
        "--root", str(root), "--yes", "--kind", "manager", "--router", "r1", "--router", "r2",
        "--cluster", "shop",
        "--port", str(port), "--redis-port", str(redis_port), "--reached-at", "198.51.100.7",
        "--allow", "none", "--password-stdin", typed=f"{PASSWORD}\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    settings = installed.parsed((root / "etc/piranha/web.env").read_text())[0]
    log = (tmp_path / "log").open("wb")
    var = root / "var" / "lib" / "piranha"
    processes = [
        subprocess.Popen(["redis-server", var / "redis/redis.conf"], umask=0o077, stdout=log, stderr=log),
        subprocess.Popen(
            [GUNICORN, "-c", "python:piranha_web.gunicorn_conf", "piranha_web.wsgi"],
            env=environment(**settings, PIRANHA_WEB_WORKERS="1"), stdout=log, stderr=log,
        ),
    ]  # fmt: skip
    try:
        eventually(
            lambda: "Booting worker" in (tmp_path / "log").read_text(errors="replace"), "the site runs", 90
        )
        yield root, port, redis_port, done.stdout
    finally:
        for one in processes:
            one.terminate()
        for one in processes:
            one.wait(30)
        log.close()


# Nobody has started the workers, nor pulse; a test's kernel may have IPVS or not.
FAULTS_OF_MANAGER = {
    ("workers", "the manager's worker never reported, or not for a day"),
    ("workers", "the worker of r1 never reported, or not for a day"),
}
FAULTS_OF_ROUTER = {("pulse", ""), ("kernel", ""), ("Redis", "")}


def look_at(root: Path, *, expected: set[tuple[str, str]]) -> None:
    """Has the doctor look: it finds these faults and no others, each with a remedy, and changes nothing."""
    before = everything_in(root)
    done = subprocess.run(
        [PIRANHA, "doctor", "--json", "--root", str(root), "--socket", str(root / "no.sock")],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    faults = [one for one in found if one["level"] == "fault"]
    assert all(one["remedy"] for one in faults)
    known = {(about, "") for about, what in expected if not what}
    assert {(one["about"], one["what"]) for one in faults if (one["about"], "") not in known} == {
        (about, what) for about, what in expected if what
    }, faults
    assert everything_in(root).keys() == before.keys()


def token(root: Path, router: str, port: int) -> str:
    """A token of this manager, by the command."""
    words = ["enrol", router, "--address", f"https://127.0.0.1:{port}"]
    more = environment(PIRANHA_ENV_FILE=str(root / "etc/piranha/web.env"))
    printed = subprocess.run([PIRANHA, *words], env=more, capture_output=True, text=True, check=True).stdout
    return printed.removeprefix("piranha join ").strip()


def test_a_manager_prints_a_token_by_which_a_router_is_set_up_once(
    manager: tuple[Path, int, int, str], tmp_path: Path
) -> None:
    root, port, redis_port, printed = manager
    var = root / "var" / "lib" / "piranha"
    assert [line.split()[:2] for line in printed.splitlines()] == [["piranha", "join"]] * 2
    # A test has no address that others reach: the tokens for this one name loopback.
    tokens = [token(root, name, port) for name in ("r1", "r2")]

    there = tmp_path / "router"
    joined = setup("--root", str(there), "--yes", "--token", "-", typed=f"{tokens[0]}\n")
    assert joined.returncode == 0, joined.stderr
    assert "systemctl enable --now pulse piranha-worker" in joined.stderr
    file = worker_file.read(there / "var/lib/piranha/worker/worker.json")
    assert file.router == "r1"
    assert file.broker_url.startswith("rediss://router.r1:")
    assert file.broker_url.endswith(f"@198.51.100.7:{redis_port}/0")

    again = setup("--root", str(there), "--yes", "--token", "-", typed=f"{tokens[0]}\n")
    assert (again.returncode, again.stderr.partition(":")[0]) == (0, "Nothing to do")
    other = setup("--root", str(there), "--yes", "--token", tokens[1])
    assert other.returncode == 1
    assert "it is the router r1" in other.stderr
    look_at(root, expected=FAULTS_OF_MANAGER)
    look_at(there, expected=FAULTS_OF_ROUTER)
    # The manager, asked again, has nothing to do either: r1 is enrolled, and r2 has a token.
    before = everything_in(root)
    once_more = setup("--root", str(root), "--yes", "--router", "r1", "--router", "r2")
    assert (once_more.returncode, once_more.stderr.partition(":")[0]) == (0, "Nothing to do"), (
        once_more.stderr
    )
    assert everything_in(root).keys() == before.keys()
    url = (var / "broker.url").read_text().strip()
    with redis.Redis.from_url(url, ssl_ca_certs=str(var / "ca.pem")) as client:
        assert "router.r1" in client.acl_users()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "manager"), "There is nobody to ask: say --yes"),
        (("--yes", "--port", "x"), "Port: 'x' is no TCP port"),
        (("--yes", "--redis", "redis://:secret@h/0"), "can be read by everybody on this machine"),
        (("--yes", "--redis", "redis://127.0.0.1:1/0"), "That Redis cannot be used: "),
        (("--yes", "--database-file", "/no/such"), "/no/such cannot be read"),
        (("--yes", "--tls-cert", "/no/such.pem"), "There is no file /no/such.pem"),
        (("--yes", "--allow", "10.0.0.5/8"), "write 10.0.0.0/8 for the whole network"),
        (("--yes", "--kind", "router"), "A router joins by a token"),
        (("--yes", "--token", "what"), "token"),
    ],
)
def test_what_cannot_be_taken_changes_nothing(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = setup("--root", str(tmp_path / "root"), "--port", str(free_port()), *words)

    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "root").exists()
