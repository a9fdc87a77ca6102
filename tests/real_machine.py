"""A machine, as far as a real server's set-up goes: a network namespace with /etc and /var/lib of its own.

The files that a script writes stay in a folder of the test; programs that would reach the machine's own
service manager are replaced by ones that write their words down.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lvs.realservers import Setup

OWN = {"etc": "/etc", "lib": "/var/lib", "local": "/usr/local/sbin"}
_ENTER = (
    " && ".join(f'mount --bind "$1/{name}" {path}' for name, path in OWN.items()) + ' && shift && exec "$@"'
)


class RealMachine:
    """namespace: its name; folder: an empty one, in which the machine's files come to stand."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.namespace = namespace
        self.folder = folder
        for name in (*OWN, "bin"):
            (folder / name).mkdir()
        self.program("systemctl")

    def program(self, name: str, body: str = "") -> None:
        """A stand-in for a program: it writes its words down, and does what body (sh) says."""
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.folder}/said"\n{body}\n')
        path.chmod(0o755)

    def said(self) -> list[str]:
        """What the stand-ins were called with since this was asked last."""
        path = self.folder / "said"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def file(self, path: str) -> Path:
        """Where a file of /etc, /var/lib or /usr/local/sbin is kept."""
        for name, root in OWN.items():
            if path.startswith(root + "/"):
                return self.folder / name / path[len(root) + 1 :]
        raise ValueError(path)

    def files(self) -> dict[str, str]:
        """The machine's files with their texts, by path."""
        return {
            f"{root}/{path.relative_to(self.folder / name)}": path.read_text()
            for name, root in OWN.items()
            for path in sorted((self.folder / name).rglob("*"))
            if path.is_file()
        }

    def attempt(self, setup: Setup, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Downloads the script and runs it; its end and everything it said."""
        script = self.folder / setup.file_name
        script.write_text(setup.script)
        return self._started(str(script), *arguments)

    def start(self, way: str) -> str:
        """What systemd would run at a start of the machine."""
        return self._succeeded(self._started(f"/usr/local/sbin/piranha-{way}"))

    def run(self, setup: Setup, *arguments: str) -> str:
        """As attempt, which must succeed; what it said."""
        return self._succeeded(self.attempt(setup, *arguments))

    def _started(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        inside = ["ip", "netns", "exec", self.namespace, "unshare", "--mount", "sh", "-c", _ENTER, "sh"]
        return subprocess.run(
            [*inside, str(self.folder), "sh", script, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"},
        )

    @staticmethod
    def _succeeded(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stdout
        return done.stdout
