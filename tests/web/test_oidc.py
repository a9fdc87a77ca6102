"""Signing in by an OpenID Connect issuer, a real little one on loopback: accounts, roles, sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from lvs import models
from piranha_web.access import oidc, passwords
from tests.web.conftest import PASSWORD, USER
from tests.web.factors import app_of, code_of
from tests.web.pages import text_of
from tests.web.provider import Provider
from tests.web.signing_in import (
    BACK,
    BEGIN,
    ROLES,
    WriteFile,
    account,
    away,
    clusters,
    is_in,
    refused,
    sign_in,
)

pytestmark = pytest.mark.usefixtures("oidc_file")


def test_somebody_of_the_issuer_gets_the_page_asked_for_and_the_roles_of_the_groups(
    anonymous: Client, cluster: models.Cluster
) -> None:
    response = sign_in(anonymous, "/redundancy")

    assert (response.status_code, response["Location"]) == (302, "/redundancy")
    assert anonymous.get("/redundancy").status_code == 200
    assert account().role == ROLES.OPERATOR
    assert clusters() == {"lab": ROLES.ADMINISTRATOR}
    assert not passwords.names(oidc.settings.PIRANHA_PASSWORD_FILE).count("anna")
    assert "127.0.0.1" in text_of(anonymous.get("/sessions"))
    texts = list(models.AuditEntry.objects.filter(user="anna").values_list("text", flat=True))
    assert any("operator of all clusters, administrator of lab" in one for one in texts)
    assert any(one.startswith("logged in by 127.0.0.1") for one in texts)


def test_the_login_page_offers_it_beside_the_password_and_says_what_if_it_is_away(
    anonymous: Client, oidc_file: WriteFile, cluster: models.Cluster
) -> None:
    oidc_file(button="Log in with <Example>")

    page = anonymous.get("/login", {"next": "/review?a=1&b=2"}).content.decode()

    assert "Log in with &lt;Example&gt;" in page
    assert f'href="{BEGIN}?next=%2Freview%3Fa%3D1%26b%3D2"' in page
    assert "still opens these pages" in page
    response = anonymous.post("/login", {"username": USER, "password": PASSWORD})
    assert response["Location"] == "/"


def test_whoever_has_set_up_a_second_factor_here_is_asked_for_a_code_as_well(
    anonymous: Client, cluster: models.Cluster
) -> None:
    device = app_of("anna")

    assert sign_in(anonymous, "/review")["Location"] == "/login/code"

    assert not is_in(anonymous)
    response = anonymous.post("/login/code", {"code": code_of(device)})
    assert (response.status_code, response["Location"]) == (302, "/review")
    assert is_in(anonymous)


def test_where_it_is_off_nothing_of_it_is_there(
    anonymous: Client, site: Any, cluster: models.Cluster
) -> None:
    sign_in(anonymous)
    assert is_in(anonymous)

    site.PIRANHA_OIDC_FILE = None

    assert not is_in(anonymous)
    assert Client().get(BEGIN).status_code == 404
    assert Client().get(BACK, {"code": "x", "state": "y"}).status_code == 404
    assert BEGIN not in Client().get("/login").content.decode()


def test_a_login_gives_the_browser_a_new_session(anonymous: Client, cluster: models.Cluster) -> None:
    anonymous.post("/login", {"username": USER, "password": PASSWORD})
    before = anonymous.session.session_key

    sign_in(anonymous)

    assert anonymous.session.session_key != before
    assert not models.Login.objects.filter(account=USER).exists()


def test_who_gets_another_name_at_the_issuer_keeps_the_account(
    anonymous: Client, provider: Provider, cluster: models.Cluster
) -> None:
    sign_in(Client())
    provider.person["preferred_username"] = USER

    assert sign_in(anonymous)["Location"] == "/"

    assert ">anna<" in anonymous.get("/help").content.decode().replace(" ", "").replace("\n", "")
    assert models.Account.objects.get().name == "anna"


def test_a_name_becomes_an_account_of_the_password_file_only_where_the_file_says_so(
    anonymous: Client, site: Any, provider: Provider, oidc_file: WriteFile, tmp_path: Path
) -> None:
    site.PIRANHA_PASSWORD_FILE = tmp_path / "piranha.passwd"
    site.PIRANHA_PASSWORD_FILE.write_text(f"{USER}:x\nanna:x\n")
    models.Account.objects.create(name="anna", role=ROLES.VIEWER)
    oidc_file(same_accounts=["anna"])

    assert sign_in(anonymous)["Location"] == "/"

    assert account().role == ROLES.VIEWER  # what was given here, not what the groups say
    provider.person["sub"] = "0002"
    other = Client()
    assert "somebody else's" in refused(other, sign_in(other))
    oidc_file()
    assert not is_in(anonymous)


def test_roles_follow_the_groups_at_each_login(
    anonymous: Client, provider: Provider, cluster: models.Cluster
) -> None:
    sign_in(anonymous)
    provider.person["groups"] = ["lvs-admins", "something else"]

    sign_in(anonymous)

    assert account().role == ROLES.ADMINISTRATOR
    assert clusters() == {}
    assert models.AuditEntry.objects.filter(text__contains="made anna administrator of all").exists()


@pytest.mark.parametrize("groups", [[], ["lvs"], None, "shops", {"lvs-admins": True}, [["lvs-admins"]], 7])
def test_who_is_in_no_group_is_refused_and_what_was_open_ends(
    anonymous: Client, provider: Provider, cluster: models.Cluster, groups: Any
) -> None:
    elsewhere = Client()
    sign_in(elsewhere)
    provider.person["groups"] = groups
    provider.userinfo = {"sub": "0001"}

    assert "none of the groups" in refused(anonymous, sign_in(anonymous))

    assert not is_in(elsewhere)
    assert (account().role, clusters()) == (ROLES.VIEWER, {})


def test_whoever_is_in_no_group_is_a_viewer_where_the_file_says_so(
    anonymous: Client, provider: Provider, oidc_file: WriteFile, cluster: models.Cluster
) -> None:
    oidc_file(without_group="viewer")
    provider.person["groups"] = []

    sign_in(anonymous)

    assert anonymous.get("/virtual-servers").status_code == 200
    assert anonymous.get("/virtual-servers/add").status_code == 403


def test_what_the_token_does_not_say_is_asked_for(
    anonymous: Client, provider: Provider, cluster: models.Cluster
) -> None:
    provider.person = {"sub": "0001"}
    provider.userinfo = {"sub": "0001", "preferred_username": "anna", "groups": "lvs-admins"}

    assert sign_in(anonymous)["Location"] == "/"

    assert account().role == ROLES.ADMINISTRATOR


def test_a_mail_address_is_a_name_only_when_it_is_verified(
    anonymous: Client, provider: Provider, oidc_file: WriteFile, cluster: models.Cluster
) -> None:
    oidc_file(name_claim="email")
    provider.person |= {"email": "anna@example.org", "email_verified": False}
    assert "not verified" in refused(anonymous, sign_in(anonymous))

    provider.person["email_verified"] = True
    assert sign_in(anonymous)["Location"] == "/"
    assert account("anna@example.org").subject == "0001"


def test_whom_an_administrator_blocks_is_out_at_once_and_stays_out(
    anonymous: Client, cluster: models.Cluster
) -> None:
    sign_in(anonymous)

    oidc.block("anna", True, by=USER)

    assert not is_in(anonymous)
    assert "blocked" in refused(anonymous, sign_in(anonymous))
    oidc.block("anna", False, by=USER)
    assert sign_in(anonymous)["Location"] == "/"


def test_an_account_that_is_removed_ends_its_sessions_also_when_it_is_made_again(
    anonymous: Client, cluster: models.Cluster
) -> None:
    sign_in(anonymous)
    kept = models.Login.objects.get(account="anna")

    account().delete()

    assert not is_in(anonymous)
    sign_in(Client())
    kept.save()
    assert not is_in(anonymous)


def test_behind_a_proxy_the_file_says_by_which_address_the_site_is_known(
    anonymous: Client, oidc_file: WriteFile
) -> None:
    oidc_file(address="https://lvs.example/")

    assert f"redirect_uri={urlencode({'': 'https://lvs.example' + BACK})[1:]}" in away(anonymous)
