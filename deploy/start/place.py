"""Where `make run` keeps things, and the secrets that it makes once."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parents[2]


class AlreadyRunning(Exception):
    """Another `make run` holds the folder."""


@dataclass
class Place:
    """The folder var/ (or PIRANHA_VAR): database, password file, secrets, logs; 0700, ours alone."""

    folder: Path

    @classmethod
    def from_environment(cls) -> Place:
        """The folder that the environment names, made when it is not there."""
        place = cls(Path(os.environ.get("PIRANHA_VAR", PROJECT / "var")).absolute())
        for folder in (place.folder, place.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.folder.chmod(0o700)
        return place

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def password_file(self) -> Path:
        return self.folder / "piranha.passwd"

    def log(self, name: str) -> Path:
        """The log of a process, begun anew."""
        path = self.logs / f"{name}.log"
        path.write_bytes(b"")
        return path

    def secret(self, name: str) -> Path:
        """The file of a secret, made with 64 random characters the first time; 0600."""
        path = self.folder / name
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
        return path

    def keep(self, name: str, text: str) -> Path:
        """The file of a secret that is another one with each start; 0600."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        return path

    def lock(self) -> IO[str]:
        """Holds the folder until the process ends; AlreadyRunning when somebody else does."""
        file = (self.folder / "run.lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise AlreadyRunning(
                f"{self.folder} is in use by another `make run`: use that one, or end it"
            ) from error
        return file


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def is_taken(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
