"""Who may do what on the pages: rows of accounts, their roles, and their sessions.

Passwords are not here but in the password file, which is also what says whether an account exists. An account
of the file without a row here is a viewer. Second factors themselves are django-otp's rows.
"""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.db import models
from django.utils import timezone

from lvs.rows.candidate import Cluster


class UserRole(models.IntegerChoices):
    """What an account may do; each may all that those before it may.

    Not to be taken for `lvs.router.state.Role`, which is what a router does now.
    """

    VIEWER = 1, "viewer"
    OPERATOR = 2, "operator"
    ADMINISTRATOR = 3, "administrator"


class Account(models.Model):
    """What is known of an account besides its password."""

    name = models.CharField(max_length=150, unique=True)
    role = models.PositiveSmallIntegerField(choices=UserRole.choices, default=UserRole.VIEWER)  # everywhere
    # Its password was made for it by somebody else, who knows it: another one comes before anything else.
    must_change = models.BooleanField(default=False)
    # Without a second factor it may do nothing but set one up.
    needs_factor = models.BooleanField(default=False)
    # Of whoever signs in by OpenID Connect: who the issuer says it is, whatever name it gives. An account
    # that is not in the password file besides has no password here, and gets its roles at each login.
    issuer = models.CharField(max_length=500, default="", blank=True)
    subject = models.CharField(max_length=255, default="", blank=True)
    is_blocked = models.BooleanField(default=False)  # may not sign in, whatever the issuer says
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("issuer", "subject"),
                condition=~models.Q(issuer=""),
                name="one_account_for_each_subject",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def issuer_host(self) -> str:
        """The issuer in short; "": none."""
        return urlsplit(self.issuer).hostname or self.issuer


class FactorRule(models.Model):
    """From which role on every account must have a second factor. One row, or none: no role needs one."""

    least_role = models.PositiveSmallIntegerField(choices=UserRole.choices)

    def __str__(self) -> str:
        return f"a second factor from {UserRole(self.least_role).label} on"


class ClusterRole(models.Model):
    """What an account may do in one cluster, when that is more than what it may do everywhere."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="cluster_roles")
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="account_roles")
    role = models.PositiveSmallIntegerField(choices=UserRole.choices)

    class Meta:
        ordering = ("cluster__name",)
        constraints = (
            models.UniqueConstraint(fields=("account", "cluster"), name="one_role_for_each_cluster"),
        )

    def __str__(self) -> str:
        return f"{self.account}: {UserRole(self.role).label} of {self.cluster}"


class Login(models.Model):
    """A session: who is logged in from where, since when, and when it was used last.

    The browser's session names the row; without the row it is no session any more.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.CharField(max_length=150, db_index=True)
    password_mark = models.CharField(max_length=128)  # of the password it was opened with
    address = models.CharField(max_length=64)
    browser = models.CharField(max_length=200, default="")  # as it calls itself: anybody may write anything
    began_at = models.DateTimeField()
    used_at = models.DateTimeField()

    class Meta:
        ordering = ("-used_at",)

    def __str__(self) -> str:
        return f"{self.account} from {self.address}"
