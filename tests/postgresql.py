"""A real PostgreSQL for tests, on a Unix socket, empty, gone afterwards.

    python -m tests.postgresql COMMAND...      runs COMMAND with PIRANHA_DATABASE_URL_FILE naming it

Its server never runs as root: root starts it as whoever `USERS` finds first. Nothing of it is written for
good (fsync=off): what is tested is what it says, and not its disk.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USERS = ("postgres", "nobody")
DEBIAN = Path("/usr/lib/postgresql")
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs; Debian keeps them out of PATH."""
    found = shutil.which(name) or next(
        (str(one) for one in sorted(DEBIAN.glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        raise RuntimeError("there is no PostgreSQL: apt-get install postgresql")
    return found


def unprivileged() -> list[str]:
    """The words before a command that has no business as root; none for who is not root."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next(known[name] for name in USERS if name in known)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


class PostgresServer:
    """A server in a folder of its own, which a test can stop and start again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = folder / "rows"

    def make(self) -> None:
        """Its files. The order of texts is a language's, as on most machines, and not that of the bytes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if words := unprivileged():
            os.chown(self.folder, int(words[1].partition("=")[2]), -1)
        self.folder.chmod(0o755)  # whoever runs the tests uses the socket
        self._run(
            "initdb", "-D", str(self.rows), "-U", "piranha", "-A", "trust", "-E", "UTF8", "--no-sync",
            "--locale=C", "--locale-provider=icu", "--icu-locale=en",
        )  # fmt: skip
        lines = [f"{name} = '{value}'" for name, value in SETTINGS.items()]
        lines.append(f"unix_socket_directories = '{self.folder}'")
        with (self.rows / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._run("pg_ctl", "-D", str(self.rows), "-w", "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        """Ends it at once; its files stay."""
        self._run("pg_ctl", "-D", str(self.rows), "-w", "-m", "immediate", "stop")

    def url(self, name: str = "piranha") -> str:
        """The URL of one of its databases."""
        return f"postgresql://piranha@/{name}?host={self.folder}"

    def create(self, name: str) -> str:
        """Makes an empty database; its URL."""
        subprocess.run([program("createdb"), "-h", str(self.folder), "-U", "piranha", name], check=True)
        return self.url(name)

    def drop(self, name: str) -> None:
        """Takes it away, whoever is connected."""
        words = ["-h", str(self.folder), "-U", "piranha", "--if-exists", "--force", name]
        subprocess.run([program("dropdb"), *words], check=True)

    def _run(self, name: str, *words: str) -> None:
        # Not into a pipe: pg_ctl leaves the server behind, which would keep it open.
        with tempfile.TemporaryFile() as said:
            words = (*unprivileged(), program(name), *words)
            done = subprocess.run(
                words, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, check=False
            )
            said.seek(0)
            if done.returncode:
                raise RuntimeError(f"{name}: {said.read().decode(errors='replace')}")


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server while inside."""
    folder = Path(tempfile.mkdtemp(prefix="piranha-postgresql-"))
    server = PostgresServer(folder)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(words: list[str]) -> int:
    """Runs the command; its exit code."""
    with running() as server:
        file = server.folder / "database.url"
        file.write_text(server.create("piranha"), encoding="utf-8")
        environment = {**os.environ, "PIRANHA_DATABASE_URL_FILE": str(file)}
        environment.pop("PIRANHA_DATABASE", None)
        return subprocess.run(words, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
