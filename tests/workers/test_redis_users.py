"""A router's user of Redis reaches what is the router's own, whatever whoever has its password tries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from lvs.errors import NotPossible
from lvs.machines import redis_users, refusals, signing, worker_file
from lvs.machines.worker_file import queue_of
from lvs.reported import answers, reports
from tests.conftest import RedisServer, eventually
from tests.unit.pulse.world import lvs_cf
from tests.workers.attacker import Attack
from tests.workers.conftest import RouterProcesses


@pytest.fixture
def manager(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with reports.connect(redis_server.url) as client:
        yield client
        for name in ("r1", "r2", "r1x"):
            redis_users.revoke(client, name)


@pytest.fixture
def taken_over(manager: redis.Redis, redis_server: RedisServer) -> redis.Redis:
    """What somebody reaches who has the worker's file of r1."""
    redis_users.grant(manager, "r2")
    return as_user(redis_server, "r1", redis_users.grant(manager, "r1"))


def as_user(server: RedisServer, router: str, password: str) -> redis.Redis:
    return reports.connect(redis_users.url_for(server.url, router, password))


FOREIGN_KEYS = (
    "router.r2",
    "router.r1x",
    "router.r",
    "manager",
    "unacked",
    "_kombu.binding.router.r1",
    "piranha:report:r2",
    "piranha:report:r2:servers",
    "piranha:report:r1x",
    "piranha:report::manager",
    "piranha:brief:r2",
    "piranha:answer:r2:some-task",
    "piranha:wanted:r2:some-task",
    "piranha:refused:r2",
    "piranha:traffic:r2:shop",
    "piranha:looked:r2",
    "piranha:evil:r1",
    "piranha:report",
    "other",
)
READERS = (
    "get",
    "lrange 0 -1",
    "brpop 1",
    "rpop",
    "llen",
    "hgetall",
    "zrange 0 -1",
    "exists",
    "strlen",
    "ttl",
)
WRITERS = ("set x", "del", "unlink", "lpush x", "rpush x", "hset a b", "zadd 1 x", "expire 1", "append x")


