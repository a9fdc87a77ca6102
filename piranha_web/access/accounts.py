"""The accounts as administrators keep them: the password file and the rows about it, changed together.

The file comes last in each transaction: if it cannot be written, the rows are as before; should only the rows
be lost, an account is a viewer or a row is of nobody, neither of which opens anything.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch

from lvs import models
from lvs.errors import LvsError
from piranha_web.access import lockout, passwords, second_factor
from piranha_web.access.roles import ADMINISTRATOR, ALWAYS_ADMINISTRATOR, VIEWER, holders, rights

# With the clusters' names in the same query.
WITH_CLUSTERS = Prefetch("cluster_roles", models.ClusterRole.objects.select_related("cluster"))


class AccountRefused(LvsError):
    """An account stays as it is, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An account as the list shows it.

    exists: it is in the password file; kind: of its hash, "" when none is believed. issuer: who vouches
    for it, where it signs in by OpenID Connect. factor_since: when its
    second factor was set up, None: it has none; needs_factor: it must have one, itself or by its role.
    """

    name: str
    role: models.UserRole
    clusters: tuple[tuple[str, str], ...]  # names of the cluster and of the role in it
    must_change: bool
    sessions: int
    exists: bool
    kind: str
    factor_since: datetime | None
    needs_factor: bool
    issuer: str = ""
    is_blocked: bool = False

    @property
    def is_old(self) -> bool:
        """Whether its hash is of another program, and is replaced at its next login."""
        return bool(self.kind) and self.kind != passwords.STRONG

    @property
    def is_fixed(self) -> bool:
        """Whether its role cannot be changed."""
        return self.name == ALWAYS_ADMINISTRATOR


def entries() -> list[Entry]:
    """Every account of the file, and every row whose account is not there (any more)."""
    path = settings.PIRANHA_PASSWORD_FILE
    names = passwords.names(path)
    rows = {row.name: row for row in models.Account.objects.prefetch_related(WITH_CLUSTERS)}
    logins = Counter(models.Login.objects.values_list("account", flat=True))
    about = About(factors=second_factor.holders(), least_role=factor_rule())
    return [
        entry(name, rows.get(name), logins[name], passwords.hash_of(name, path), about)
        for name in [*names, *sorted(set(rows) - set(names))]
    ]


@dataclass(frozen=True, slots=True)
class About:
    """What is known of second factors: who has one since when, and from which role on it must be."""

    factors: Mapping[str, datetime]
    least_role: models.UserRole | None


def entry(name: str, row: models.Account | None, sessions: int, found: str | None, about: About) -> Entry:
    """One of them."""
    role = models.UserRole(row.role) if row else VIEWER
    role = ADMINISTRATOR if name == ALWAYS_ADMINISTRATOR else role
    cluster_roles = list(row.cluster_roles.all()) if row else []
    highest = max([role, *(one.role for one in cluster_roles)])
    return Entry(
        name=name,
        role=role,
        clusters=tuple((one.cluster.name, models.UserRole(one.role).label) for one in cluster_roles),
        must_change=row.must_change if row else False,
        sessions=sessions,
        exists=found is not None,
        issuer=row.issuer_host if row else "",
        is_blocked=row.is_blocked if row else False,
        kind=passwords.kind_of(found) if found else "",
        factor_since=about.factors.get(name),
        needs_factor=not (row and row.issuer and found is None)
        and (
            bool(row and row.needs_factor) or (about.least_role is not None and highest >= about.least_role)
        ),
    )


def entry_of(name: str) -> Entry:
    """One account that exists."""
    return next(one for one in entries() if one.name == name)


def exists(name: str) -> bool:
    """Whether the file or the database knows the account."""
    is_there = passwords.hash_of(name, settings.PIRANHA_PASSWORD_FILE) is not None
    return is_there or models.Account.objects.filter(name=name).exists()


def random_password() -> str:
    """One that nobody guesses, and that can be read out."""
    return secrets.token_urlsafe(12)


@transaction.atomic
def add(name: str, password: str, role: models.UserRole) -> None:
    """A new account, whose owner has to choose another password first; ValueError: it cannot be used."""
    if name in passwords.names(settings.PIRANHA_PASSWORD_FILE):
        raise AccountRefused(f"{name} is an account already: choose another name.")
    leave_to_the_issuer(name)
    forget(name)  # one that was taken out of the file by hand
    models.Account.objects.create(name=name, role=role, must_change=True)
    passwords.set_password(name, password, settings.PIRANHA_PASSWORD_FILE)


@transaction.atomic
def give_password(name: str, password: str) -> None:
    """Another password, to be changed by its owner; its sessions end. ValueError: it cannot be used."""
    leave_to_the_issuer(name)
    models.Account.objects.update_or_create(name=name, defaults={"must_change": True})
    models.Login.objects.filter(account=name).delete()
    passwords.set_password(name, password, settings.PIRANHA_PASSWORD_FILE)


@transaction.atomic
def give_roles(
    name: str, role: models.UserRole, clusters: Mapping[models.Cluster, models.UserRole | None], *, by: str
) -> None:
    """What the account may do from its next request on; None: in that cluster what it may everywhere."""
    if name == ALWAYS_ADMINISTRATOR:
        raise AccountRefused(f"{name} is always administrator.")
    leave_to_the_issuer(name)
    if role < ADMINISTRATOR:
        keep_an_administrator(name, by)
    row, _made = models.Account.objects.update_or_create(name=name, defaults={"role": role})
    for cluster, more in clusters.items():
        if more is None:
            row.cluster_roles.filter(cluster=cluster).delete()
        else:
            row.cluster_roles.update_or_create(cluster=cluster, defaults={"role": more})


@transaction.atomic
def remove(name: str, *, by: str = "") -> None:
    """The account is gone, with its roles and its sessions. by "": on the machine's console."""
    keep_an_administrator(name, by)
    forget(name)
    passwords.remove(name, settings.PIRANHA_PASSWORD_FILE)


