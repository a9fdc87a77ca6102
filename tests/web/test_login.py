"""Logging in and out, the password, and who may ask at all."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lvs import models
from piranha_web.access import passwords
from piranha_web.access.allowlist import is_allowed, is_own_name
from tests.web.conftest import PASSWORD, USER
from tests.web.pages import text_of


@pytest.fixture
def own_file(site: Any, tmp_path: Path) -> Path:
    """A password file that a test may change."""
    path = tmp_path / "piranha.passwd"
    passwords.set_password(USER, PASSWORD, path)
    site.PIRANHA_PASSWORD_FILE = path
    return path


def test_the_right_password_opens_the_page_that_was_asked_for(
    anonymous: Client, cluster: models.Cluster
) -> None:
    response = anonymous.post("/login", {"username": USER, "password": PASSWORD, "next": "/redundancy"})

    assert (response.status_code, response["Location"]) == (302, "/redundancy")
    assert anonymous.get("/redundancy").status_code == 200


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_login_never_leads_to_another_site(anonymous: Client, wanted: str) -> None:
    response = anonymous.post("/login", {"username": USER, "password": PASSWORD, "next": wanted})

    assert response["Location"] == "/"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        (USER, "wrong password"),
        ("nobody", PASSWORD),
        (USER, "x" * 5000),
        ("a:b", PASSWORD),
        (USER, "nul\0nul\0"),
    ],
)
def test_a_wrong_pair_is_refused_without_saying_which_half(
    anonymous: Client, name: str, password: str
) -> None:
    response = anonymous.post("/login", {"username": name, "password": password})

    assert response.status_code == 403
    assert anonymous.get("/").status_code == 302


def test_the_refusal_says_how_to_set_a_new_password(anonymous: Client) -> None:
    response = anonymous.post("/login", {"username": USER, "password": "wrong password"})

    assert "piranha passwd" in text_of(response)


def test_without_a_password_file_nobody_gets_in(anonymous: Client, site: Any, tmp_path: Path) -> None:
    site.PIRANHA_PASSWORD_FILE = tmp_path / "missing"

    assert anonymous.post("/login", {"username": USER, "password": ""}).status_code == 403
    assert anonymous.post("/login", {"username": USER, "password": PASSWORD}).status_code == 403


def test_logging_out_ends_the_session_and_takes_a_post(
    administrator: Client, cluster: models.Cluster
) -> None:
    assert administrator.get("/logout").status_code == 405
    assert administrator.get("/redundancy").status_code == 200

    assert administrator.post("/logout").status_code == 302

    assert administrator.get("/redundancy").status_code == 302


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(
    own_file: Path, cluster: models.Cluster
) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        assert client.post("/login", {"username": USER, "password": PASSWORD}).status_code == 302

    response = here.post("/password", {"old": PASSWORD, "new": "battery staple", "again": "battery staple"})

    assert response.status_code == 302
    assert here.get("/redundancy").status_code == 200
    assert elsewhere.get("/redundancy").status_code == 302
    assert passwords.check_password(USER, "battery staple", own_file)


@pytest.mark.parametrize(
    ("old", "new", "again", "says"),
    [
        ("wrong", "battery staple", "battery staple", "not your present password"),
        (PASSWORD, "battery staple", "battery stable", "differ"),
        (PASSWORD, "short", "short", "8 to 1024 characters"),
        (PASSWORD, "", "", "required"),
    ],
)
def test_a_password_is_not_changed_by_mistake(
    administrator: Client, cluster: models.Cluster, old: str, new: str, again: str, says: str
) -> None:
    response = administrator.post("/password", {"old": old, "new": new, "again": again})

    assert says in text_of(response)
    assert Client().post("/login", {"username": USER, "password": PASSWORD}).status_code == 302


def test_an_account_that_is_taken_out_of_the_file_is_logged_out(
    own_file: Path, cluster: models.Cluster
) -> None:
    client = Client()
    assert client.post("/login", {"username": USER, "password": PASSWORD}).status_code == 302

    own_file.write_text("")

    assert client.get("/redundancy").status_code == 302


def test_the_password_file_holds_argon2_and_is_for_its_owner_alone(own_file: Path) -> None:
    passwords.set_password("anna", "another password", own_file)

    assert stat.S_IMODE(own_file.stat().st_mode) == 0o600
    lines = own_file.read_text().splitlines()
    assert [line.partition("$")[0] for line in lines] == [f"{USER}:", "anna:"]
    assert all("$argon2id$" in line for line in lines)
    assert passwords.check_password(USER, PASSWORD, own_file)


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", "x" * 151, "#a", "\u202ea", "😀" * 100])
def test_names_that_the_file_cannot_hold_are_refused(own_file: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        passwords.set_password(name, PASSWORD, own_file)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:192.168.1.5", True),
        ("10.1.2.3", True),
        ("8.8.8.8", False),
        ("2001:db8::1", False),
        ("::ffff:8.8.8.8", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_loopback_and_private_networks_are_allowed_at_first(address: str, allowed: bool) -> None:
    assert is_allowed(address) is allowed


def test_a_forwarded_for_header_opens_nothing(stranger: Client) -> None:
    assert stranger.get("/login", HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 403


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost:3636", True),
        ("LOCALHOST", True),
        ("192.168.26.9:3636", True),
        ("[2001:db8::1]:3636", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("a b", False),
    ],
)
def test_the_site_answers_to_its_names_and_to_addresses_only(host: str, own: bool) -> None:
    assert is_own_name(host) is own


def test_another_host_name_is_refused_in_plain_words(anonymous: Client) -> None:
    response = anonymous.get("/login", HTTP_HOST="evil.example")

    assert response.status_code == 403
    assert "PIRANHA_HOSTS" in text_of(response)
