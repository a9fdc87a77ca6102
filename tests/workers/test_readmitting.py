"""A Redis that lost everything, its users too: they are put back, and nobody enrols anything anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from lvs import models
from lvs.machines import readmitting, redis_users
from lvs.machines.worker_file import queue_of
from lvs.reported import reports
from piranha_web.console.redis_command import redis_command
from tests.conftest import RedisServer, eventually
from tests.databases.conftest import Site
from tests.workers.conftest import RouterProcesses
from tests.workers.test_apply import carry, edit, freeze, heard, start
from tests.workers.test_apply import cluster as cluster

Routers = dict[str, RouterProcesses]


@pytest.fixture
def manager(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with reports.connect(redis_server.url) as client:
        for name in redis_users.hashes(client):
            redis_users.revoke(client, name)
        yield client
        for name in redis_users.hashes(client):
            redis_users.revoke(client, name)


def lose_everything(server: RedisServer) -> None:
    """As a new Redis in the place of the one before: no key, no user."""
    server.stop()
    server.acl.write_text("")
    server.start()


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_lost_its_users_in_the_middle_of_an_apply_gets_them_back_and_it_goes_on(
    cluster: models.Cluster, manager: redis.Redis, routers: Routers, redis_server: RedisServer
) -> None:
    for router in routers.values():
        router.enrol()
    start(routers)
    carry(freeze(cluster))
    assert set(readmitting.readmit(manager).learnt) == {"r1", "r2"}  # of before there was such a column
    edit(cluster, persistence=300)
    revision = freeze(cluster)
    lose_everything(redis_server)
    assert redis_users.hashes(manager) == {}
    assert set(readmitting.readmit(manager).put) == {"r1", "r2"}
    assert readmitting.readmit(manager) == readmitting.Readmitted()
    for name in routers:
        eventually(lambda name=name: heard(name), f"the worker of {name} is in again", 60)
    assert {one.state for one in carry(revision).values()} == {models.Deployment.State.APPLIED}
    assert routers["r1"].client.running()["serial"] == 2


@pytest.mark.django_db
def test_who_was_revoked_stays_out_of_a_redis_that_remembers_it(
    cluster: models.Cluster, manager: redis.Redis
) -> None:
    r1 = models.Router.objects.get(name="r1")
    redis_users.grant(manager, "r1")
    assert readmitting.readmit(manager).learnt == ("r1",)
    r1.refresh_from_db()
    old = r1.redis_hash
    r1.shut_out()
    assert readmitting.readmit(manager).removed == ("r1",)
    assert readmitting.readmit(manager) == readmitting.Readmitted()
    redis_users.put(manager, "r1", old)  # an aclfile from an older copy
    assert readmitting.readmit(manager).removed == ("r1",)
    assert not redis_users.has_user(manager, "r1")
    password = redis_users.grant(manager, "r1", note=r1.admit)  # enrolled anew
    assert readmitting.readmit(manager) == readmitting.Readmitted()
    redis_users.put(manager, "r1", old)  # the older copy once more
    assert readmitting.readmit(manager) == readmitting.Readmitted(put=("r1",), removed=("r1",))
    assert redis_users.hashes(manager) == {"r1": redis_users.hash_of(password)}


@pytest.mark.django_db
def test_who_was_revoked_stays_out_by_whatever_password_an_older_copy_has(
    cluster: models.Cluster, manager: redis.Redis
) -> None:
    r1, r2 = models.Router.objects.order_by("name")
    r1.admit("ab" * 32)
    r1.shut_out()
    r2.shut_out()  # before its hash was known
    redis_users.put(manager, "r1", "cd" * 32)
    redis_users.put(manager, "r2", "ef" * 32)
    assert readmitting.readmit(manager) == readmitting.Readmitted(removed=("r1", "r2"))
    assert redis_users.hashes(manager) == {}


@pytest.mark.django_db
def test_the_row_of_who_is_enrolled_is_there_before_its_user(
    cluster: models.Cluster, manager: redis.Redis
) -> None:
    r1 = models.Router.objects.get(name="r1")
    r1.shut_out()

    def note(hashed: str) -> None:
        assert not redis_users.has_user(manager, "r1")
        r1.admit(hashed)

    redis_users.grant(manager, "r1", note=note)
    assert readmitting.readmit(manager) == readmitting.Readmitted()
    assert redis_users.has_user(manager, "r1")


@pytest.mark.django_db
def test_a_router_that_was_removed_is_not_let_in_and_users_that_are_no_routers_are_nobodys_business(
    cluster: models.Cluster, manager: redis.Redis
) -> None:
    manager.execute_command("ACL", "SETUSER", "backup", "on", "#" + "ab" * 32, "+ping")
    redis_users.put(manager, "removed", "cd" * 32)
    models.Router.objects.get(name="r2").admit("ef" * 32)
    try:
        assert readmitting.readmit(manager) == readmitting.Readmitted(put=("r2",), removed=("removed",))
        assert redis_users.hashes(manager) == {"r2": "ef" * 32}
        assert b"backup" in {str(one).encode() for one in manager.execute_command("ACL", "USERS")}
    finally:
        manager.execute_command("ACL", "DELUSER", "backup")


@pytest.mark.django_db
def test_the_command_says_what_it_put_right_and_who_is_still_out(
    cluster: models.Cluster, manager: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    r1 = models.Router.objects.get(name="r1")
    r1.admit("ab" * 32)
    assert redis_command(from_database=False) == 0
    said = capsys.readouterr().out
    assert "r1 has its user again" in said
    assert "r2 has no user: piranha enrol r2" in said
    redis_users.put(manager, "r1", "cd" * 32)  # an older aclfile was put back
    assert redis_command(from_database=True) == 0
    assert redis_users.hashes(manager) == {"r1": "ab" * 32}
    redis_users.put(manager, "r1", "cd" * 32)
    assert redis_command(from_database=False) == 0
    r1.refresh_from_db()
    assert r1.redis_hash == "cd" * 32


@pytest.mark.django_db
def test_the_command_says_what_to_do_where_redis_is_away(
    cluster: models.Cluster, redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    redis_server.stop()
    try:
        assert redis_command(from_database=False) == 1
    finally:
        redis_server.start()
    assert "Redis cannot be asked for its users" in capsys.readouterr().err


PREPARE = """
import sys
from django.core.management import call_command
from lvs import models, store
from tests.workers.test_apply import CONFIG
call_command("migrate", verbosity=0)
cluster = store.create_cluster("lab", "r1")
store.save(cluster, CONFIG)
models.Router.objects.get().admit(sys.argv[1])
"""
APPLY = """
from lvs import dispatch, models
print(dispatch.apply(models.Cluster.objects.get(), author="anna", message="after the fire").number)
"""


def test_a_router_takes_orders_from_a_restored_manager_without_being_enrolled_anew(
    manager: redis.Redis, redis_server: RedisServer, tmp_path: Path, settings: Any
) -> None:
    old = Site(tmp_path / "old")
    settings.VAR = old.var
    router = RouterProcesses("r1", "primary", tmp_path / "r1", redis_server.url)
    try:
        router.start_pulse()
        router.start_worker()
        old.python(PREPARE, redis_users.hashes(manager)["r1"])
        old.run("backup", str(tmp_path / "kept"))
        lose_everything(redis_server)  # it was on the same machine
        new = Site(tmp_path / "new")
        (new.var / "secret.key").unlink()
        new.run("restore", str(tmp_path / "kept"))
        assert new.python(APPLY) == "1\n"
        router.spawn("manager", "worker", "--manager", environment=new.environment)
        eventually(lambda: router.client.status()["serial"] == 1, "r1 has the new manager's revision", 90)
        assert "shop" in router.client.running()["lvs_cf"]
        assert manager.llen(queue_of("r1")) == 0
    finally:
        router.stop_all()
