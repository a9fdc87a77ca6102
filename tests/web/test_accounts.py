"""Accounts of others: adding, roles, passwords, removing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from piranha_web.access import passwords
from piranha_web.access.accounts import AccountRefused, entries, remove
from piranha_web.access.roles import rights
from tests.web.conftest import PASSWORD, USER
from tests.web.pages import text_of

ADMINISTRATOR, OPERATOR, VIEWER = (
    models.UserRole.ADMINISTRATOR,
    models.UserRole.OPERATOR,
    models.UserRole.VIEWER,
)
ANNA = "annas own password"


@pytest.fixture(autouse=True)
def own_file(site: Any, tmp_path: Path, password_file: Path) -> Path:
    own = tmp_path / "piranha.passwd"
    own.write_bytes(password_file.read_bytes())
    site.PIRANHA_PASSWORD_FILE = own
    return own


@pytest.fixture
def anna(own_file: Path) -> Client:
    """An administrator besides piranha, logged in."""
    passwords.set_password("anna", ANNA, own_file)
    models.Account.objects.create(name="anna", role=ADMINISTRATOR)
    client = Client()
    assert client.post("/login", {"username": "anna", "password": ANNA}).status_code == 302
    return client


def add(client: Client, name: str, role: models.UserRole = OPERATOR, password: str = "") -> Any:
    form = {"name": name, "role": role, "password": password, "again": password}
    return client.post("/accounts/add", form)


def log_in(name: str, password: str) -> Client:
    client = Client()
    client.post("/login", {"username": name, "password": password})
    return client


def test_a_new_account_gets_a_password_that_is_shown_once_and_must_be_changed(
    administrator: Client, cluster: models.Cluster, own_file: Path
) -> None:
    response = add(administrator, "berta")

    shown = re.search(r"<code>([\w-]{16})</code>", text_of(response))
    assert shown
    assert passwords.check_password("berta", shown[1], own_file)
    assert "Cache-Control" in response.headers
    assert response["Cache-Control"] == "no-store"
    assert shown[1] not in text_of(administrator.get("/accounts/one?name=berta"))
    berta = log_in("berta", shown[1])
    assert berta.get("/virtual-servers")["Location"] == "/password"
    assert berta.post("/redundancy/switch")["Location"] == "/password"
    assert "status-line" not in text_of(berta.get("/password"))

    berta.post("/password", {"old": shown[1], "new": "bertas own", "again": "bertas own"})

    assert berta.get("/virtual-servers").status_code == 200
    assert berta.get("/redundancy/switch").status_code == 302
    assert berta.get("/virtual-servers/add").status_code == 403


def test_the_password_that_somebody_else_made_cannot_be_kept(
    administrator: Client, cluster: models.Cluster
) -> None:
    add(administrator, "berta", password="made by another")
    berta = log_in("berta", "made by another")

    text = text_of(
        berta.post(
            "/password", {"old": "made by another", "new": "made by another", "again": "made by another"}
        )
    )

    assert "the same" in text
    assert berta.get("/virtual-servers").status_code == 302


def test_a_password_that_was_typed_is_not_shown(administrator: Client, cluster: models.Cluster) -> None:
    response = add(administrator, "berta", password="typed by hand")

    assert "is set" in text_of(response)
    assert "typed by hand" not in text_of(response)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "a:b"}, "no colon"),
        ({"name": ""}, "required"),
        ({"name": USER}, "already"),
        ({"role": "4"}, "not one of the available"),
        ({"password": "short", "again": "short"}, "8 to 1024"),
        ({"password": "long enough", "again": "long enoug"}, "differ"),
        ({"password": "long enough"}, "differ"),
    ],
)
def test_an_account_that_makes_no_sense_is_not_added(
    administrator: Client, cluster: models.Cluster, own_file: Path, given: dict[str, str], says: str
) -> None:
    before = own_file.read_bytes()

    response = administrator.post("/accounts/add", {"name": "berta", "role": "1"} | given)

    assert says in text_of(response)
    assert own_file.read_bytes() == before
    assert not models.Account.objects.exists()


def test_roles_are_given_for_all_clusters_and_for_single_ones(
    administrator: Client, cluster: models.Cluster
) -> None:
    other = store.create_cluster("other", "o1", "")
    add(administrator, "berta", VIEWER)

    administrator.post(
        "/accounts/roles",
        {"name": "berta", "role": VIEWER, f"cluster-{cluster.pk}": OPERATOR, f"cluster-{other.pk}": ""},
    )

    assert rights("berta").of(cluster) == OPERATOR
    assert rights("berta").of(other) == VIEWER
    page = text_of(administrator.get("/accounts"))
    assert "operator of lab" in page

    administrator.post("/accounts/roles", {"name": "berta", "role": OPERATOR, f"cluster-{cluster.pk}": ""})

    assert rights("berta").of(other) == OPERATOR
    assert not models.ClusterRole.objects.exists()


def test_the_role_of_piranha_cannot_be_changed(anna: Client, cluster: models.Cluster) -> None:
    response = anna.post("/accounts/roles", {"name": USER, "role": VIEWER}, follow=True)

    assert "always administrator" in text_of(response)
    assert rights(USER).of(None) == ADMINISTRATOR


def test_nobody_takes_the_administration_from_themselves(
    anna: Client, cluster: models.Cluster, own_file: Path
) -> None:
    lowered = anna.post("/accounts/roles", {"name": "anna", "role": VIEWER}, follow=True)
    removed = anna.post("/accounts/remove", {"name": "anna"}, follow=True)

    for response in (lowered, removed):
        assert "ask another administrator" in text_of(response)
    assert rights("anna").of(None) == ADMINISTRATOR
    assert "anna" in passwords.names(own_file)


def test_the_last_administrator_stays(anna: Client, cluster: models.Cluster, own_file: Path) -> None:
    passwords.set_password("carla", "carlas password", own_file)
    models.Account.objects.create(name="carla", role=ADMINISTRATOR)
    assert anna.post("/accounts/remove", {"name": USER}).status_code == 302
    assert passwords.names(own_file) == ["anna", "carla"]
    passwords.remove("anna", own_file)  # by hand, while anna's request is on its way

    with pytest.raises(AccountRefused, match="last administrator"):
        remove("carla", by="anna")
    assert passwords.names(own_file) == ["carla"]


def test_a_removed_account_is_logged_out_and_leaves_no_role_behind(
    administrator: Client, anna: Client, cluster: models.Cluster, own_file: Path
) -> None:
    assert "Remove anna?" in text_of(administrator.get("/accounts/remove?name=anna"))

    administrator.post("/accounts/remove", {"name": "anna"})

    assert anna.get("/help").status_code == 302
    assert not models.Account.objects.filter(name="anna").exists()
    assert not models.Login.objects.filter(account="anna").exists()
    add(administrator, "anna", VIEWER)
    assert rights("anna").of(cluster) == VIEWER


def test_roles_of_an_account_that_was_taken_out_of_the_file_wait_for_nobody(
    administrator: Client, cluster: models.Cluster
) -> None:
    models.Account.objects.create(name="ghost", role=ADMINISTRATOR)
    assert "not in the password file" in text_of(administrator.get("/accounts"))

    add(administrator, "ghost", VIEWER)

    assert rights("ghost").of(None) == VIEWER


def test_another_password_ends_the_sessions_and_must_be_changed(
    administrator: Client, anna: Client, cluster: models.Cluster
) -> None:
    response = administrator.post("/accounts/password", {"name": "anna", "password": "", "again": ""})

    shown = re.search(r"<code>([\w-]{16})</code>", text_of(response))
    assert shown
    assert anna.get("/help").status_code == 302
    assert log_in("anna", shown[1]).get("/help")["Location"] == "/password"


def test_ones_own_password_is_changed_with_the_old_one_only(
    administrator: Client, cluster: models.Cluster, own_file: Path
) -> None:
    response = administrator.post("/accounts/password", {"name": USER, "password": "x" * 9, "again": "x" * 9})

    assert response["Location"] == "/password"
    assert passwords.check_password(USER, PASSWORD, own_file)


@pytest.mark.parametrize("address", ["/accounts/roles", "/accounts/password", "/accounts/remove"])
def test_an_account_that_there_is_not_is_not_found(
    administrator: Client, cluster: models.Cluster, address: str
) -> None:
    assert administrator.post(address, {"name": "nobody", "role": "3"}).status_code == 404
    assert not models.Account.objects.exists()


def test_a_file_that_cannot_be_written_changes_nothing(
    administrator: Client, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(passwords, "replace", refuse)

    text = text_of(add(administrator, "berta"))

    assert "cannot be written (Permission denied)" in text
    assert not models.Account.objects.exists()


def test_each_change_is_in_the_audit_log_without_the_password(
    administrator: Client, cluster: models.Cluster
) -> None:
    add(administrator, "berta", password="typed by hand")
    administrator.post("/accounts/roles", {"name": "berta", "role": VIEWER})
    administrator.post(
        "/accounts/password", {"name": "berta", "password": "again by hand", "again": "again by hand"}
    )
    administrator.post("/accounts/remove", {"name": "berta"})

    found = models.AuditEntry.objects.filter(action=models.AuditEntry.Action.ACCOUNT, target="berta")
    assert [entry.text for entry in found.order_by("pk")] == [
        "added the account berta as operator",
        "made berta viewer of all clusters",
        "gave berta another password",
        "removed the account berta",
    ]
    assert not any("by hand" in f"{entry.text}{entry.details}" for entry in found)


def test_names_are_shown_as_they_are_and_never_as_html(
    administrator: Client, cluster: models.Cluster
) -> None:
    name = "<b>'\"&amp;?name=piranha"
    add(administrator, name)

    page = text_of(administrator.get("/accounts"))

    assert "<b>'" not in page
    address = re.search(r'href="(/accounts/one\?name=%3Cb[^"]*)"', page)
    assert address
    assert "<b>'" not in text_of(administrator.get(address[1]))
    assert administrator.get(address[1]).status_code == 200
    assert [one.name for one in entries() if one.name != USER] == [name]
