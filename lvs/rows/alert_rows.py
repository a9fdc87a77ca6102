"""The rows of the alerts: what is wrong now and who was told, what waits to be sent, and what was chosen.

All of it is in the database, so that a restart of the manager's worker neither tells anything twice nor
forgets an end. Where to is in no row: addresses have passwords in them (`piranha_web.alerts.targets`).
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

HOURS, SECONDS = 4, 60


class Alert(models.Model):
    """Something that is wrong, or was until a moment ago. Times are seconds since the epoch.

    key: what it is about, once in all. told: the last message; null: none yet. gone: since when it is not so
    any more; null: it is. closed: its end was told, and it stays for a while to see whether it comes again.
    """

    key = models.CharField(max_length=400, unique=True)
    kind = models.CharField(max_length=24)
    scope = models.CharField(max_length=200)
    cluster = models.CharField(max_length=64, default="")
    sentence = models.TextField()
    began = models.FloatField()
    told = models.FloatField(null=True)
    gone = models.FloatField(null=True)
    closed = models.BooleanField(default=False)
    flapping = models.BooleanField(default=False)
    comings = models.JSONField(default=list)

    class Meta:
        ordering = ("began", "pk")

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


class AlertMark(models.Model):
    """How far something was looked at. name: what; value: a number, or a router's name."""

    name = models.CharField(max_length=128, unique=True)
    value = models.CharField(max_length=128)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class AlertMessage(models.Model):
    """A message to one target. target: its id; next_at: when it is tried (again)."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"  # for good: it was tried for a day
        DROPPED = "dropped"  # its target is gone

    target = models.CharField(max_length=16, db_index=True)
    kind = models.CharField(max_length=24)
    level = models.CharField(max_length=8)
    title = models.CharField(max_length=300)
    body = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    made_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    error = models.TextField(default="")

    class Meta:
        ordering = ("pk",)
        indexes = (models.Index(fields=("state", "next_at"), name="alert_messages_to_send"),)

    def __str__(self) -> str:
        return f"{self.title} to {self.target}: {self.state}"


class AlertChoice(models.Model):
    """What was chosen about alerts. One row; none: the defaults.

    off: kinds of which nobody is told. quiet_cluster: "": all are quiet until quiet_until.
    """

    remind_hours = models.PositiveIntegerField(default=HOURS)
    servers_after = models.PositiveIntegerField(default=SECONDS)
    off = models.JSONField(default=list)
    quiet_until = models.DateTimeField(null=True)
    quiet_cluster = models.CharField(max_length=64, default="")
    quiet_by = models.CharField(max_length=150, default="")
    quiet_reason = models.CharField(max_length=200, default="")

    def __str__(self) -> str:
        return f"reminders every {self.remind_hours} h"

    @classmethod
    def now(cls) -> Self:
        """The row, or one with the defaults that is not saved yet."""
        return cls.objects.order_by("pk").first() or cls(pk=1)
