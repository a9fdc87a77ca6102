"""The workers' signs of life for systemd."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from piranha_web.supervised import HUNG, Supervised
from tests.conftest import RedisServer
from tests.workers.conftest import PIRANHA


@dataclass
class Round:
    """A repeater that is where the test says."""

    name: str
    complaint: str = ""
    began: float | None = None


def supervisor(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    made.settimeout(60)
    return made


def test_the_watchdog_is_fed_while_each_repeater_comes_round(tmp_path: Path) -> None:
    with supervisor(tmp_path / "notify") as heard:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"}
        rounds = [Round("report", "Redis is\naway"), Round("deploy", began=100.0)]

        Supervised(environment, rounds, clock=lambda: 100.0 + HUNG).beat()
        Supervised(environment, rounds, clock=lambda: 101.0 + HUNG).beat()

        assert heard.recv(999) == b"STATUS=report: Redis is away\nWATCHDOG=1"
        assert heard.recv(999) == b"STATUS=hangs: deploy"


def test_the_managers_worker_says_when_it_takes_tasks_and_when_it_ends(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    environment = os.environ | {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "400000",
        "PIRANHA_BROKER_URL": redis_server.url,
        "PIRANHA_VAR": str(tmp_path),
    }
    with supervisor(tmp_path / "notify") as heard:
        words = [PIRANHA, "worker", "--manager"]
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        try:
            said = []
            while not any(line.startswith("READY=1") for line in said) or "WATCHDOG=1" not in said:
                said += heard.recv(999).decode().split("\n")
            process.terminate()
            while "STOPPING=1" not in said:
                said += heard.recv(999).decode().split("\n")
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
