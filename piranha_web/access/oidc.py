"""Accounts of people whom an OpenID Connect issuer vouches for, and their sessions.

Who somebody is, is what the issuer calls them for good (its `sub`); their name here is the one of their first
login, so that neither a new name at the issuer nor somebody else with an old one opens another's account. A
name of the password file is another person, unless the file's `same_accounts` says otherwise: whoever keeps
the issuer's names cannot become `piranha`. `oidc_flow` speaks to the issuer.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest

from lvs import models
from lvs.errors import LvsError
from lvs.rows import audit
from piranha_web.access import passwords
from piranha_web.access.accounts import AccountRefused
from piranha_web.access.oidc_file import Issuer, OidcFileFault, issuer
from piranha_web.access.roles import ALWAYS_ADMINISTRATOR, VIEWER

log = logging.getLogger("piranha.access")

COOKIE = "piranha_sign_in"  # of a browser that is at the issuer
BACKEND = "piranha_web.access.oidc.IssuerBackend"
# Signs that look like others and signs that nobody sees would let one account pass for another.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,149}")
INSTEAD = "Log in with a password of this site, or ask an administrator of the routers."


class NoSignIn(LvsError):
    """Somebody is not let in by way of the issuer; the sentence is for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom the issuer vouches for. subject: never given to somebody else; groups: in the issuer's words."""

    subject: str
    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What an account's groups give it."""

    everywhere: models.UserRole
    clusters: dict[str, models.UserRole]

    def __str__(self) -> str:
        more = [f"{role.label} of {name}" for name, role in sorted(self.clusters.items())]
        return ", ".join([f"{self.everywhere.label} of all clusters", *more])


def roles_of(config: Issuer, groups: frozenset[str]) -> Roles | None:
    """The highest that the groups give, everywhere and in each cluster; None: they let nobody in."""
    found = [grant for group, grant in config.roles.items() if group in groups]
    if not found and not config.takes_all:
        return None
    clusters: dict[str, models.UserRole] = {}
    for grant in found:
        for name, role in grant.clusters:
            clusters[name] = max(role, clusters.get(name, role))
    everywhere = max([grant.everywhere for grant in found if grant.everywhere is not None], default=VIEWER)
    return Roles(everywhere=everywhere, clusters=clusters)


def account_of(config: Issuer, person: Person, *, address: str) -> User:
    """The account of that person, made or brought up to date. NoSignIn: there is none for them, and why."""
    with transaction.atomic():
        row = models.Account.objects.filter(issuer=config.issuer, subject=person.subject).first()
        name = row.name if row else person.name
        judge(config, person, row)
        given = roles_of(config, person.groups)
        if given is None:
            if row is not None:
                withdraw(config, row, address)
        elif row is None:
            row = made(config, person, given, address)
        else:
            give(config, row, given, address)
    # Outside of the transaction: what was taken away stays so.
    if given is None:
        raise NoSignIn(
            f"{config.host} says that you are {name}, but in none of the groups that may use this site. Ask "
            "for one of them, then log in again."
        )
    user, _created = User.objects.get_or_create(username=name, defaults={"password": "!"})
    bound_user = bound(config, user.pk)
    if bound_user is None:
        raise NoSignIn(f"The account {name} was changed meanwhile. Log in again.")
    return bound_user


def judge(config: Issuer, person: Person, row: models.Account | None) -> None:
    """Refuses somebody who is blocked, or whose name is that of another account."""
    if row is not None and row.is_blocked:
        raise NoSignIn(f"The account {row.name} is blocked on this site: an administrator can unblock it.")
    name = row.name if row else person.name
    if name.casefold() == ALWAYS_ADMINISTRATOR or (is_of_file(name) and name not in config.same_accounts):
        raise NoSignIn(
            f"{name} is an account with a password of this site, and the {name} of {config.host} may be "
            f"somebody else. {INSTEAD}"
        )
    if row is not None:
        return
    if not NAME.fullmatch(name):
        raise NoSignIn(
            f"{config.host} gives a name ({config.name_claim}) that cannot be an account here: it may have "
            "letters from a to z, digits and . _ @ + - only. Ask whoever keeps the accounts there."
        )
    others = models.Account.objects.filter(name__iexact=name)
    if name in config.same_accounts:
        others = others.exclude(name=name, issuer="")
    if others.exists():
        raise NoSignIn(
            f"{name} is somebody else's account on this site. If it was yours before {config.host} made you "
            "anew, have an administrator remove it on the page Accounts; then log in again."
        )


