"""Accounts that an OpenID Connect issuer vouches for, on the pages of those who keep the accounts."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from lvs import models
from piranha_web.access import accounts, oidc, passwords
from piranha_web.access.accounts import AccountRefused
from piranha_web.access.oidc_file import issuer
from piranha_web.console.passwd_command import passwd_command
from tests.web.conftest import USER
from tests.web.pages import text_of

ISSUER = "https://id.example/realms/x"
FILE = {"issuer": ISSUER, "client_id": "piranha", "roles": {"ops": "operator"}}


@pytest.fixture(autouse=True)
def anna(site: Any, tmp_path: Path, cluster: models.Cluster) -> models.Account:
    """An account of the issuer, which is operator of all clusters and administrator of one."""
    site.AUTHENTICATION_BACKENDS = [*site.AUTHENTICATION_BACKENDS, oidc.BACKEND]
    site.PIRANHA_OIDC_FILE = tmp_path / "oidc.json"
    site.PIRANHA_OIDC_FILE.write_text(json.dumps(FILE))
    site.PIRANHA_OIDC_FILE.chmod(0o600)
    row = models.Account.objects.create(
        name="anna", issuer=ISSUER, subject="1", role=models.UserRole.OPERATOR
    )
    row.cluster_roles.create(cluster=cluster, role=models.UserRole.ADMINISTRATOR)
    return row


@pytest.fixture
def as_anna(anna: models.Account) -> Client:
    """Anna, logged in by the issuer."""
    config = issuer()
    assert config is not None
    user = oidc.bound(config, User.objects.create(username="anna", password="!").pk)
    assert user is not None
    client = Client()
    client.force_login(user, backend=oidc.BACKEND)
    client.get("/help")  # the session gets its row
    return client


def test_the_list_says_who_keeps_the_password(administrator: Client) -> None:
    text = text_of(administrator.get("/accounts"))

    assert "kept by id.example" in text
    assert "nobody can log in" not in text


def test_the_page_shows_the_roles_and_has_no_form_for_them(administrator: Client) -> None:
    text = text_of(administrator.get("/accounts/one", {"name": "anna"}))

    assert "operator" in text
    assert "administrator" in text
    assert "/accounts/roles" not in text
    assert "/accounts/password" not in text
    assert "/accounts/block" in text
    assert "/accounts/remove" in text


def test_the_console_lists_it_and_says_who_keeps_it(capsys: pytest.CaptureFixture[str]) -> None:
    oidc.block("anna", True, by="")
    passwords_of = Namespace(file=settings.PIRANHA_PASSWORD_FILE, list=True)

    assert passwd_command(passwords_of) == 0

    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("anna"))
    assert "kept by id.example, blocked" in line
    assert "no second factor" in line


def test_whom_the_issuer_asks_for_a_second_factor_is_not_said_to_lack_one(administrator: Client) -> None:
    accounts.set_factor_rule(models.UserRole.VIEWER)

    assert "must have one" not in text_of(administrator.get("/accounts/one", {"name": "anna"}))
    assert not accounts.entry_of("anna").needs_factor
    assert accounts.entry_of(USER).needs_factor


def test_neither_roles_nor_a_password_are_given_here(administrator: Client) -> None:
    administrator.post("/accounts/roles", {"name": "anna", "role": "3"})
    administrator.post("/accounts/password", {"name": "anna"})
    administrator.post("/accounts/add", {"name": "anna", "role": "1"})

    row = models.Account.objects.get()
    assert (row.role, row.subject) == (models.UserRole.OPERATOR, "1")
    assert "anna" not in passwords.names(settings.PIRANHA_PASSWORD_FILE)
    with pytest.raises(AccountRefused, match=r"id\.example"):
        accounts.give_password("anna", "battery staple")


def test_blocking_ends_the_session_at_once_and_is_taken_back(administrator: Client, as_anna: Client) -> None:
    assert as_anna.get("/virtual-servers").status_code == 200

    administrator.post("/accounts/block", {"name": "anna", "verb": "block"})

    assert as_anna.get("/virtual-servers").status_code == 302
    assert "Blocked" in text_of(administrator.get("/accounts/one", {"name": "anna"}))
    administrator.post("/accounts/block", {"name": "anna", "verb": "unblock"})
    assert not models.Account.objects.get().is_blocked
    texts = list(models.AuditEntry.objects.values_list("text", flat=True))
    assert {"blocked anna", "unblocked anna"} <= set(texts)


def test_nobody_blocks_themselves_and_who_has_a_password_here_is_not_blocked(
    as_anna: Client,
) -> None:
    models.Account.objects.filter(name="anna").update(role=models.UserRole.ADMINISTRATOR)

    as_anna.post("/accounts/block", {"name": "anna", "verb": "block"})
    assert "cannot block yourself" in text_of(as_anna.get("/accounts"))
    as_anna.post("/accounts/block", {"name": USER, "verb": "block"})
    assert "with a password of this site" in text_of(as_anna.get("/accounts"))

    assert not models.Account.objects.filter(is_blocked=True).exists()


def test_removing_the_account_ends_the_session_at_once(administrator: Client, as_anna: Client) -> None:
    administrator.post("/accounts/remove", {"name": "anna"})

    assert as_anna.get("/help").status_code == 302
    assert not models.Account.objects.exists()


def test_an_issuers_administrator_is_none_of_those_who_must_stay(
    administrator: Client, as_anna: Client
) -> None:
    models.Account.objects.filter(name="anna").update(role=models.UserRole.ADMINISTRATOR)

    as_anna.post("/accounts/remove", {"name": USER})

    assert USER in passwords.names(settings.PIRANHA_PASSWORD_FILE)
    assert "last administrator" in text_of(as_anna.get("/accounts"))


@pytest.mark.parametrize("address", ["/password", "/second-factor"])
def test_who_has_no_password_here_is_told_where_it_is_kept(as_anna: Client, address: str) -> None:
    response = as_anna.get(address, follow=True)

    assert response.redirect_chain == [("/sessions", 302)]
    assert "id.example" in text_of(response)


def test_a_password_for_the_same_name_ends_the_issuers_way(as_anna: Client) -> None:
    assert as_anna.get("/help").status_code == 200

    line = passwords.hash_of(USER, settings.PIRANHA_PASSWORD_FILE)
    other = settings.PIRANHA_OIDC_FILE.with_name("piranha.passwd")
    other.write_text(f"{USER}:{line}\nanna:{line}\n")
    settings.PIRANHA_PASSWORD_FILE = other

    assert as_anna.get("/help").status_code == 302
