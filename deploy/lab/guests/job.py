"""What a guest is given to do, and how the host learns what came of it.

The host and the guest share one folder, the exchange. The host puts `job.sh` there; the guest's init runs it
with the guest's console as its output, and leaves the exit status in `status`. A guest that ends without
having written `status` has crashed, and its kernel log says why.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Where the guest sees the exchange folder: on the tmpfs that its init puts on /run.
GUEST_EXCHANGE = "/run/exchange"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class GuestError(Exception):
    """The guest could not be started, or ended without a result; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A TCP port of this machine that leads to one of the guest's."""

    host: str
    host_port: int
    guest_port: int

    @classmethod
    def read(cls, text: str) -> Forward:
        """HOST:PORT:GUESTPORT, or PORT:GUESTPORT for 127.0.0.1. Raises ValueError."""
        host, _, ports = text.rpartition(":")
        host, _, host_port = host.rpartition(":")
        return cls(host=host or "127.0.0.1", host_port=int(host_port), guest_port=int(ports))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command for a guest. memory: MiB. timeout: seconds until the guest is ended by force."""

    kind: str  # uml or vm
    command: tuple[str, ...]
    project: Path
    exchange: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: int
    timeout: float
    forwards: tuple[Forward, ...] = ()
    verbose: bool = False
    scratch: bool = False  # the exchange folder is of no use once the guest has ended

    @property
    def status_file(self) -> Path:
        return self.exchange / "status"

    def write(self) -> None:
        """Puts the job where the guest's init looks for it. Raises GuestError for paths with spaces."""
        for path in (self.project, self.exchange):
            if set(str(path)) & set(' \t\n,"'):
                raise GuestError(f"{path}: move it to a path without spaces, commas and quotes")
        self.exchange.mkdir(parents=True, exist_ok=True)
        self.status_file.unlink(missing_ok=True)
        script = job_script(self.command, self.project, self.kind, self.environment)
        file = self.exchange / "job.sh"
        file.touch(mode=0o600)  # the variables may hold secrets
        file.write_text(script, encoding="utf-8")

    def status(self) -> int | None:
        """The command's exit status (128 + N for signal N), or None while there is none."""
        try:
            return int(self.status_file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None


def job_script(command: Sequence[str], project: Path, kind: str, environment: Mapping[str, str]) -> str:
    """The shell script that runs the command in the project's folder, with .venv first on PATH.

    Nothing that runs in a guest may want to write beside the source: it is read-only there.
    """
    variables = {
        "PATH": f"{project / '.venv' / 'bin'}:{SYSTEM_PATH}",
        "HOME": "/run/home",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/run/home/hypothesis",
        "PIRANHA_EXCHANGE": GUEST_EXCHANGE,
        "PIRANHA_GUEST": kind,
        **({} if sys.stdout.isatty() else {"NO_COLOR": "1"}),
        **environment,
    }
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*exports, f"cd {shlex.quote(str(project))} || exit 126", shlex.join(command), ""])


def environment_from(names: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE as given; NAME alone takes this process's value, so that secrets need not be arguments."""
    result = {}
    for text in names:
        name, given, value = text.partition("=")
        if given:
            result[name] = value
        elif name in os.environ:
            result[name] = os.environ[name]
    return result
