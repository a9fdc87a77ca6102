"""The Redis of make run: the manager asks it as it is, routers by TLS with a certificate of the manager's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis as redis_py

from deploy.start import redis
from deploy.start.place import Place
from deploy.start.processes import Children, wait_for
from lvs.machines import broker, redis_users
from lvs.reported import reports


@pytest.fixture
def children() -> Iterator[Children]:
    kept = Children()
    yield kept
    kept.stop()
    broker.trust(None)


def test_a_router_reaches_it_as_its_own_user_by_tls(tmp_path, monkeypatch, children):
    monkeypatch.setenv("PIRANHA_VAR", str(tmp_path / "var"))
    place = Place.from_environment()
    child, listening = redis.child(place, ["127.0.0.1", "192.168.127.1"])
    children.start(child)
    wait_for(lambda: redis.answers(listening.port, place.secret("redis.password")), child, "it answers", 20)

    with reports.connect(listening.url) as manager:
        password = redis_users.grant(manager, "r1")
    there = listening.url_for_routers("127.0.0.1", listening.port_for_routers)
    assert there.startswith("rediss://" if redis.speaks_tls() else "redis://")
    broker.trust(listening.ca)
    with reports.connect(redis_users.url_for(there, "r1", password)) as router:
        assert router.llen("router.r1") == 0
        with pytest.raises(redis_py.exceptions.NoPermissionError):
            router.llen("router.r2")


def test_a_redis_that_was_built_without_tls_is_noticed(tmp_path, monkeypatch):
    for name, words in (("with", "Bad directive: no-such-word"), ("without", "Bad directive: tls-port 0")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{words}' >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setattr(redis, "program", lambda program=program: str(program))
        assert redis.speaks_tls() is (name == "with")


def test_without_tls_the_routers_ask_as_the_manager_does(tmp_path):
    listening = redis.Listening(Place(tmp_path), port=7001, tls_port=None)
    assert listening.port_for_routers == 7001
    assert listening.url_for_routers("192.168.127.1", 6379) == "redis://192.168.127.1:6379/0"
    assert listening.ca is None
