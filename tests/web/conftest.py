"""A site with one account and one cluster, and clients that ask it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client

from lvs import dispatch, models, store
from lvs.config.model import (
    FloatingAddress,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    RealServer,
    VirtualServer,
)
from piranha_web.access.backend import bound
from piranha_web.access.passwords import CONTEXT, hash_of, set_password
from piranha_web.celery import app
from piranha_web.views import health
from tests.web.signing_in import oidc_file, oidc_server, oidc_words, provider  # noqa: F401 - fixtures

# The site has no key of its own and refuses to work without one (tests/web/test_settings.py).
django_settings.SECRET_KEY = "only for these tests, and made of nothing random at all"

USER, PASSWORD = "piranha", "correct horse"

SHOP = VirtualServer(
    name="shop",
    active=True,
    address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"),
    check=HealthCheck(send=r"GET / HTTP/1.0\r\n\r\n", expect="HTTP"),
    real_servers=(
        RealServer(name="web1", address=IPv4Address("10.11.12.1"), active=True),
        RealServer(name="web2", address=IPv4Address("10.11.12.2"), active=True),
    ),
)
CONFIG = LvsConfig(
    global_settings=GlobalSettings(
        primary=IPv4Address("192.168.26.9"),
        nat_router=FloatingAddress(address=IPv4Address("10.11.12.10"), device="eth1:1"),
        nat_mask=24,
    ),
    virtual_servers=(SHOP,),
)


@pytest.fixture(scope="session")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # As weak as argon2 lets it be: hundreds of tests log in, and none of them guards anything.
    CONTEXT.update(argon2__time_cost=1, argon2__memory_cost=8, argon2__parallelism=1)
    path = tmp_path_factory.mktemp("passwords") / "piranha.passwd"
    set_password(USER, PASSWORD, path)
    return path


@pytest.fixture(autouse=True)
def site(settings: Any, db: None, password_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Every web test starts with nothing remembered."""
    count_from_one()
    health.READINESS.forget()
    settings.PIRANHA_PASSWORD_FILE = password_file
    networks = settings.PIRANHA_ALLOW_FILE = password_file.with_name("allow")
    networks.unlink(missing_ok=True)  # one that a test before has made
    alerted = settings.PIRANHA_ALERTS_FILE = password_file.with_name("alerts.targets")
    alerted.unlink(missing_ok=True)
    settings.PIRANHA_HOSTS = ["localhost", "testserver"]
    settings.PIRANHA_GUIDE = []  # whether somebody has built it here makes no difference to a test
    # Pages ask the tests' own Redis, and no test waits for a router that is not there.
    monkeypatch.setattr(app.conf, "broker_url", os.environ["PIRANHA_BROKER_URL"])
    monkeypatch.setattr(dispatch, "DRY_RUN_SECONDS", 0.3)
    cache.clear()
    yield settings
    cache.clear()


def count_from_one() -> None:
    """Has PostgreSQL number rows anew, as SQLite does after each test: pages' addresses have the numbers."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) "
                "FROM pg_sequences WHERE schemaname = current_schema() AND sequencename LIKE 'lvs%' "
                "AND sequencename NOT LIKE 'lvs_audit%'"
            )


@pytest.fixture
def cluster() -> models.Cluster:
    """The cluster lab, with the virtual server shop."""
    made = store.create_cluster("lab", "r1", "r2")
    store.save(made, CONFIG)
    return made


@pytest.fixture
def shop(cluster: models.Cluster) -> models.VirtualServer:
    return cluster.virtual_servers.get(name="shop")


@pytest.fixture
def web1(shop: models.VirtualServer) -> models.RealServer:
    return shop.real_servers.get(name="web1")


@pytest.fixture
def anonymous() -> Client:
    """Somebody who has not logged in, from an allowed address."""
    return Client()


@pytest.fixture
def stranger() -> Client:
    """Somebody from an address that is not allowed, with the right password."""
    return Client(REMOTE_ADDR="203.0.113.9")


@pytest.fixture
def administrator() -> Client:
    """Somebody who has logged in (without the work of checking the password each time)."""
    client = Client()
    user = bound(User.objects.create(username=USER, password="!"))
    assert user is not None
    client.force_login(user)
    return client


@pytest.fixture
def viewer(site: Any, tmp_path: Path, password_file: Path) -> Client:
    """Somebody who may look, and nothing else."""
    own = tmp_path / "piranha.passwd"
    own.write_text(f"vera:{hash_of(USER, password_file)}\n")
    site.PIRANHA_PASSWORD_FILE = own
    user = bound(User.objects.create(username="vera", password="!"))
    assert user is not None
    client = Client()
    client.force_login(user)
    return client
