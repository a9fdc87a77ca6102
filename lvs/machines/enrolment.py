"""Routers' invitations as rows: who may become which router, until when, and who did.

Of a token's secret only the hash is here. A row is used by one UPDATE that asks whether it still may be: of
two that come at the same moment one finds it used.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone


class Enrolment(models.Model):
    """One token, and what became of it."""

    router = models.ForeignKey("lvs.Router", models.CASCADE, related_name="enrolments")
    secret = models.CharField(max_length=64, unique=True)  # its hash (lvs.machines.invitation.digest)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.CharField(max_length=150)
    ends_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_from = models.CharField(max_length=64, default="")
    # The router got all it needs. Not so: Redis was away just then, and another token is needed.
    is_complete = models.BooleanField(default=False)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"invitation of {self.router}"

    @classmethod
    @transaction.atomic
    def begin(cls, router: Any, secret: str, *, by: str, now: datetime, ends_at: datetime) -> Enrolment:
        """A new one; those of this router that nobody used count no more."""
        cls.objects.filter(router=router, used_at=None).delete()
        return cls.objects.create(router=router, secret=secret, made_by=by, made_at=now, ends_at=ends_at)

    def use(self, address: str, now: datetime) -> bool:
        """Uses it up; False: it has ended, or somebody was faster."""
        open_ones = Enrolment.objects.filter(pk=self.pk, used_at=None, revoked_at=None, ends_at__gt=now)
        return open_ones.update(used_at=now, used_from=address[:64]) == 1

    def complete(self) -> None:
        """Notes that the router has everything."""
        self.is_complete = True
        self.save(update_fields=["is_complete"])

    @classmethod
    def revoke(cls, router: Any, now: datetime) -> None:
        """Notes that this router counts no more; its open tokens go."""
        cls.objects.filter(router=router, used_at=None).delete()
        cls.objects.filter(router=router, revoked_at=None).update(revoked_at=now)

    @classmethod
    def last_of(cls, router: Any) -> Enrolment | None:
        """How this router was enrolled last, revoked or not; None: it never was."""
        return cls.objects.filter(router=router, is_complete=True).first()

    @classmethod
    def open_of(cls, router: Any, now: datetime) -> Enrolment | None:
        """The token of this router that could still be used; None: there is none."""
        return cls.objects.filter(router=router, used_at=None, ends_at__gt=now).first()
