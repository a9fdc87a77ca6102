"""The file that switches sign-in by OpenID Connect on, and what it says; docs/security.md has an example.

| word | meaning | default |
| --- | --- | --- |
| issuer | its address, exactly as the issuer calls itself | needed |
| client_id | the name under which the issuer knows this site | needed |
| client_secret | the secret that belongs to it | empty: a client without one |
| roles | group → role of all clusters, or group → {cluster: role} | needed |
| without_group | whoever is in none of these groups is `refused`, or a `viewer` | refused |
| name_claim | claim with the name of the account: preferred_username, email, ... | preferred_username |
| groups_claim | claim with the groups | groups |
| scopes | what is asked for | openid profile email |
| button | the words of the button | Log in with HOST OF THE ISSUER |
| address | address of this site as browsers know it, where a proxy hides it | as it is asked for |
| ca | PEM file with the certificates that the issuer's is signed by | those of the system |
| same_accounts | names of the password file that mean the same person at the issuer | none |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from lvs import models
from lvs.errors import LvsError
from piranha_web.access.roles import ALWAYS_ADMINISTRATOR

NEEDED = ("issuer", "client_id", "roles")
TEXTS = {
    "issuer": "",
    "client_id": "",
    "client_secret": "",
    "without_group": "refused",
    "name_claim": "preferred_username",
    "groups_claim": "groups",
    "scopes": "openid profile email",
    "button": "",
    "address": "",
    "ca": "",
}
WORDS = {*TEXTS, "roles", "same_accounts"}
ROLES = {role.label: role for role in models.UserRole}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OidcFileFault(LvsError):
    """The file cannot be used, and why; for administrators and the log, not for whoever wants to log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a group gives: a role of all clusters (None: none), and roles of single ones by their names."""

    everywhere: models.UserRole | None = None
    clusters: tuple[tuple[str, models.UserRole], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The file's words, judged."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    roles: Mapping[str, Grant]
    takes_all: bool  # whoever is in no group of roles is a viewer
    name_claim: str
    groups_claim: str
    scopes: str
    button: str
    address: str
    ca: str
    same_accounts: frozenset[str]

    @property
    def host(self) -> str:
        """The issuer in short, for people."""
        return urlsplit(self.issuer).hostname or self.issuer


def is_on() -> bool:
    """Whether there is such a file at all."""
    return settings.PIRANHA_OIDC_FILE is not None


def issuer() -> Issuer | None:
    """What the file says now; None: sign-in by an issuer is off. OidcFileFault: the file cannot be used."""
    path: Path | None = settings.PIRANHA_OIDC_FILE
    if path is None:
        return None
    try:
        status = path.stat()
        if status.st_mode & 0o077:
            raise OidcFileFault(f"{path} has a secret, and others can read it: chmod 600 {path}")
        return parsed(path, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        raise OidcFileFault(f"{path} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=4)
def parsed(path: Path, _changed_at: int, _inode: int) -> Issuer:
    """The file as it was at that moment; every request of such an account asks."""
    try:
        return understood(json.loads(path.read_text(encoding="utf-8")))
    except OidcFileFault as error:
        raise OidcFileFault(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise OidcFileFault(f"{path} is no JSON: {error}") from error


def understood(found: Any) -> Issuer:
    """The words of the file; OidcFileFault names what is wrong with one."""
    if not isinstance(found, dict):
        raise OidcFileFault("it must be an object: {…}")
    if odd := sorted(set(found) - WORDS):
        raise OidcFileFault(f"there is no setting {odd[0]!r}: it takes {', '.join(sorted(WORDS))}")
    if missing := [name for name in NEEDED if not found.get(name)]:
        raise OidcFileFault(f"{missing[0]} is missing")
    texts = {name: text_of(found, name, default) for name, default in TEXTS.items()}
    judge_address("issuer", texts["issuer"])
    if texts["address"]:
        judge_address("address", texts["address"])
    if texts["without_group"] not in ("refused", "viewer"):
        raise OidcFileFault("without_group is refused or viewer")
    if "openid" not in texts["scopes"].split():
        raise OidcFileFault("scopes must contain openid")
    button = texts.pop("button") or f"Log in with {urlsplit(texts['issuer']).hostname}"
    return Issuer(
        roles=grants(found["roles"]),
        takes_all=texts.pop("without_group") == "viewer",
        same_accounts=same_accounts(found.get("same_accounts", [])),
        button=button,
        **texts,
    )


def text_of(found: Mapping[str, Any], name: str, default: str) -> str:
    """One word of the file, which is a text."""
    value = found.get(name, default)
    if not isinstance(value, str) or (value and not value.isprintable()):
        raise OidcFileFault(f"{name} must be a text of one line")
    return value or default


def judge_address(name: str, text: str) -> None:
    """Refuses what is no address that passwords may be sent to."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:
        raise OidcFileFault(f"{name}: {error}") from error
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    if not is_safe or not host or parts.username or parts.query or parts.fragment:
        raise OidcFileFault(
            f"{name} must be an address like https://id.example/, without a query; http only on this machine"
        )


def grants(found: Any) -> dict[str, Grant]:
    """What each group gives."""
    if not isinstance(found, dict):
        raise OidcFileFault('roles must be an object: {"GROUP": "operator"}')
    return {group: grant(group, given) for group, given in found.items()}


def grant(group: str, given: Any) -> Grant:
    """What one of them gives."""
    if isinstance(given, str):
        return Grant(everywhere=role_of(group, given))
    if not isinstance(given, dict):
        raise OidcFileFault(f"roles: {group} takes a role, or an object of clusters and roles")
    return Grant(clusters=tuple((cluster, role_of(group, one)) for cluster, one in given.items()))


def role_of(group: str, given: Any) -> models.UserRole:
    """A role by its name."""
    if not isinstance(given, str) or given not in ROLES:
        raise OidcFileFault(f"roles: {group} takes one of {', '.join(ROLES)}, not {given!r}")
    return ROLES[given]


def same_accounts(found: Any) -> frozenset[str]:
    """The names that mean the same person in the password file and at the issuer."""
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise OidcFileFault('same_accounts must be a list of names: ["anna"]')
    if any(name.casefold() == ALWAYS_ADMINISTRATOR for name in found):
        raise OidcFileFault(
            f"same_accounts cannot have {ALWAYS_ADMINISTRATOR}: that account is the way in without the issuer"
        )
    return frozenset(found)