@pytest.mark.parametrize("key", FOREIGN_KEYS)
def test_what_is_not_its_own_it_can_neither_read_nor_write_nor_find(
    taken_over: redis.Redis, key: str
) -> None:
    for words in (*READERS, *WRITERS):
        command, *arguments = words.split()
        with pytest.raises(redis.exceptions.NoPermissionError):
            taken_over.execute_command(command, key, *arguments)
    own = "piranha:report:r1"
    for command in (
        ["mget", own, key],
        ["del", own, key],
        ["watch", key],
        ["brpop", queue_of("r1"), key, "1"],
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            taken_over.execute_command(*command)
    pipeline = taken_over.pipeline(transaction=True)
    pipeline.set(own, "x")
    pipeline.set(key, "x")
    with pytest.raises(redis.RedisError):
        pipeline.execute()


COMMANDS = (
    "keys *", "scan 0", "randomkey", "dbsize", "type piranha:report:r1",
    "rename piranha:report:r1 piranha:report:r2", "copy piranha:report:r1 piranha:report:r2",
    "object encoding piranha:report:r1", "dump piranha:report:r1", "restore piranha:report:r1 0 x",
    "sort piranha:report:r1", "migrate 127.0.0.1 1 piranha:report:r1 0 1", "flushall", "flushdb",
    "swapdb 0 1", "config get *", "config set requirepass x", "config rewrite", "acl whoami", "acl list",
    "acl setuser router.r1 +@all", "acl save", "acl load", "eval return(1) 0", "evalsha x 0",
    "script load return(1)", "script flush", "function list", "fcall x 0", "module list", "monitor",
    "info", "client list", "client kill type normal", "client pause 1", "shutdown nosave", "save",
    "bgsave", "replicaof 127.0.0.1 1", "slaveof 127.0.0.1 1", "sync", "psync ? -1", "failover",
    "cluster info", "latency doctor", "memory usage piranha:report:r1", "slowlog get", "command",
    "lpush router.r1 x", "rpush router.r1 x", "subscribe x", "psubscribe *", "publish x y",
    "pubsub channels", "lmove router.r1 router.r2 left right", "rpoplpush router.r1 router.r2",
    "blmove router.r1 router.r2 left right 1", "wait 0 0", "lolwut",
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_it_commands_nothing_that_a_worker_does_not_need(taken_over: redis.Redis, words: str) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        taken_over.execute_command(*words.split())


def test_it_writes_its_own_report_and_answers_for_itself_alone(
    taken_over: redis.Redis, manager: redis.Redis
) -> None:
    answers.give(taken_over, "r1", "task", {"ok": True, "result": {}})
    assert answers.take(manager, "r1", "task") == {"ok": True, "result": {}}
    with pytest.raises(redis.exceptions.NoPermissionError):
        answers.give(taken_over, "r2", "task", {"ok": True, "result": {}})
    assert answers.take(manager, "r2", "task") is None
    refused = refusals.Refusals()
    refused.note(refusals.Kind.FORGED, "x")
    refused.publish(taken_over, "r1")
    assert [one.count for one in refusals.fetch(manager, ["r1", "r2"])] == [1]


def test_what_a_router_that_was_taken_over_writes_of_its_refusals_harms_no_page(
    taken_over: redis.Redis, manager: redis.Redis
) -> None:
    senseless = {
        "forged": "many",
        "forged.at": "x",
        "late": "1",
        "unsigned": "-5",
        "unsigned.at": "1",
        "late.at": "1e400",
    }
    taken_over.hset(refusals.key_of("r1"), mapping=senseless)
    assert refusals.fetch(manager, ["r1"]) == ()
    hostile = {"forged": "3", "forged.at": "1", "forged.why": "\x1b[2J\u202e" + "x" * 999}
    taken_over.hset(refusals.key_of("r1"), mapping=hostile)
    (told,) = refusals.fetch(manager, ["r1"])
    assert told.why.startswith("?[2J?xx")
    assert len(told.why) == refusals.MOST_WORDS
    taken_over.hset(refusals.key_of("r1"), "forged.why", "x" * 9999)  # too long to be asked for
    assert [one.why for one in refusals.fetch(manager, ["r1"])] == [""]
    taken_over.delete(refusals.key_of("r1"))
    taken_over.set(refusals.key_of("r1"), "no hash")
    assert refusals.fetch(manager, ["r1"]) == ()


def test_a_router_cannot_hide_what_another_one_refused(taken_over: redis.Redis, manager: redis.Redis) -> None:
    refused = refusals.Refusals()
    refused.note(refusals.Kind.FORGED, "x")
    refused.publish(manager, "r2")
    taken_over.hset(refusals.key_of("r1"), mapping={b"late": b"\xff", b"late.at": b"\xfe", b"\xff": b"\xff"})
    assert [one.router for one in refusals.fetch(manager, ["r1", "r2"])] == ["r2"]
    why = {b"forged": b"2", b"forged.at": b"1", b"forged.why": b"\xff" * 9999}
    taken_over.hset(refusals.key_of("r1"), mapping=why)
    assert {one.router: one.count for one in refusals.fetch(manager, ["r1", "r2"])} == {"r1": 2, "r2": 1}


def test_nobody_gets_in_by_a_wrong_password_or_none(
    taken_over: redis.Redis, redis_server: RedisServer
) -> None:
    for password in ("", "x", "default"):
        with pytest.raises(redis.exceptions.AuthenticationError):
            as_user(redis_server, "r1", password or "-").ping()


def test_a_new_password_ends_the_old_one_and_who_is_connected_by_it(
    taken_over: redis.Redis, manager: redis.Redis, redis_server: RedisServer
) -> None:
    assert taken_over.get("piranha:report:r1") is None
    new = as_user(redis_server, "r1", redis_users.grant(manager, "r1"))
    assert new.ping()
    with pytest.raises(redis.RedisError):
        taken_over.get("piranha:report:r1")
    assert redis_users.revoke(manager, "r1")
    assert not redis_users.has_user(manager, "r1")
    assert not redis_users.revoke(manager, "r1")
    with pytest.raises(redis.RedisError):
        new.ping()


def has_room(client: redis.Redis) -> bool:
    try:
        return bool(client.set("piranha:report:r2", "{}"))
    except redis.exceptions.OutOfMemoryError:
        return False


def test_a_router_that_fills_redis_is_stopped_by_revoking_it(
    manager: redis.Redis, redis_server: RedisServer
) -> None:
    manager.config_set("maxmemory", int(manager.info("memory")["used_memory"]) + 4 * 1024**2)
    try:
        for key in ("piranha:report:r1", "piranha:answer:r1:x", "piranha:traffic:r1:shop/web 1"):
            taken_over = as_user(redis_server, "r1", redis_users.grant(manager, "r1"))
            taken_over.setrange(key, 8 * 1024**2, "x")
            assert not has_room(manager)
            redis_users.revoke(manager, "r1")
            eventually(lambda: has_room(manager), "there is room again")
    finally:
        manager.config_set("maxmemory", 0)
        manager.delete("piranha:report:r2")


def test_it_hides_nothing_in_another_database(taken_over: redis.Redis) -> None:
    assert taken_over.execute_command("select", "0")
    for number in ("1", "15"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            taken_over.execute_command("select", number)


def test_users_outlive_a_restart_of_redis_and_their_passwords_are_only_kept_hashed(
    manager: redis.Redis, redis_server: RedisServer
) -> None:
    password = redis_users.grant(manager, "r1")
    kept = redis_server.acl.read_text()
    assert password not in kept
    assert hashlib.sha256(password.encode()).hexdigest() in kept
    redis_server.stop()
    redis_server.start()
    assert as_user(redis_server, "r1", password).ping()


@pytest.mark.parametrize(
    "name", ["", "r*", "r1 +@all", "r1\n", "r?", "[r]", "r1:servers", "a/b", "-r", "x" * 65]
)
def test_what_is_no_routers_name_gets_no_user(manager: redis.Redis, name: str) -> None:
    with pytest.raises(NotPossible):
        redis_users.grant(manager, name)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("redis://:old@10.0.0.1:6379/0", "redis://router.r1:p%2Fw@10.0.0.1:6379/0"),
        ("rediss://admin:old@[fd00::1]:6379/2", "rediss://router.r1:p%2Fw@[fd00::1]:6379/2"),
        (
            "redis+socket:///run/redis.sock?virtual_host=1",
            "redis+socket://router.r1:p%2Fw@/run/redis.sock?virtual_host=1",
        ),
    ],
)
def test_the_address_of_redis_is_the_managers_with_the_routers_user(url: str, wanted: str) -> None:
    assert redis_users.url_for(url, "r1", "p/w") == wanted


def test_a_worker_at_work_never_tries_what_its_user_may_not(
    redis_server: RedisServer, manager: redis.Redis, tmp_path: Path
) -> None:
    """Who needs a further key or command adds it to lvs.machines.redis_users."""
    manager.execute_command("ACL", "LOG", "RESET")
    router = RouterProcesses("r1", "primary", tmp_path / "r1", redis_server.url)
    try:
        router.start_pulse()
        router.client.install(lvs_cf(3))
        router.start_worker()
        attack = Attack(router, tmp_path)
        assert attack.is_harmless()
        attack.put("no message")
        attack.is_refused(refusals.Kind.UNSIGNED, {})
        found = reports.fetch(manager, ["r1"])
        eventually(lambda: "r1" in reports.briefs(manager, ["r1"]), "it reports")
        assert found is not None
        assert denied(manager) == []
        router.stop("worker")
        assert denied(manager) == []
        assert mine(manager) == []
    finally:
        router.stop_all()


def denied(manager: redis.Redis) -> list[Any]:
    """What Redis has refused to anybody."""
    return list(manager.acl_log())


def mine(manager: redis.Redis) -> list[str]:
    """Keys that are no router's and not the site's."""
    return [str(key) for key in manager.keys("*") if not str(key).startswith("piranha:")]


def test_no_password_and_no_private_key_is_in_a_process_listing_or_an_environment(
    redis_server: RedisServer, manager: redis.Redis, tmp_path: Path
) -> None:
    router = RouterProcesses("r1", "primary", tmp_path / "r1", redis_server.url)
    try:
        router.start_worker()
        eventually(lambda: "r1" in reports.briefs(manager, ["r1"]), "it reports")
        secret = worker_file.read(router.file).broker_url.split(":")[2].partition("@")[0]
        folder = Path(f"/proc/{router.processes['worker'].pid}")
        seen = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        assert secret.encode() not in seen
        assert b"PRIVATE" not in seen
        assert secret not in (router.folder / "worker.log").read_text()
        assert secret not in repr(worker_file.read(router.file))
    finally:
        router.stop_all()
    assert (settings.VAR / signing.KEY_FILE).stat().st_mode & 0o777 == 0o600
