"""The file that switches sign-in by OpenID Connect on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lvs import models
from piranha_web.access.oidc_file import Grant, OidcFileFault, issuer, understood

LEAST = {"issuer": "https://id.example/realms/x", "client_id": "piranha", "roles": {"ops": "operator"}}


def test_what_it_does_not_say_is_what_an_administrator_would_expect() -> None:
    found = understood(LEAST)

    assert found.button == "Log in with id.example"
    assert (found.name_claim, found.groups_claim) == ("preferred_username", "groups")
    assert not found.takes_all
    assert found.roles == {"ops": Grant(everywhere=models.UserRole.OPERATOR)}
    assert not found.same_accounts


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"issuer": ""}, "issuer is missing"),
        ({"roles": {}}, "roles is missing"),
        ({"client_ID": "x"}, "there is no setting 'client_ID'"),
        ({"issuer": "http://id.example"}, "https"),
        ({"issuer": "https://"}, "https"),
        ({"issuer": "https://u:p@id.example"}, "https"),
        ({"issuer": "https://[x"}, "issuer:"),
        ({"issuer": 7}, "issuer must be a text"),
        ({"address": "ftp://x"}, "address must be"),
        ({"button": "two\nlines"}, "button must be a text of one line"),
        ({"scopes": "profile"}, "must contain openid"),
        ({"without_group": "administrator"}, "without_group is refused or viewer"),
        ({"roles": ["ops"]}, "roles must be an object"),
        ({"roles": {"ops": "root"}}, "takes one of viewer, operator, administrator, not 'root'"),
        ({"roles": {"ops": {"lab": 3}}}, "takes one of viewer, operator, administrator, not 3"),
        ({"roles": {"ops": None}}, "takes a role"),
        ({"same_accounts": "anna"}, "a list of names"),
        ({"same_accounts": ["Piranha"]}, "the way in without the issuer"),
    ],
)
def test_what_is_wrong_with_it_is_said(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(OidcFileFault) as fault:
        understood(LEAST | changes)

    assert says in str(fault.value)


def test_others_may_not_read_it_and_it_counts_as_it_is_now(site: Any, tmp_path: Path) -> None:
    path = tmp_path / "oidc.json"
    site.PIRANHA_OIDC_FILE = path
    with pytest.raises(OidcFileFault, match="cannot be read"):
        issuer()

    path.write_text(json.dumps(LEAST))
    path.chmod(0o640)
    with pytest.raises(OidcFileFault, match="chmod 600"):
        issuer()

    path.chmod(0o600)
    found = issuer()
    assert found is not None
    assert "secret" not in repr(found)
    site.PIRANHA_OIDC_FILE = None
    assert issuer() is None
