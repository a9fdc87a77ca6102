"""The rows of the database: each cluster's candidate (`lvs.candidate`), its revisions, their deployments."""

from __future__ import annotations

import hashlib
from typing import Any, Never

from django.db import models
from django.db.models import Q
from django.utils import timezone

from lvs.candidate import (
    Cluster,
    GlobalSettings,
    MonitoringScript,
    RealServer,
    Redundancy,
    VirtualServer,
)
from lvs.router.state import Node

__all__ = [
    "Cluster",
    "Deployment",
    "GlobalSettings",
    "MonitoringScript",
    "RealServer",
    "Redundancy",
    "Revision",
    "Router",
    "VirtualServer",
]


class Router(models.Model):
    """A machine that runs IPVS; its name is the name of its worker's queue."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="routers")
    name = models.CharField(max_length=64, unique=True)
    node = models.CharField(max_length=8, choices=[(node.value, node.value) for node in Node])

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("cluster", "node"), name="one_router_for_each_node"),)

    def __str__(self) -> str:
        return self.name


class FrozenQuerySet(models.QuerySet["Revision"]):
    """Revisions in bulk: read and created, nothing else."""

    def update(self, **kwargs: Any) -> Never:
        raise TypeError("A revision never changes: freeze a new one.")

    def delete(self) -> Never:
        raise TypeError("A revision is never deleted: it is the record of what was applied.")


class Revision(models.Model):
    """What was applied: a candidate as it was, who froze it, when and why. Immutable."""

    cluster = models.ForeignKey(Cluster, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    message = models.TextField(default="", blank=True)
    document = models.JSONField()
    lvs_cf = models.TextField()

    objects = FrozenQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("cluster", "number"), name="revision_number_unique"),)

    def __str__(self) -> str:
        return f"revision {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("A revision never changes: freeze a new one.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError("A revision is never deleted: it is the record of what was applied.")

    @property
    def sha256(self) -> str:
        """The hash by which a router says that it runs this text."""
        return hashlib.sha256(self.lvs_cf.encode()).hexdigest()

    def before(self) -> Revision | None:
        """The revision before this one; None for the first."""
        return self.cluster.revisions.filter(number__lt=self.number).order_by("-number").first()

    def before_on(self, router: Router) -> Revision | None:
        """The newest earlier revision that this router took and kept; None: there is none."""
        kept = Q(deployments__router=router, deployments__state=Deployment.State.APPLIED)
        return self.cluster.revisions.filter(kept, number__lt=self.number).order_by("-number").first()


class Deployment(models.Model):
    """A revision on its way to one router, and what came of it (the states' story is in `lvs.deploy`)."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        APPLIED = "applied"
        FAILED = "failed"
        PUTTING_BACK = "putting_back"
        ROLLED_BACK = "rolled_back"
        CANCELLED = "cancelled"
        SUPERSEDED = "superseded"

        @staticmethod
        def unfinished() -> tuple[Deployment.State, ...]:
            """The states in which something is still to come."""
            state = Deployment.State
            return (state.QUEUED, state.SENT, state.PUTTING_BACK)

    revision = models.ForeignKey(Revision, models.PROTECT, related_name="deployments")
    router = models.ForeignKey(Router, models.PROTECT, related_name="deployments")
    position = models.PositiveSmallIntegerField()  # the order in which a revision's routers take it
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    task_id = models.CharField(max_length=255, default="")
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    changes = models.JSONField(default=list)
    refused = models.JSONField(default=list)
    seconds = models.FloatField(null=True)  # what the router needed
    error = models.TextField(default="")
    was_applied = models.BooleanField(default=False)  # it was in the kernel before it was put back

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("revision", "router"), name="one_deployment_for_each_router"),
        )

    def __str__(self) -> str:
        return f"{self.revision} on {self.router}: {self.state}"

    @property
    def is_unfinished(self) -> bool:
        """Whether something is still to come."""
        return self.state in self.State.unfinished()

    def send(self, state: str, task_id: str) -> None:
        """Notes that the router's queue has the task."""
        self.state, self.task_id, self.sent_at = self.State(state), task_id, timezone.now()
        self.save()

    def queue_again(self) -> None:
        """Forgets a task that was lost on its way."""
        self.state, self.task_id, self.sent_at = self.State.QUEUED, "", None
        self.save()

    def wait_anew(self) -> None:
        """Begins the wait for the answer again."""
        self.sent_at = timezone.now()
        self.save(update_fields=["sent_at"])

    def end(self, state: str, error: str = "", *, was_applied: bool | None = None) -> None:
        """Notes the outcome."""
        self.state, self.error, self.ended_at = self.State(state), error, timezone.now()
        if was_applied is not None:
            self.was_applied = was_applied
        self.save()
