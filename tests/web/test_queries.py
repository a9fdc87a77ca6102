"""How many queries the list pages make, whoever asks for them: the aim is ten, however large the cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lvs import models, store
from piranha_web.access.backend import bound
from piranha_web.access.passwords import hash_of
from tests.conftest import RedisServer
from tests.web.conftest import USER
from tests.web.factors import app_of
from tests.web.reports import report, status
from tests.web.signing_in import is_in, sign_in

MOST = 10
LISTS = (
    "/",
    "/live",
    "/virtual-servers",
    "/virtual-servers/live",
    "/virtual-servers/1/real-servers",
    "/virtual-servers/1/real-servers/live",
    "/real-servers",
    "/real-servers/live",
    "/history",
    "/clusters",
    "/clusters/live",
    "/search?q=web",
    "/routers",
    "/audit",
    "/alerts",
    "/accounts",
    "/sessions",
    "/ipvs",
    "/connections",
    "/access",
    "/status-line",
    "/confirmation",
)
# Six of them are about accounts, locks and factors, and none about the cluster: their number does not grow.
MORE = {"/accounts": 14}
FORBIDDEN = 403


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster, shop: models.VirtualServer) -> None:
    """Two routers that report, a history, and something in the audit log."""
    revision = store.freeze(cluster, author="anna", message="")
    for one in revision.deployments.all():
        one.end(models.Deployment.State.APPLIED)
    report("r1", status())
    report("r2", status("standby"))
    assert shop.pk == 1


def logged_in(name: str) -> Client:
    """A browser in which that account of the password file is logged in."""
    client = Client()
    user, _made = User.objects.get_or_create(username=name, defaults={"password": "!"})
    known = bound(user)
    assert known is not None
    client.force_login(known)
    return client


def account(name: str, role: models.UserRole, **more: Any) -> models.Account:
    return models.Account.objects.create(name=name, role=role, **more)


def piranha_without_a_row() -> Client:
    return logged_in("piranha")


def piranha_with_a_row() -> Client:
    account("piranha", models.UserRole.ADMINISTRATOR)
    return logged_in("piranha")


def piranha_without_a_row_where_administrators_need_a_factor() -> Client:
    models.FactorRule.objects.create(least_role=models.UserRole.ADMINISTRATOR)
    app_of("piranha")
    return logged_in("piranha")


def anna_with_a_row() -> Client:
    account("anna", models.UserRole.ADMINISTRATOR)
    return logged_in("anna")


def anna_of_one_cluster() -> Client:
    row = account("anna", models.UserRole.VIEWER)
    models.ClusterRole.objects.create(
        account=row, cluster=models.Cluster.objects.get(), role=models.UserRole.OPERATOR
    )
    return logged_in("anna")


def anna_with_a_second_factor() -> Client:
    account("anna", models.UserRole.ADMINISTRATOR, needs_factor=True)
    models.FactorRule.objects.create(least_role=models.UserRole.OPERATOR)
    app_of("anna")
    return logged_in("anna")


def anna_without_a_row() -> Client:
    return logged_in("anna")


@pytest.fixture
def accounts(site: Any, tmp_path: Path, password_file: Path) -> None:
    """A password file that has anna as well."""
    own = tmp_path / "piranha.passwd"
    hashed = hash_of(USER, password_file)
    own.write_text("".join(f"{name}:{hashed}\n" for name in (USER, "anna")))
    site.PIRANHA_PASSWORD_FILE = own


ACCOUNTS = (
    piranha_without_a_row,
    piranha_with_a_row,
    piranha_without_a_row_where_administrators_need_a_factor,
    anna_with_a_row,
    anna_of_one_cluster,
    anna_with_a_second_factor,
    anna_without_a_row,
)


def too_many(client: Client) -> dict[str, int]:
    """The lists that make more queries than they should; those that this account may not see are left out."""
    found = {}
    client.get("/")
    for address in LISTS:
        client.get(address)  # what is kept from one time to the next is read
        with CaptureQueriesContext(connection) as captured:
            response = client.get(address)
        assert response.status_code in (200, FORBIDDEN), (address, response.status_code)
        if response.status_code == 200:
            found[address] = len(captured)
    return {address: count for address, count in found.items() if count > MORE.get(address, MOST)}


@pytest.mark.parametrize("kind", ACCOUNTS, ids=lambda kind: kind.__name__)
def test_no_list_takes_more_queries_whoever_asks(kind: Callable[[], Client], accounts: None) -> None:
    assert too_many(kind()) == {}


def test_no_list_takes_more_queries_for_somebody_whom_an_issuer_vouches_for(oidc_file: Any) -> None:
    client = Client()
    sign_in(client)
    assert is_in(client)
    assert too_many(client) == {}