@transaction.atomic
def forget(name: str) -> None:
    """Nothing is left of what the database knows of it: nobody inherits that by taking the same name."""
    models.Account.objects.filter(name=name).delete()
    models.Login.objects.filter(account=name).delete()
    second_factor.take_away(name)
    lockout.forget(name)


@transaction.atomic
def take_factor_away(name: str) -> None:
    """The account has no second factor any more, and its sessions end: a lost phone may have one."""
    if not second_factor.take_away(name):
        raise AccountRefused(f"{name} has no second factor.")
    models.Login.objects.filter(account=name).delete()


def require_factor(name: str, is_needed: bool) -> None:
    """Whether this account must have a second factor, whatever its role."""
    models.Account.objects.update_or_create(name=name, defaults={"needs_factor": is_needed})


def factor_rule() -> models.UserRole | None:
    """From which role on every account must have a second factor; None: from none."""
    found = models.FactorRule.objects.values_list("least_role", flat=True).first()
    return None if found is None else models.UserRole(found)


@transaction.atomic
def set_factor_rule(least: models.UserRole | None) -> None:
    """Sets that role."""
    models.FactorRule.objects.all().delete()
    if least is not None:
        models.FactorRule.objects.create(least_role=least)


def leave_to_the_issuer(name: str) -> None:
    """Refuses what is not decided here of an account that has no password here."""
    row = models.Account.objects.filter(name=name).exclude(issuer="").first()
    if row is not None and passwords.hash_of(name, settings.PIRANHA_PASSWORD_FILE) is None:
        raise AccountRefused(
            f"{name} is an account of {row.issuer_host}, which keeps its password and its groups: they give "
            "the roles. Change them there; here it can be blocked or removed."
        )


def keep_an_administrator(name: str, by: str) -> None:
    """Refuses what would leave nobody who can undo it."""
    if name == by and rights(name).everywhere >= ADMINISTRATOR:
        raise AccountRefused("You cannot take this from yourself: ask another administrator to do it.")
    others = [one for one in holders(ADMINISTRATOR, None) if one != name]
    if not others and rights(name).everywhere >= ADMINISTRATOR:
        raise AccountRefused(
            f"{name} is the last administrator: make somebody else administrator first. Nothing was changed."
        )
