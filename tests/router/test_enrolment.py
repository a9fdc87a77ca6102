"""A router joins its manager: the commands themselves, the web server, Redis by TLS, a worker; all real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from lvs.machines import broker, redis_users, worker_file
from lvs.machines.invitation import read
from lvs.reported import reports
from piranha_web.tls import making
from tests.conftest import eventually
from tests.router.conftest import Namespace

PROJECT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
HERE = "192.0.2.1"  # TEST-NET-1: not one of the networks that are allowed by themselves
REDIS_PORT = 6380
PASSWORD = "of the manager alone"


class Manager:
    """A manager's machine in a network namespace, with everything that it needs in one folder."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        self.folder = folder
        self.namespace = namespace
        self.var = folder / "var"
        self.log = folder / "web.log"
        self.processes: list[subprocess.Popen[bytes]] = []
        key = folder / "key"
        key.write_text("k" * 60)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PIRANHA_")},
            "PIRANHA_VAR": str(self.var),
            "PIRANHA_SECRET_KEY_FILE": str(key),
            "PIRANHA_BROKER_URL": f"rediss://:{PASSWORD.replace(' ', '%20')}@{HERE}:{REDIS_PORT}/0",
            "PIRANHA_BROKER_CA": str(self.var / "ca.pem"),
            "PIRANHA_BIND": HERE,
        }

    def start(self, log: Path, *words: str) -> subprocess.Popen[bytes]:
        """A process of this machine that stays."""
        with log.open("ab") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace.name, *words],
                env=self.environment,
                cwd=PROJECT,
                stdout=file,
                stderr=file,
            )
        self.processes.append(process)
        return process

    def piranha(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command."""
        return subprocess.run(
            ["ip", "netns", "exec", self.namespace.name, str(PROGRAMS / "piranha"), *words],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )

    def done(self, *words: str) -> str:
        """What a command printed that must work."""
        found = self.piranha(*words)
        assert found.returncode == 0, f"{words}: {found.stderr}"
        return found.stdout

    def serve_redis(self) -> None:
        """Redis with the certificate that `piranha tls redis` makes, and nothing but TLS."""
        self.done("tls", "redis", HERE, "--folder", str(self.folder / "tls"))
        (self.folder / "redis.conf").write_text(
            f'bind {HERE} 127.0.0.1\nport 0\ntls-port {REDIS_PORT}\nrequirepass "{PASSWORD}"\nsave ""\n'
            f"tls-cert-file {self.folder}/tls/redis.pem\ntls-key-file {self.folder}/tls/redis.key\n"
            f"tls-ca-cert-file {self.var}/ca.pem\ntls-auth-clients no\ndir {self.folder}\n"
        )
        self.start(
            self.folder / "redis.log", str(shutil.which("redis-server")), str(self.folder / "redis.conf")
        )
        broker.trust((self.var / "ca.pem").read_text())
        eventually(lambda: self.namespace.call(self.pings), "Redis answers by TLS")

    def pings(self) -> bool:
        """Whether Redis lets the manager in."""
        try:
            return bool(self.client().ping())
        except redis.ConnectionError:
            return False

    def client(self, host: str = HERE) -> redis.Redis:
        """The manager's client; to be used inside the namespace."""
        return reports.connect(self.environment["PIRANHA_BROKER_URL"].replace(HERE, host))

    def serve_pages(self) -> None:
        """The web server, with a database that has the clusters r1 and r2 are of."""
        self.done("manage", "migrate", "--verbosity", "0")
        self.done("manage", "lab_cluster")
        self.start(
            self.log, str(PROGRAMS / "gunicorn"), "-c", "python:piranha_web.gunicorn_conf", "piranha_web.wsgi"
        )
        eventually(lambda: "Booting worker" in self.log.read_text(), "the pages are served")

    def joined(self, token: str, folder: str) -> subprocess.Popen[str]:
        """`piranha join`, begun."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace.name, str(PROGRAMS / "piranha"), "join", token,
             "--file", str(self.folder / folder / "worker.json")],
            env=self.environment, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(20)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    namespace = Namespace(f"enrol{os.getpid()}")
    namespace.run("ip", "address", "add", f"{HERE}/32", "dev", "lo")
    one = Manager(tmp_path, namespace)
    yield one
    one.stop()
    broker.trust(None)
    namespace.remove()


def test_a_router_joins_with_one_command_and_its_worker_reports_by_tls(manager: Manager) -> None:
    manager.serve_redis()
    manager.serve_pages()
    command = manager.done("enrol", "r1", "--valid", "10m").split()
    assert command[:2] == ["piranha", "join"]
    token = command[2]
    invitation = read(token)
    assert f"https://{HERE}:3636" in invitation.addresses

    # Somebody in between with another certificate; here it is the token that has another fingerprint.
    other = replace(invitation, fingerprint="ab" * 32, addresses=(f"https://{HERE}:3636",))
    between = manager.joined(other.token, "between")
    assert "nothing was told to them" in between.communicate()[0]
    assert between.returncode == 1

    # Not from one of the allowed networks: told so, with the remedy, and the token is not used up by that.
    outside = manager.joined(token, "outside")
    assert f"piranha allow add {HERE}" in outside.communicate()[0]
    manager.done("allow", "add", HERE)

    # Two at once with the same token: one of them is the router.
    both = [manager.joined(token, folder) for folder in ("one", "two")]
    said = [process.communicate()[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    winner, loser = (0, 1) if both[0].returncode == 0 else (1, 0)
    assert "This machine is the router r1 now" in said[winner]
    assert "was used on" in said[loser]
    assert not (manager.folder / ("one", "two")[loser] / "worker.json").exists()
    file = manager.folder / ("one", "two")[winner] / "worker.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert worker_file.read(file).broker_url.startswith("rediss://router.r1:")

    # Its worker needs nothing else to report.
    words = (
        "worker",
        "--router",
        "r1",
        "--pulse-socket",
        str(manager.folder / "none.sock"),
        "--file",
        str(file),
    )
    manager.start(manager.folder / "worker.log", str(PROGRAMS / "piranha"), *words)
    eventually(lambda: manager.namespace.call(reported, manager), "the worker of r1 reports")

    manager.done("enrol", "r1", "--revoke")
    assert not manager.namespace.call(lambda: redis_users.has_user(manager.client(), "r1"))
    audit = manager.done("audit", "--action", "enrol")
    for words_of_it in ("made a token to enrol r1", "enrolled r1", "revoked r1"):
        assert words_of_it in audit
    assert invitation.secret.hex() not in audit


def reported(manager: Manager) -> bool:
    """Whether r1 has said anything; that there is no pulse is said, too."""
    return "r1" in reports.fetch(manager.client(), ["r1"])


def test_redis_is_believed_only_with_its_own_name_and_the_managers_authority(manager: Manager) -> None:
    manager.serve_redis()
    with pytest.raises(redis.ConnectionError, match="IP address mismatch"):
        manager.namespace.call(lambda: manager.client("127.0.0.1").ping())
    signer, _key = making.authority(datetime.now(UTC))
    broker.trust(making.pem(signer).decode())
    with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        manager.namespace.call(lambda: manager.client().ping())
    broker.trust(None)  # the machine's own list of authorities does not have it either
    with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        manager.namespace.call(lambda: manager.client().ping())
    broker.trust("nonsense")
    with pytest.raises(redis.ConnectionError, match="no certificate"):
        manager.namespace.call(lambda: manager.client().ping())
