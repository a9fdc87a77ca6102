"""Who may do what: every address, every method, every role, against a table that is written down here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import clear_url_caches, path

from lvs import models, store
from piranha_web import urls
from piranha_web.access import passwords
from piranha_web.access.backend import bound
from piranha_web.views.help import help_page
from tests.web.conftest import USER
from tests.web.pages import text_of
from tests.web.test_every_address import EVERY

RARE = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]  # they take turns from address to address
NOT_TAKEN = "-"
V, OP, A, ALL = "viewer", "operator", "administrator", "administrator of everything"
ORDER = [V, OP, A, ALL]

# The least role for GET (and HEAD) and for POST; "-": that method is not taken. Written by hand from what
# each page does: nothing of it is asked of the code. That nobody gets anything without a login is seen in
# test_every_address.
TABLE: dict[str, tuple[str, str]] = {
    "/": (V, NOT_TAKEN),
    "/live": (V, NOT_TAKEN),
    "/status-line": (V, NOT_TAKEN),
    "/confirmation": (V, NOT_TAKEN),
    "/ipvs": (V, NOT_TAKEN),
    "/connections": (V, NOT_TAKEN),
    "/auto-update": (NOT_TAKEN, V),
    "/global-settings": (V, A),
    "/redundancy": (V, A),
    "/redundancy/reset": (NOT_TAKEN, A),
    "/redundancy/live": (V, NOT_TAKEN),
    "/redundancy/switch": (OP, OP),
    "/redundancy/key": (A, A),
    "/routers": (V, NOT_TAKEN),
    "/routers/1": (V, NOT_TAKEN),
    "/routers/1/preflight": (V, NOT_TAKEN),
    "/routers/1/rules": (V, NOT_TAKEN),
    "/routers/1/rules/download": (V, NOT_TAKEN),
    "/routers/1/outside": (V, NOT_TAKEN),
    "/routers/1/aside": (OP, OP),
    "/routers/1/take-part": (NOT_TAKEN, OP),
    "/routers/1/enrol": (A, A),
    "/routers/1/revoke": (NOT_TAKEN, A),
    "/enrol": (NOT_TAKEN, V),
    "/routers/1/take-in": (NOT_TAKEN, A),
    "/routers/1/put-back": (NOT_TAKEN, A),
    "/virtual-servers": (V, NOT_TAKEN),
    "/virtual-servers/live": (V, NOT_TAKEN),
    "/virtual-servers/bulk": (A, A),
    "/virtual-servers/add": (A, A),
    "/virtual-servers/1": (V, A),
    "/virtual-servers/1/duplicate": (A, A),
    "/virtual-servers/1/activate": (NOT_TAKEN, A),
    "/virtual-servers/1/deactivate": (NOT_TAKEN, A),
    "/virtual-servers/1/delete": (A, A),
    "/virtual-servers/1/traffic": (V, NOT_TAKEN),
    "/virtual-servers/1/traffic/figures": (V, NOT_TAKEN),
    "/virtual-servers/1/monitoring": (V, A),
    "/virtual-servers/1/monitoring/try": (NOT_TAKEN, A),
    "/virtual-servers/1/real-servers": (V, NOT_TAKEN),
    "/virtual-servers/1/real-servers/add": (A, A),
    "/virtual-servers/1/real-servers/live": (V, NOT_TAKEN),
    "/real-servers": (V, NOT_TAKEN),
    "/real-servers/live": (V, NOT_TAKEN),
    "/real-servers/bulk": (A, A),
    "/real-servers/order": (OP, OP),
    "/real-servers/everywhere": (V, NOT_TAKEN),
    "/real-servers/everywhere/live": (V, NOT_TAKEN),
    "/real-servers/explained": (V, NOT_TAKEN),
    "/real-servers/test": (NOT_TAKEN, OP),
    "/real-servers/check": (NOT_TAKEN, OP),
    "/real-servers/1/set-up": (V, NOT_TAKEN),
    "/real-servers/1/script": (V, NOT_TAKEN),
    "/real-servers/1": (V, A),
    "/real-servers/1/weight": (NOT_TAKEN, A),
    "/real-servers/1/activate": (NOT_TAKEN, A),
    "/real-servers/1/deactivate": (NOT_TAKEN, A),
    "/real-servers/1/delete": (A, A),
    "/import": (A, A),
    "/import/confirm": (NOT_TAKEN, A),
    "/lvs.cf": (V, NOT_TAKEN),
    "/review": (V, NOT_TAKEN),
    "/review/routers": (V, NOT_TAKEN),
    "/apply": (NOT_TAKEN, A),
    "/discard": (NOT_TAKEN, A),
    "/history": (V, NOT_TAKEN),
    "/history/1": (V, NOT_TAKEN),
    "/history/1/deployments": (V, NOT_TAKEN),
    "/history/1/confirm": (NOT_TAKEN, OP),
    "/history/1/roll-back": (NOT_TAKEN, OP),
    "/history/1/take-back": (NOT_TAKEN, A),
    "/history/1/lvs.cf": (V, NOT_TAKEN),
    "/alerts": (V, ALL),
    "/alerts/choose": (NOT_TAKEN, ALL),
    "/alerts/remove": (NOT_TAKEN, ALL),
    "/alerts/test": (NOT_TAKEN, ALL),
    "/alerts/quiet": (NOT_TAKEN, OP),
    "/audit": (ALL, NOT_TAKEN),
    "/audit/export": (ALL, NOT_TAKEN),
    "/clusters": (V, NOT_TAKEN),
    "/clusters/live": (V, NOT_TAKEN),
    "/search": (V, NOT_TAKEN),
    "/clusters/new": (ALL, ALL),
    "/clusters/choose": (NOT_TAKEN, V),
    "/first": (A, NOT_TAKEN),
    "/first/cluster": (ALL, ALL),
    "/first/network": (A, A),
    "/first/pair": (A, A),
    "/first/service": (A, A),
    "/first/review": (A, NOT_TAKEN),
    "/first/apply": (NOT_TAKEN, A),
    "/first/works": (V, NOT_TAKEN),
    "/first/works/live": (V, NOT_TAKEN),
    "/help": (V, NOT_TAKEN),
    "/help/forwarding": (V, NOT_TAKEN),
    "/guide/": (V, NOT_TAKEN),
    "/guide/index.html": (V, NOT_TAKEN),
    "/healthz": (V, NOT_TAKEN),
    "/readyz": (V, NOT_TAKEN),
    "/metrics": (V, NOT_TAKEN),  # whose token nobody has here
    "/login": (V, V),
    "/login/by": (V, NOT_TAKEN),
    "/login/by/return": (V, NOT_TAKEN),
    "/login/code": (V, V),
    "/logout": (NOT_TAKEN, V),
    "/password": (V, V),
    "/accounts": (ALL, NOT_TAKEN),
    "/accounts/add": (ALL, ALL),
    "/accounts/one": (ALL, NOT_TAKEN),
    "/accounts/roles": (NOT_TAKEN, ALL),
    "/accounts/password": (NOT_TAKEN, ALL),
    "/accounts/block": (NOT_TAKEN, ALL),
    "/accounts/remove": (ALL, ALL),
    "/accounts/second-factor": (NOT_TAKEN, ALL),
    "/accounts/second-factor-rule": (NOT_TAKEN, ALL),
    "/accounts/sessions/end": (NOT_TAKEN, ALL),
    "/accounts/unlock": (NOT_TAKEN, ALL),
    "/access": (ALL, ALL),
    "/access/remove": (NOT_TAKEN, ALL),
    "/second-factor": (V, NOT_TAKEN),
    "/second-factor/start": (NOT_TAKEN, V),
    "/second-factor/confirm": (NOT_TAKEN, V),
    "/second-factor/codes": (NOT_TAKEN, V),
    "/second-factor/off": (NOT_TAKEN, V),
    "/sessions": (V, NOT_TAKEN),
    "/sessions/end": (NOT_TAKEN, V),
}
UNREADY = ("/readyz", "/metrics")  # they say that no worker runs here, and that there is no token
ROLES = {V: models.UserRole.VIEWER, OP: models.UserRole.OPERATOR, A: models.UserRole.ADMINISTRATOR}


@pytest.fixture(autouse=True)
def accounts(site: Any, tmp_path: Path, password_file: Path) -> None:
    """A password file with all accounts of these tests; a hash takes its time, so they share one."""
    made = str(passwords.hash_of(USER, password_file))
    names = [USER, *map(name_of, ORDER), "anna", "newcomer"]
    own = tmp_path / "piranha.passwd"
    own.write_text("".join(f"{name}:{made}\n" for name in names))
    site.PIRANHA_PASSWORD_FILE = own


def name_of(role: str) -> str:
    return role.replace(" ", "-")


def logged_in(name: str) -> Client:
    user = bound(User.objects.get_or_create(username=name, defaults={"password": "!"})[0])
    assert user is not None
    client = Client()
    client.force_login(user)
    return client


def client_of(role: str, cluster: models.Cluster) -> Client:
    """A client of an account that has exactly that role in the cluster."""
    account, _made = models.Account.objects.get_or_create(name=name_of(role))
    if role == ALL:
        account.role = models.UserRole.ADMINISTRATOR
        account.save()
    elif role != V:
        models.ClusterRole.objects.get_or_create(
            account=account, cluster=cluster, defaults={"role": ROLES[role]}
        )
    return logged_in(name_of(role))


def test_the_table_has_every_address_and_no_other() -> None:
    assert set(TABLE) == {address for _name, address in EVERY}


@pytest.mark.parametrize(("number", "address"), list(enumerate(TABLE)))
def test_each_role_gets_what_the_table_says_and_nothing_else(
    cluster: models.Cluster, number: int, address: str
) -> None:
    reads, writes = TABLE[address]
    only = reads if writes == NOT_TAKEN else writes
    for turn, role in enumerate(ORDER, number):
        client = client_of(role, cluster)
        for method in ("GET", RARE[turn % len(RARE)], "POST"):
            wanted = reads if method in ("GET", "HEAD") else writes
            is_taken = wanted != NOT_TAKEN and method in ("GET", "HEAD", "POST")
            is_enough = ORDER.index(role) >= ORDER.index(only if wanted == NOT_TAKEN else wanted)
            cluster.refresh_from_db()
            edition = cluster.edition

            response = client.generic(method, address)

            what = f"{method} by {role}"
            if not is_enough:
                assert response.status_code == 403, what
                cluster.refresh_from_db()
                assert cluster.edition == edition, what
            elif not is_taken:
                assert response.status_code == 405, what
            elif address != "/login" or method != "POST":  # nothing posted to it is a failed login
                assert response.status_code in (200, 302, 404) or address in UNREADY, what
                assert not response.headers.get("Location", "").startswith("/login?"), what


def test_piranha_is_administrator_whatever_the_database_says(cluster: models.Cluster) -> None:
    models.Account.objects.create(name=USER, role=models.UserRole.VIEWER)

    assert logged_in(USER).get("/clusters/new").status_code == 200


def test_an_account_that_the_database_does_not_know_is_a_viewer(cluster: models.Cluster) -> None:
    client = logged_in("newcomer")

    assert client.get("/virtual-servers").status_code == 200
    assert client.post("/apply", {"edition": cluster.edition}).status_code == 403
    assert not models.Revision.objects.exists()


def test_a_role_in_one_cluster_counts_there_and_in_no_other(cluster: models.Cluster) -> None:
    other = store.create_cluster("other", "o1", "")
    client = client_of(A, cluster)
    assert client.get("/virtual-servers/add").status_code == 200

    client.post("/clusters/choose", {"cluster": other.pk})

    assert client.get("/virtual-servers").status_code == 200
    response = client.get("/virtual-servers/add")
    assert response.status_code == 403
    assert "of other" in text_of(response)


def test_the_higher_of_two_roles_counts(cluster: models.Cluster) -> None:
    account = models.Account.objects.create(name="anna", role=models.UserRole.ADMINISTRATOR)
    models.ClusterRole.objects.create(account=account, cluster=cluster, role=models.UserRole.VIEWER)

    assert logged_in("anna").get("/virtual-servers/add").status_code == 200


def test_a_role_that_is_taken_away_is_gone_with_the_next_request(cluster: models.Cluster) -> None:
    client = client_of(OP, cluster)
    assert client.get("/redundancy/switch").status_code == 302

    models.ClusterRole.objects.all().delete()

    assert client.get("/redundancy/switch").status_code == 403


def test_the_refusal_says_which_role_it_takes_and_who_has_it(cluster: models.Cluster) -> None:
    client_of(OP, cluster)
    models.Account.objects.create(name="gone", role=models.UserRole.ADMINISTRATOR)  # not in the password file

    text = text_of(client_of(V, cluster).post("/redundancy/switch"))

    assert "takes the role operator" in text
    assert "Nothing was changed" in text
    assert '<strong class="break">operator</strong>' in text
    assert f'<strong class="break">{USER}</strong>' in text
    assert "gone" not in text


def test_a_view_that_says_nothing_is_for_administrators_of_everything(
    cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(request: HttpRequest) -> HttpResponse:
        return HttpResponse("seen")

    assert hasattr(help_page, "needs")
    monkeypatch.setattr(urls, "urlpatterns", [*urls.urlpatterns, path("silent", silent)])
    clear_url_caches()
    try:
        assert client_of(A, cluster).get("/silent").status_code == 403
        assert client_of(ALL, cluster).get("/silent").status_code == 200
    finally:
        monkeypatch.undo()
        clear_url_caches()