def is_of_file(name: str) -> bool:
    """Whether a name is one of the password file, in whatever case."""
    known = (one.casefold() for one in passwords.names(settings.PIRANHA_PASSWORD_FILE))
    return name.casefold() in known


def made(config: Issuer, person: Person, given: Roles, address: str) -> models.Account:
    """A new account, or one of the password file that is the same person's."""
    row, _made = models.Account.objects.get_or_create(name=person.name)
    row.issuer, row.subject = config.issuer, person.subject
    row.save(update_fields=["issuer", "subject"])
    if is_of_file(row.name):
        note(row.name, f"{row.name} of {config.host} is the account {row.name}", address)
        return row
    take(row, given)
    note(row.name, f"the account {row.name} came from {config.host} as {given}", address)
    return row


def give(config: Issuer, row: models.Account, given: Roles, address: str) -> None:
    """The roles of today's groups; an account that has a password here keeps what it was given here."""
    if is_of_file(row.name) or has(row) == given:
        return
    take(row, given)
    note(row.name, f"the groups of {config.host} made {row.name} {has(row)}", address)


def withdraw(config: Issuer, row: models.Account, address: str) -> None:
    """Of somebody who is in no group any more: the roles, and every session that is still open."""
    if is_of_file(row.name):
        return
    nothing = Roles(everywhere=VIEWER, clusters={})
    had_sessions = models.Login.objects.filter(account=row.name).delete()[0]
    if has(row) != nothing or had_sessions:
        take(row, nothing)
        note(row.name, f"{row.name} is in no group of {config.host} any more", address)


def has(row: models.Account) -> Roles:
    """The roles of an account."""
    single = row.cluster_roles.select_related("cluster")
    return Roles(
        everywhere=models.UserRole(row.role),
        clusters={one.cluster.name: models.UserRole(one.role) for one in single},
    )


def take(row: models.Account, given: Roles) -> None:
    """Gives exactly these roles; a cluster that is not there is none."""
    row.role = given.everywhere
    row.save(update_fields=["role"])
    row.cluster_roles.all().delete()
    for cluster in models.Cluster.objects.filter(name__in=given.clusters):
        row.cluster_roles.create(cluster=cluster, role=given.clusters[cluster.name])


def note(name: str, text: str, address: str) -> None:
    """The entry in the audit log about an account, which the issuer's word has changed."""
    audit.write(models.AuditEntry.Action.ACCOUNT, text, user=name, address=address, target=name)


def elsewhere(name: str) -> str:
    """The issuer that keeps an account's password; "": this site does."""
    row = models.Account.objects.filter(name=name).exclude(issuer="").first()
    return row.issuer_host if row is not None and not is_of_file(name) else ""


def block(name: str, is_blocked: bool, *, by: str) -> None:
    """Keeps somebody of the issuer out from now on, or lets them in again."""
    if name == by:
        raise AccountRefused("You cannot block yourself: ask another administrator to do it.")
    if not models.Account.objects.filter(name=name).exclude(issuer="").update(is_blocked=is_blocked):
        raise AccountRefused(f"{name} signs in with a password of this site: remove it, or give it another.")
    if is_blocked:
        models.Login.objects.filter(account=name).delete()


class IssuerBackend(BaseBackend):
    """Says of each request whose session it is; `oidc_flow` opens one."""

    def get_user(self, user_id: int) -> User | None:
        try:
            config = issuer()
        except OidcFileFault as error:
            log.error("sign-in by OpenID Connect: %s", error)
            return None
        return bound(config, user_id) if config else None

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Nobody comes in this way by a name and a password."""


def bound(config: Issuer, user_id: int) -> User | None:
    """The user with a stand-in for a password, made of who the issuer says it is; None: no account any more.

    With the account, the issuer or the client's name also every session changes: it ends. All of it is one
    query, which every page makes.
    """
    accounts = models.Account.objects.filter(
        name=OuterRef("username"), issuer=config.issuer, is_blocked=False
    ).order_by("pk")
    known = User.objects.annotate(
        account=Subquery(accounts.values("pk")[:1]), subject=Subquery(accounts.values("subject")[:1])
    )
    user = known.filter(pk=user_id, account__isnull=False).first()
    if user is None or (is_of_file(user.username) and user.username not in config.same_accounts):
        return None
    mark = "\n".join((config.issuer, user.subject, config.client_id, str(user.account)))
    user.password = "!" + hashlib.sha256(mark.encode()).hexdigest()
    return user
