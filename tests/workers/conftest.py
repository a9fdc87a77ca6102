"""Routers to speak to: a pulse in planning mode and a Celery worker each, all real, over a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from lvs.errors import PulseUnreachable
from lvs.machines import redis_users, serials, signing, worker_file
from lvs.machines.worker_file import WorkerFile
from lvs.pulse.client import PulseClient
from lvs.reported import reports
from piranha_web.celery import app
from tests.conftest import RedisServer, eventually

# Django imported the Celery application before tests/conftest.py could name the tests' Redis.
app.conf.broker_url = os.environ["PIRANHA_BROKER_URL"]

PIRANHA = Path(sys.executable).parent / "piranha"


class RouterProcesses:
    """pulse (planning) and the worker of one router; each can be stopped and started by itself."""

    def __init__(self, name: str, node: str, folder: Path, broker_url: str) -> None:
        self.name = name
        self.node = node
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.socket = folder / "pulse.sock"
        self.broker_url = broker_url
        self.file = folder / "worker" / "worker.json"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.enrol()

    def start_pulse(self) -> None:
        """Starts pulse and waits until it answers."""
        self.spawn(
            "pulse", "pulse", "--planning", "--no-checks", "--name", self.name, "--node", self.node,
            "--config", str(self.folder / "etc"), "--state", str(self.folder / "lib"),
            "--socket", str(self.socket),
        )  # fmt: skip
        eventually(self.pulse_answers, f"pulse of {self.name} answers")

    def pulse_answers(self) -> bool:
        """Whether the control socket gives a status."""
        try:
            return bool(self.client.status())
        except PulseUnreachable:
            return False

    @property
    def client(self) -> PulseClient:
        """A client of this router's pulse."""
        return PulseClient(self.socket, timeout=10)

    def start_worker(self, *words: str) -> None:
        """Starts the Celery worker; its first report shows that it runs."""
        self.spawn(
            "worker", "worker", "--router", self.name, "--pulse-socket", str(self.socket),
            "--file", str(self.file), *words,
        )  # fmt: skip

    def enrol(self) -> None:
        """Gives the router its user of Redis, and its worker the file that says so."""
        with reports.connect(self.broker_url) as client:
            password = redis_users.grant(client, self.name)
        worker_file.write(
            self.file,
            WorkerFile(
                router=self.name,
                broker_url=redis_users.url_for(self.broker_url, self.name, password),
                manager_keys=tuple(signing.public_texts(settings.VAR)),
            ),
            serials.next_serial(settings.VAR),
        )

    def spawn(self, what: str, *words: str, environment: dict[str, str] | None = None) -> None:
        (self.folder / "etc").mkdir(exist_ok=True)
        (self.folder / "lib").mkdir(exist_ok=True)
        with (self.folder / f"{what}.log").open("ab") as log:
            self.processes[what] = subprocess.Popen(
                [PIRANHA, *words],
                stdout=log,
                stderr=log,
                env=environment,
            )

    def stop(self, what: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends one of the two."""
        process = self.processes.pop(what, None)
        if process:
            process.send_signal(how)
            process.wait(20)

    def stop_all(self) -> None:
        """Ends both."""
        for what in list(self.processes):
            self.stop(what, signal.SIGKILL)


@pytest.fixture
def routers(redis_server: RedisServer, tmp_path: Path) -> Iterator[dict[str, RouterProcesses]]:
    """r1 (primary) and r2 (backup), nothing running yet."""
    both = {
        "r1": RouterProcesses("r1", "primary", tmp_path / "r1", redis_server.url),
        "r2": RouterProcesses("r2", "backup", tmp_path / "r2", redis_server.url),
    }
    yield both
    for router in both.values():
        router.stop_all()
